"""A trend is found at the promised error rate in series that remember, and its size is that of the line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queues import ar1, mmc
from scipy import stats as oracle

from harness.measure import drift


def test_a_line_is_known_exactly() -> None:
    """30 means that rise from 95.5 to 104.5 along a line change by 10 times 30/29 of 9, in percent of 100, without error."""
    found = drift.of_means(np.linspace(95.5, 104.5, 30), n=300)
    assert 9 * 30 / 29 == pytest.approx(found.change_percent)
    assert found.interval == pytest.approx((9 * 30 / 29, 9 * 30 / 29))
    assert (300, 30, True, False) == (found.n, found.batches, found.found, found.passes)


def test_means_that_do_not_remember_have_the_interval_of_ordinary_least_squares() -> None:
    """With no positive autocorrelation to allow for, the interval is the textbook's slope, at its n - 2 degrees of freedom."""
    at = (np.arange(20) + 0.5) / 20
    means = 50 + 3 * at + np.tile([1.0, -1.0, -1.0, 1.0, -1.0], 4)
    line = oracle.linregress(at, means)
    margin = oracle.t.ppf(0.975, 18) * line.stderr
    found = drift.of_means(means, n=20)
    expected = tuple(100 * (line.slope + side * margin) / means.mean() for side in (-1, 1))
    assert expected == pytest.approx(found.interval)
    assert found.effective == 20


@pytest.mark.parametrize(("phi", "n"), [(0.0, 300), (0.5, 300), (0.8, 1000), (0.9, 1000), (0.95, 3000), (0.98, 3000)])
def test_the_false_alarm_rate_holds_under_autocorrelation(phi: float, n: int) -> None:
    """Of 500 AR(1) series without a trend at most 5 % and what chance adds (2.3 points) have one at 95 %."""
    alarms = [drift.of_values(series).found for series in ar1(phi, n, rows=500, seed=1)]
    assert alarms.count(True) / 500 <= 0.073
    assert alarms.count(None) / 500 <= 0.1


def test_ordinary_least_squares_would_cry_wolf() -> None:
    """The allowance is needed: over single values of AR(1) at 0.9, an ordinary slope is significant in more than 40 %."""
    at = np.arange(300)
    assert np.mean([oracle.linregress(at, series).pvalue < 0.05 for series in ar1(0.9, 300, rows=200, seed=1)]) > 0.4


def test_a_series_that_remembers_too_long_is_not_testable() -> None:
    """300 values of AR(1) at 0.99 are worth too few independent ones: most often the answer is a reason, seldom an alarm."""
    found = [drift.of_values(series) for series in ar1(0.99, 300, rows=300, seed=2)]
    assert sum(each.found is None for each in found) > 250
    assert sum(each.found is True for each in found) <= 15
    reason = next(each.reason for each in found if each.found is None)
    assert reason is not None
    assert "too short a window" in reason


def test_a_drift_is_found_with_its_size() -> None:
    """A rise of 20 % of the mean under AR(1) noise is found in nine windows of ten, and its interval holds the 20 % in 90 %."""
    found = [drift.of_values(series + np.linspace(-2, 2, 1000)) for series in ar1(0.5, 1000, rows=200, seed=3)]
    assert sum(each.found is True for each in found) >= 180
    held = sum(each.interval is not None and each.interval[0] <= 20 <= each.interval[1] for each in found)
    assert held >= 180


def test_few_random_walks_lie_on_a_line() -> None:
    """Of what remembers longest and has no trend, at most 1 % is called a drift by its straightness alone."""
    walks = np.cumsum(np.random.default_rng(4).normal(size=(1000, 30)), axis=1) + 1000
    found = [drift.of_means(walk, 30) for walk in walks]
    assert sum(each.found is True and each.interval is None for each in found) <= 10


def test_a_long_swing_on_a_line_is_found() -> None:
    """A rise with a slow wave on it is worth next to nothing as residuals go, and is a drift without an interval."""
    at = np.linspace(0, 1, 30)
    found = drift.of_means(10 + 10 * at + 0.5 * np.sin(2 * np.pi * at), n=300)
    assert (None, True, False) == (found.interval, found.found, found.passes)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.7), (1, 0.8), (1, 0.9), (8, 0.5), (8, 0.7), (8, 0.8), (8, 0.9)])
def test_the_false_alarm_rate_holds_in_queues(servers: int, load: float) -> None:
    """Of 200 windows of 1,000 requests in steady M/M/c, at most 5 % and what chance adds (3.5 points) have a drift."""
    start_s, end_s = mmc(load, servers, 3000, rows=200, seed=6)
    assert sum(drift.of_values(stay_s).found is True for stay_s in (end_s - start_s)[:, 2000:]) <= 17


def test_a_small_drift_is_told_and_let_pass() -> None:
    """A change of 4 % is found and does not matter; one of 6 % does."""
    small, large = (drift.of_means(np.linspace(100 - half, 100 + half, 30), n=300) for half in (1.9, 2.95))
    assert (True, True) == (small.found, small.passes)
    assert (True, False) == (large.found, large.passes)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0] * 49, "49 values make 9 batches, under 10"),
        ([], "0 values make 0 batches, under 10"),
        ([0.0] * 50, "the mean is 0, so no change is a share of it"),
    ],
)
def test_what_cannot_be_tested_says_why(values: list[float], reason: str) -> None:
    """Too few values, or none to be a share of, give no answer and the reason."""
    found = drift.of_values(values)
    assert (None, None, None, reason) == (found.interval, found.found, found.passes, found.reason)


def test_what_does_not_vary_does_not_drift() -> None:
    """A constant with the noise of rounding, however that noise runs, is a steady series with an exact interval."""
    found = drift.of_means(16 + np.linspace(0, 1e-12, 30), n=30)
    assert (0.0, False, True) == (found.change_percent, found.found, found.passes)


@given(st.lists(st.integers(1, 1000), min_size=50, max_size=200), st.integers(-10, 10))
def test_units_do_not_matter(values: list[int], power: int) -> None:
    """Seconds or milliseconds: the change in percent is the same."""
    plain, scaled = drift.of_values(values), drift.of_values(np.array(values) * 2.0**power)
    assert plain == scaled


@given(st.lists(st.integers(1, 1000), min_size=50, max_size=200))
def test_backwards_is_the_opposite(values: list[int]) -> None:
    """A series read from its end drifts by as much the other way, where the batches are the same."""
    whole = values[: len(values) // 10 * 10]
    means = drift.batch_means(whole, 10)
    there, back = drift.of_means(means, len(whole)), drift.of_means(means[::-1], len(whole))
    assert there.change_percent is not None
    assert -there.change_percent == pytest.approx(back.change_percent, abs=1e-9)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200), st.integers(1, 30))
def test_batches_hold_every_value_once(values: list[int], batches: int) -> None:
    """The means, each as often as its batch is long, add up to the values."""
    if batches > len(values):
        return
    lengths = np.diff(np.linspace(0, len(values), batches + 1).astype(int))
    assert sum(values) == pytest.approx(float(drift.batch_means(values, batches) @ lengths))


def test_worth_of_a_series_that_remembers() -> None:
    """AR(1) at 0.5 is worth a third of its number, within a tenth of it: (1 - r)/(1 + r)."""
    series = ar1(0.5, 20_000, rows=1, seed=5)[0]
    assert pytest.approx(20_000 / 3, rel=0.1) == drift.effective(series - series.mean(), fitted=1)
