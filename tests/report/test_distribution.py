"""Percentiles: read from the histogram, checked by order statistics, absent below the sample floor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.histogram import Histogram, bucket_counts
from harness.report.distribution import Gaps, check, exact, failure_aware, pooled

MS = 1_000_000


def test_percentiles_of_known_values() -> None:
    """Of 1..1000 ms p50 is 500 ms, p90 900, p95 950 and p99 990, to three digits; mean and extremes are exact."""
    figures = exact(np.arange(1, 1001) / 1e3, 0, "").figures
    assert pytest.approx([0.5, 0.9, 0.95, 0.99], rel=1e-3) == [figures.p50, figures.p90, figures.p95, figures.p99]
    assert (0.001, 0.5005, 1.0) == (figures.min, figures.mean, figures.max)


@pytest.mark.parametrize(("n", "name"), [(6, "p50"), (36, "p90"), (72, "p95"), (368, "p99"), (3688, "p99_9")])
def test_a_percentile_appears_at_its_floor_and_not_before(n: int, name: str) -> None:
    """One value fewer than the floor and the percentile is missing, with the n that it needs as the reason."""
    assert getattr(exact(np.full(n, 0.1), 0, "").figures, name) == pytest.approx(0.1, rel=1e-3)
    below = exact(np.full(n - 1, 0.1), 0, "").figures
    assert (None, f"needs n >= {n}, has {n - 1}") == (getattr(below, name), below.reason[name])


def test_intervals_enclose_their_percentile() -> None:
    """Each given percentile has bounds on either side, up to the histogram's three digits."""
    figures = exact(np.random.default_rng(1).lognormal(size=500), 0, "").figures
    assert ["p50", "p90", "p95", "p99"] == list(figures.interval)
    for name, (low, high) in figures.interval.items():
        assert low <= getattr(figures, name) <= high * 1.001


def test_nothing_is_not_zero() -> None:
    """No value at all: every figure is missing and says why."""
    figures = exact(np.array([]), 3, "no answer came whole").figures
    assert (0, 3, None, None, None) == (figures.n, figures.missing, figures.min, figures.mean, figures.p50)
    assert {"no answer came whole"} == set(figures.reason.values())


def test_no_percentile_passes_the_maximum() -> None:
    """The histogram answers with the top of a bucket; what is printed is not longer than the longest."""
    figures = exact(np.full(400, 0.123456789), 0, "").figures
    assert (0.123456789, 0.123456789) == (figures.p99, figures.max)


def test_pooled_gaps_keep_their_exact_sum_and_maximum() -> None:
    """Bucket counts of two attempts: n adds up, the mean is the sum over n, the maximum is the one that was kept exactly."""
    gaps = [Gaps(bucket_counts([10 * MS] * 4), 40 * MS), Gaps(bucket_counts([30 * MS] * 4), 120 * MS)] * 15
    figures = pooled(gaps, 30 * MS, 0, "").figures
    assert (120, 0.02, 0.03) == (figures.n, figures.mean, figures.max)
    assert figures.p50 == pytest.approx(0.01, rel=1e-3)


def test_gaps_of_few_answers_show_no_percentile() -> None:
    """A thousand gaps of ten answers are ten answers: no percentile, and the reason says how many answers it takes."""
    figures = pooled([Gaps(bucket_counts([10 * MS] * 100), 1000 * MS)] * 10, 10 * MS, 0, "").figures
    assert (1000, None, {}) == (figures.n, figures.p50, figures.interval)
    assert "needs 30 answers with gaps, has 10" == figures.reason["p50"]


def test_intervals_of_gaps_hold_though_answers_differ() -> None:
    """Answers with a speed of their own: of 100 samples, at least 88 intervals of the median hold the true one."""
    draw = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        speeds = draw.lognormal(np.log(20 * MS), 0.3, size=60)
        gaps = [(speed * draw.lognormal(0, 0.2, size=40)).astype(int).tolist() for speed in speeds]
        figures = pooled([Gaps(bucket_counts(each), sum(each)) for each in gaps], None, 0, "").figures
        low, high = figures.interval["p50"]
        held += low * 0.999 <= 0.020 <= high * 1.001
    assert held >= 88


def test_failures_stand_at_infinity() -> None:
    """With 4 % failures p95 is that of all attempts, higher than that of the good ones, and p99 is not reached."""
    good = exact(np.arange(1, 961) / 1e3, 0, "")
    everyone = failure_aware(good, 1000)
    assert everyone.p95 == pytest.approx(0.95, rel=1e-3)
    assert (40, None, "not reached: 40 of 1000 attempts gave no good answer") == (
        everyone.failed,
        everyone.p99,
        everyone.reason["p99"],
    )


def test_failures_do_not_lower_the_sample_floor() -> None:
    """Of 100 attempts, failed or not, there is no p99 to reach: the sample is too small to say so."""
    everyone = failure_aware(exact(np.full(90, 0.1), 0, ""), 100)
    assert "needs n >= 368, has 100" == everyone.reason["p99"]


def test_a_histogram_that_lies_is_caught() -> None:
    """Values that are not those of the histogram are a bug, and it does not pass in silence."""
    histogram = Histogram()
    histogram.record(np.full(100, 10 * MS))
    with pytest.raises(AssertionError, match="exact order statistics"):
        check(histogram, np.full(100, 11 * MS))
    with pytest.raises(AssertionError, match="values went in"):
        check(histogram, np.full(99, 10 * MS))


@given(st.lists(st.floats(min_value=2e-5, max_value=3000), min_size=1, max_size=500))
def test_the_histogram_agrees_with_order_statistics(values: list[float]) -> None:
    """Whatever the values, the check passes and what is printed is ordered: min <= p50 <= ... <= max."""
    figures = exact(np.array(values), 0, "").figures
    shown = [figures.min, figures.p50, figures.p90, figures.p95, figures.p99, figures.max]
    known = [value for value in shown if value is not None]
    assert sorted(known) == known
