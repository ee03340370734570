"""Steady windows are called steady, a cold start is cut where it ends, and a queue that grows has no steady part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queues import Floats, mmc, served

from harness.measure import drift, steady
from harness.measure.little import Rows
from harness.measure.steady import Steadiness


def judged(start_s: Floats, end_s: Floats, first: int = 0) -> list[Steadiness]:
    """The verdict on each row's window from the start of its request of that number to the start of its last one."""
    windows = zip(start_s, end_s, strict=True)
    return [steady.assess(Rows(began, ended, ended - began), began[first], began[-1]) for began, ended in windows]


def twenty_servers(factors: Floats, rows: int) -> list[Steadiness]:
    """Windows of a system with room to spare whose requests take so many times 1 s."""
    rng = np.random.default_rng(5)
    start_s = np.cumsum(rng.exponential(0.25, (rows, len(factors))), axis=1)
    return judged(start_s, served(start_s, rng.exponential(1.0, start_s.shape) * factors, 20))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (8, 0.5), (8, 0.7), (8, 0.9)])
def test_few_steady_queues_are_called_unsteady(servers: int, load: float) -> None:
    """Of 200 windows of 500 requests in steady M/M/c, 5 % and what chance adds (3.5 points) at most are called unsteady."""
    said = judged(*mmc(load, servers, 2500, rows=200, seed=2), first=2000)
    assert [each.steady for each in said].count(False) <= 17
    assert sum(each.start is not None for each in said) <= 10


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (8, 0.5), (8, 0.7), (8, 0.8)])
def test_long_steady_windows_are_used_whole(servers: int, load: float) -> None:
    """Of 50 windows of 3,000 requests at least 45 are steady without a cut."""
    said = judged(*mmc(load, servers, 5000, rows=50, seed=3), first=2000)
    assert sum(each.used is each.whole for each in said) >= 45


def test_a_closed_loop_is_steady() -> None:
    """16 users without a pause, 50 times the mean e2e: the whole window is used, and the words say so."""
    stay_s = np.random.default_rng(4).lognormal(0, 0.4, (16, 120))
    end_s = np.cumsum(stay_s, axis=1)
    said = steady.assess(Rows((end_s - stay_s).ravel(), end_s.ravel(), stay_s.ravel()), 10, 70)
    assert (True, 10.0) == (said.steady, said.from_s)
    assert said.words() == "window used: all 60.0 s, steady"


@pytest.mark.parametrize("load", [1.2, 1.5, 2.0])
def test_a_growing_queue_has_no_steady_part(load: float) -> None:
    """Beyond capacity at least 9 of 10 windows are unsteady, and no part of any is called steady."""
    said = judged(*mmc(load, 8, 3000, rows=30, seed=3))
    assert [each.steady for each in said].count(False) >= 27
    assert [each.used for each in said] == [None] * 30


def test_a_growing_queue_is_told_in_words() -> None:
    """The line names the law and what grew."""
    words = judged(*mmc(1.5, 8, 3000, rows=1, seed=3))[0].words()
    assert words.startswith("window used: all ")
    assert "not steady: L and lambda W are " in words
    assert "requests in flight changed by +" in words


def test_a_cold_start_is_found_and_cut() -> None:
    """Where the first 200 of 2,000 requests take three times as long, all are found, most cut at requests 150 to 300."""
    said = twenty_servers(np.where(np.arange(2000) < 200, 3.0, 1.0), rows=40)
    assert all(each.start is not None and each.start.percent > 100 for each in said)
    cuts_s = [each.from_s for each in said if each.steady]
    assert len(cuts_s) >= 36
    assert sum(150 <= cut_s * 4 <= 300 for cut_s in cuts_s if cut_s is not None) >= 0.8 * len(cuts_s)


def test_a_warm_up_that_fades_is_cut() -> None:
    """Where requests take four times as long at first, fading over 150, at most 2 windows of 40 are used whole."""
    said = twenty_servers(1 + 3 * np.exp(-np.arange(2000) / 150), rows=40)
    assert sum(each.used is each.whole for each in said) <= 2
    assert sum(each.used is not None for each in said) >= 34
    assert " s, steady from " in next(each for each in said if each.steady).words()


def test_a_drift_that_goes_on_is_not_cut_away() -> None:
    """Latency that rises by a half over the window leaves few windows a steady part."""
    said = twenty_servers(1 + 0.5 * np.arange(2000) / 2000, rows=40)
    assert [each.steady for each in said].count(False) >= 30


def test_a_window_too_short_is_neither() -> None:
    """Forty requests show nothing, and the line says why."""
    start_s = np.arange(40.0)
    said = steady.assess(Rows(start_s, start_s + 0.5, np.full(40, 0.5)), 0, 40)
    assert (None, None) == (said.steady, said.used)
    assert said.words() == (
        "window used: all 40.0 s, not known to be steady: drift of latency is not testable: 40 values make 8 batches, under 10"
    )


def test_requests_without_a_latency_are_in_flight_all_the_same() -> None:
    """A failed request counts for Little's law and not for the drift of latency; both numbers are there."""
    start_s = np.arange(-5, 110) + 0.25
    latency_s = np.where(np.arange(115) % 10 == 0, np.nan, 0.5)
    said = steady.assess(Rows(start_s, start_s + 0.5, latency_s), 0, 100)
    assert (True, 100, 90) == (said.steady, said.whole.little.n, said.whole.latency.n)


def test_truncation_of_a_step_is_known() -> None:
    """Two batches of 5 above a level series are cut, neither more nor less."""
    assert steady.truncation([9.0] * 10 + [1.0, 1.2] * 50) == 10


@given(st.lists(st.integers(0, 50), min_size=50, max_size=120))
def test_truncation_is_the_least_of_its_definition(values: list[int]) -> None:
    """The cut is where the sum of squares over the square of the number left is least, as written down in White (1997)."""
    means = drift.batch_means(values, len(values) // 5)
    half = len(means) // 2
    spread = [((means[cut:] - means[cut:].mean()) ** 2).sum() / (len(means) - cut) ** 2 for cut in range(half + 1)]
    cut = steady.truncation(values)
    assert min(spread) == pytest.approx(spread[half if cut is None else cut // 5], abs=1e-12)


@pytest.mark.parametrize("values", [list(range(100)), [1.0] * 49])
def test_what_never_settles_or_is_too_short_has_no_cut(values: list[float]) -> None:
    """A steady climb has its least at the end of the first half, and 49 values are not judged."""
    assert steady.truncation(values) is None


def test_a_beginning_like_the_rest_is_not_told() -> None:
    """No cut, a cut of everything, and a first part inside the range of the rest say nothing."""
    series = np.random.default_rng(6).normal(10, 1, 300)
    assert [None] * 3 == [steady.beginning(series, cut) for cut in (0, 300, 20)]


def test_a_beginning_unlike_the_rest_is_told_in_percent() -> None:
    """Twenty values of three times the mean are 200 % off, within 10 points."""
    series = np.random.default_rng(6).normal(10, 1, 300)
    series[:20] += 20
    assert pytest.approx(200, abs=10) == steady.beginning(series, 20)
