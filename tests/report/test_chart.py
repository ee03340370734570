"""Which curves the report draws, and how far."""

from xml.etree import ElementTree as ET

import pytest

from harness.report.build import Built
from harness.report.cells import cells
from harness.report.chart import Chart, charts


@pytest.fixture(scope="module")
def drawn(troubled: Built) -> list[Chart]:
    return charts(troubled.summary, list(cells(troubled.run, troubled.frame)))


def names(chart: Chart) -> list[str | None]:
    assert chart.picture is not None
    return [title.text for title in ET.fromstring(chart.picture).findall("g/title")]


def test_a_curve_ends_where_its_sample_does(drawn: list[Chart]) -> None:
    """Nearly a thousand attempts show p99 and not p99.9: the last point and the last tick stand at p99."""
    assert drawn[0].picture is not None
    picture = ET.fromstring(drawn[0].picture)
    ticks = [text.text for text in picture.findall("text") if text.get("text-anchor") == "middle"]
    assert ["p50", "p90", "p99", "percentile", None] == ticks
    assert [12, 12] == [len((line.get("points") or "").split()) for line in picture.iter("polyline")]


def test_endpoints_without_figures_have_no_curve(drawn: list[Chart]) -> None:
    """gamma never answered and delta answered once: neither is in the spectra nor in the value chart."""
    assert [["alpha", "beta"]] * 3 == [names(drawn[0]), names(drawn[1]), names(drawn[4])]


def test_the_sweep_has_both_percentiles(drawn: list[Chart]) -> None:
    """p50 at both levels, p99 where it is estimable."""
    assert ["alpha p50", "alpha p99", "beta p50", "beta p99"] == names(drawn[2])


def test_value_for_money_names_the_tail(drawn: list[Chart]) -> None:
    """The third dimension, p99 of e2e, is in the caption."""
    assert "p99 of e2e: alpha " in drawn[4].caption
