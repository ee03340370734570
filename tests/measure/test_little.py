"""Little's law is exact where nothing crosses an edge, holds in queues that are steady, and is broken by one that grows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queues import Floats, mmc

from harness.measure import little
from harness.measure.little import Rows

NAN = float("nan")


def rows(start_s: Floats | list[float], end_s: Floats | list[float]) -> Rows:
    return Rows(start_s, end_s, np.asarray(end_s) - np.asarray(start_s))


def test_parts_inside_the_window_are_counted_exactly() -> None:
    """Of three requests in a window of 10 s, 2 s of one that began before, 4 s of one inside and 1 s of one that ends after."""
    law = little.little(rows([5.0, 12.0, 19.0], [12.0, 16.0, 24.0]), 10, 20)
    assert (0.7, 0.2, 4.5, 2) == pytest.approx((law.in_flight, law.per_s, law.stay_s, law.n))
    assert pytest.approx(abs(0.7 - 0.2 * 4.5) / 0.7) == law.gap_ratio


def test_slices_of_time_are_integrated_exactly() -> None:
    """The number in flight by slice of 5 s, of a request from 2 to 12 s and one from 5 to 6 s."""
    assert [0.6, 1.2, 0.4, 0.0] == pytest.approx(list(little.in_flight(rows([5.0, 2.0], [6.0, 12.0]), 0, 20, slices=4)))


def test_a_paced_system_holds_the_law() -> None:
    """One request a second that stays 0.5 s, over 100 s: L = 0.5, lambda = 1, W = 0.5, and no noise."""
    start_s = np.arange(-10, 120) + 0.25
    law = little.little(rows(start_s, start_s + 0.5), 0, 100)
    assert (0.5, 1.0, 0.5, 0.0) == pytest.approx((law.in_flight, law.per_s, law.stay_s, law.gap_ratio), abs=1e-12)
    assert (True, None) == (law.holds, law.reason)


def test_a_closed_loop_holds_the_law() -> None:
    """16 users without a pause are 16 in flight, whatever their requests take."""
    stays_s = np.random.default_rng(1).lognormal(0, 0.5, (16, 600))
    end_s = np.cumsum(stays_s, axis=1)
    law = little.little(rows((end_s - stays_s).ravel(), end_s.ravel()), 50, 350)
    assert pytest.approx(16) == law.in_flight
    assert law.holds is True


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 100)), min_size=1, max_size=50))
def test_without_edges_the_law_is_an_identity(stays: list[tuple[int, int]]) -> None:
    """Where all requests begin and end in the window, L = lambda W, whatever they do."""
    start_s = np.array([start for start, _ in stays], dtype=float)
    law = little.little(rows(start_s, start_s + [stay for _, stay in stays]), 0, 200)
    assert law.stay_s is not None
    assert law.in_flight == pytest.approx(law.per_s * law.stay_s)


@given(st.lists(st.tuples(st.integers(-50, 150), st.integers(1, 100)), min_size=1, max_size=50), st.integers(0, 2**31))
def test_the_clock_and_the_order_do_not_matter(stays: list[tuple[int, int]], zero_s: int) -> None:
    """The same requests in another order and by a clock that started long ago give the same law."""
    start_s, stay_s = (np.array(column, dtype=float) for column in zip(*stays, strict=True))
    here = little.little(rows(start_s, start_s + stay_s), 0, 100)
    there = little.little(rows((start_s + zero_s)[::-1], (start_s + stay_s + zero_s)[::-1]), zero_s, zero_s + 100)
    assert here.in_flight == pytest.approx(there.in_flight, abs=1e-6)
    assert (here.n, here.stay_s) == pytest.approx((there.n, there.stay_s))


@pytest.mark.parametrize(
    ("servers", "load", "share"), [(1, 0.5, 0.9), (8, 0.5, 0.9), (8, 0.7, 0.9), (8, 0.8, 0.9), (8, 0.9, 0.8)]
)
def test_steady_queues_pass(servers: int, load: float, share: float) -> None:
    """Of 100 windows of M/M/c with 3,000 requests at most 5 are said to break the law, and at least 80 are said to hold it."""
    start_s, end_s = mmc(load, servers, 6000, rows=100, seed=2)
    said = [little.little(rows(*pair), pair[0][3000], pair[0][-1]).holds for pair in zip(start_s, end_s, strict=True)]
    assert said.count(False) <= 5
    assert said.count(True) >= 80


@pytest.mark.parametrize("load", [1.2, 1.5, 2.0])
def test_a_growing_queue_fails(load: float) -> None:
    """Beyond capacity the gap is load - 1, and at least 9 of 10 windows of 3,000 requests are found; none holds the law."""
    start_s, end_s = mmc(load, 8, 3000, rows=50, seed=3)
    laws = [little.little(rows(*pair), 0, pair[0][-1]) for pair in zip(start_s, end_s, strict=True)]
    assert load - 1 == pytest.approx(np.mean([law.gap_ratio for law in laws]), rel=0.1)
    assert [law.holds for law in laws].count(False) >= 45
    assert [law.holds for law in laws].count(True) == 0


def test_a_queue_just_beyond_capacity_is_seldom_taken_for_steady() -> None:
    """At load 1.1 the law holds in at most 1 of 10 windows: the others are found, or not testable."""
    start_s, end_s = mmc(1.1, 8, 3000, rows=50, seed=3)
    assert [little.little(rows(*pair), 0, pair[0][-1]).holds for pair in zip(start_s, end_s, strict=True)].count(True) <= 5


def test_a_short_window_is_not_testable() -> None:
    """A window of 8 mean times in system says so instead of passing or failing."""
    start_s = np.arange(-20, 40) + 0.25
    law = little.little(rows(start_s, start_s + 1), 0, 8)
    assert (None, "the window is 8.0 mean times in system long, under 10") == (law.holds, law.reason)


def test_edges_that_swamp_the_window_are_not_testable() -> None:
    """Few requests that stay irregularly long leave more at the edges than 5 %."""
    start_s, end_s = mmc(0.8, 1, 300, rows=1, seed=5)
    law = little.little(rows(start_s[0], end_s[0]), start_s[0][100], start_s[0][200])
    assert law.holds is None
    assert law.reason is not None
    assert law.noise_ratio is not None
    assert law.noise_ratio > 0.05


def test_requests_without_an_end_leave_it_open() -> None:
    """One unknown end makes the time in system unknown; the request counts as in flight to the window's end."""
    start_s = np.arange(-10, 120) + 0.25
    end_s = np.append(start_s + 0.5, NAN)
    law = little.little(rows(np.append(start_s, 99.0), end_s), 0, 100)
    assert (None, 1) == (law.holds, law.unended)
    assert pytest.approx(0.51) == law.in_flight
    assert law.reason == "1 requests have no known end, so their time in system is not known"


def test_nobody_in_the_window_is_not_testable() -> None:
    """Where no request began there is no time in system."""
    law = little.little(rows([1.0, 300.0], [2.0, 301.0]), 10, 20)
    assert (0.0, None, None, "no request stayed in the window") == (law.in_flight, law.stay_s, law.holds, law.reason)


@pytest.mark.parametrize("to_s", [10.0, 9.0, NAN])
def test_an_empty_window_is_a_mistake(to_s: float) -> None:
    """A window that ends where it begins, or before, is refused with its edges."""
    with pytest.raises(ValueError, match=r"a window from 10\.0 s to .* is empty"):
        little.little(rows([1.0], [2.0]), 10.0, to_s)
