"""Charts as SVG elements."""

from xml.etree import ElementTree as ET

import pytest

from harness.report import wording
from harness.report.svg import Axis, Series, Tick, draw, scale

SVG = Axis("x", 0, 10, [Tick(0, "0"), Tick(10, "10")]), Axis("y", 0, 1, [Tick(0, "0"), Tick(1, "1")])


def test_points_stand_where_their_values_are() -> None:
    """The low end is at the left and at the bottom, the high end at the right and at the top."""
    root = ET.fromstring(draw("t", "d", *SVG, [Series("a", 0, [(0, 0), (10, 1)])]))
    assert "62,254 454,12" == root.find(".//polyline").get("points")  # type: ignore[union-attr]


def test_no_label_breaks_out() -> None:
    """A name that looks like markup is text."""
    picture = draw("</title><script>", "d", *SVG, [Series("<b>&", 0, [(1, 1)])])
    assert "<script>" not in picture
    assert "</title><script>" == ET.fromstring(picture).find("title").text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.2, 0.9], ["0 s", "500 ms", "1 s"]),
        ([0.0], ["0 s", "500 ms"]),
        ([0.01, 5.0], ["10 ms", "100 ms", "1 s", "10 s"]),
    ],
)
def test_ticks_are_round(values: list[float], expected: list[str]) -> None:
    """Linear from zero, or decades where the values span more than a factor of twenty."""
    assert expected == [tick.label for tick in scale("", values, wording.seconds).ticks]


def test_endpoints_differ_by_more_than_colour() -> None:
    """Each of six styles has a shape of its own."""
    shapes = set()
    for style in range(6):
        marker = ET.fromstring(draw("t", "d", *SVG, [Series("a", style, [(5, 0.5)])])).findall("g/*[@class]")[-1]
        shapes.add((marker.tag, marker.get("points")))
    assert 6 == len(shapes)
