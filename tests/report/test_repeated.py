"""One figure over several looks: its interval is between looks, and what their requests explain is no difference of looks."""

import html
import math

import fabricated
import pytest

from harness.measure.campaign import over_runs
from harness.report.build import Built, build
from harness.report.repeated import FIGURES, Look, looks, over, repeated, sentences


def test_the_interval_is_students_t_over_looks() -> None:
    """Three looks at 1, 2 and 3 s: the mean is 2, and the margin t(2) = 4.3027 times 1 / sqrt(3)."""
    told = repeated([Look(1.0), Look(2.0), Look(3.0)], "run")
    margin = 4.302652729911275 / math.sqrt(3)
    assert told.interval is not None
    assert pytest.approx((2.0, 1.0, 2 - margin, 2 + margin)) == (told.mean, told.deviation, *told.interval)
    assert (3, 0, (1.0, 2.0, 3.0)) == (told.n, told.missing, told.values)


def test_looks_that_their_requests_explain_do_not_differ() -> None:
    """Figures 1 apart, each known to 1 (one standard error): nothing is left between looks."""
    told = repeated([Look(10.0, 1.0, 100), Look(11.0, 1.0, 100)], "run")
    assert 0.0 == told.between_ratio
    assert told.p is not None
    assert told.p > 0.3


def test_looks_that_differ_by_more_than_their_requests() -> None:
    """Figures 0 and 10, each known to 1: their variance of 50 is 1 of requests and 49 between looks."""
    told = repeated([Look(0.0, 1.0, 100), Look(10.0, 1.0, 100)], "run")
    assert told.between_ratio == pytest.approx(0.98)


def test_what_a_look_has_not_is_counted_and_pooled_nowhere() -> None:
    """Two of three looks have the figure: n is 2, the third one is None in its place."""
    told = repeated([Look(1.0), Look(None, reason="needs n >= 368, has 20"), Look(3.0)], "run")
    assert (2, 1, (1.0, None, 3.0), 2.0) == (told.n, told.missing, told.values, told.mean)


@pytest.mark.parametrize(
    ("found", "figure", "words"),
    [
        ([Look(None, reason="needs n >= 368, has 20")] * 2, "mean", "needs n >= 368, has 20"),
        ([Look(1.0)], "interval", "one repetition does not show how repetitions differ"),
        ([Look(1.0), Look(2.0)], "between_ratio", "no repetition tells how exactly it knows this figure"),
    ],
)
def test_every_missing_figure_says_why(found: list[Look], figure: str, words: str) -> None:
    """The reason speaks of what the looks are."""
    told = repeated(found, "repetition")
    assert (None, words) == (getattr(told, figure), told.reason[figure])


def test_every_figure_of_a_cell_is_looked_at(troubled: Built) -> None:
    """Of a cell with answers: percentiles and shares know their variance; rates do not; what is missing has its reason."""
    cell = next(each for each in troubled.cells if (each.endpoint, each.level) == ("alpha", "16"))
    level = troubled.summary.endpoints["alpha"].levels["16"]
    found = looks(cell, level)
    assert FIGURES.keys() == found.keys() == over([found], "run").keys()
    assert (level.service.ttft_s.p99, level.success.ratio) == (found["ttft_p99_s"].value, found["success_ratio"].value)
    assert {"requests_per_s", "output_tokens_per_s", "goodput_per_s"} == {
        name for name, look in found.items() if look.value is not None and look.variance is None
    }
    assert all(look.reason for look in found.values() if look.value is None)


@pytest.fixture(scope="module")
def thrice(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One candidate at eight users, three times in one run."""
    run = tmp_path_factory.mktemp("thrice") / "run"
    return build(fabricated.write(run, [fabricated.Candidate("alpha")], levels=(8,), seconds=10, repetitions=3))


def test_each_repetition_counts_once(thrice: Built) -> None:
    """The values are those of the attempts of each repetition, and the interval is over the three of them."""
    level = thrice.summary.endpoints["alpha"].levels["8"]
    of = level.repetitions["success_ratio"]
    began = thrice.cells[0].measured
    shares = [float((rows["success"] == True).mean()) for _, rows in began.groupby("repetition")]  # noqa: E712
    assert pytest.approx(shares) == list(of.values)
    assert pytest.approx(over_runs(shares).interval) == of.interval
    rates = level.repetitions["requests_per_s"]
    assert level.requests_per_s == pytest.approx(rates.mean)


def test_repetitions_are_told(thrice: Built, troubled: Built) -> None:
    """On the terminal and on the page; a run without repetitions has nothing to tell."""
    assert ["alpha at 8 users, over 3 repetitions"] == [line.partition(":")[0] for line in sentences(thrice.summary)]
    assert 'id="repetitions"' in (thrice.path / "report.html").read_text()
    assert [] == list(sentences(troubled.summary))
    assert {} == troubled.summary.endpoints["alpha"].levels["16"].repetitions
    assert 'id="repetitions"' not in (troubled.path / "report.html").read_text()


def test_a_short_run_says_what_it_cannot_show(thrice: Built) -> None:
    """Three times 12 s, of which the first 2 s are no measure window."""
    assert 34.0 == thrice.summary.covers_s
    assert thrice.summary.variation is not None
    assert "This run covers 34 s" in thrice.summary.variation
    assert thrice.summary.variation in html.unescape((thrice.path / "report.html").read_text())
