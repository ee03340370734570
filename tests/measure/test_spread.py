"""Spreads: durations as few pairs, rounded up, that can be added; and what they say of waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.spread import beyond_ns, merged, quantile_ns, spread, wait_ns

MS = 1_000_000
some_values = st.lists(st.integers(0, 10**12), min_size=1, max_size=200)


STEP = 32_768


def test_five_digits_are_kept() -> None:
    """Multiples of the step up to 32, and 31 of any larger power of two, are not rounded; negative values are 0."""
    assert ((0, 2), (31 * STEP, 1), (32 * STEP, 1), (31 << 20, 1)) == spread([-4, 0, 31 * STEP, 32 * STEP, 31 << 20])


def test_what_is_in_between_is_rounded_up() -> None:
    """One nanosecond becomes a step, and 33 steps, which have six digits, become 34."""
    assert ((STEP, 2), (34 * STEP, 2)) == spread([1, STEP, 33 * STEP, 33 * STEP + 1])


@given(some_values)
def test_rounding_is_upward_and_small(values: list[int]) -> None:
    """Each value is its pair's or up to a sixteenth or a step below it, and none is lost."""
    expanded = [value for value, count in spread(values) for _ in range(count)]
    assert len(values) == len(expanded)
    assert all(
        value <= rounded <= max(value * (1 + 1 / 16), value + STEP)
        for value, rounded in zip(sorted(values), expanded, strict=True)
    )


@given(some_values, some_values)
def test_spreads_add_up(one: list[int], other: list[int]) -> None:
    """Two together are the spread of all values."""
    assert spread(one + other) == merged([spread(one), spread(other)])


def test_a_busy_second_fits_into_a_line() -> None:
    """60,000 lags of up to 20 ms are no more than 110 pairs."""
    assert len(spread([333 * number for number in range(60_000)])) <= 110


def test_quantiles_are_nearest_ranks() -> None:
    """Of 100 values the 50th and the 99th; of none, none."""
    values = ((1, 50), (2, 49), (7, 1))
    assert [1, 2, 2, 7, None] == [quantile_ns(values, q) for q in (0.5, 0.51, 0.99, 1.0)] + [quantile_ns((), 0.5)]


def test_regular_looks_make_half_a_gap_of_waiting() -> None:
    """With a look every millisecond the median wait is 0.5 ms, p99 0.99 ms and the longest 1 ms."""
    gaps = ((MS, 1000),)
    assert [0.5 * MS, 0.99 * MS, 1.0 * MS] == [pytest.approx(wait_ns(gaps, q)) for q in (0.5, 0.99, 1.0)]


def test_a_stall_counts_for_as_long_as_it_lasts() -> None:
    """One stall of 300 ms among 3,700 gaps of 1 ms: a wait begins in it 7.5 % of the time, and 1 % waits 260 ms or more."""
    gaps = ((MS, 3700), (300 * MS, 1))
    assert pytest.approx(260 * MS) == wait_ns(gaps, 0.99)
    assert MS == quantile_ns(gaps, 0.99)
    assert 280 * MS == beyond_ns(gaps, 20 * MS)


def test_without_gaps_nobody_knows() -> None:
    """No gap, no wait; and none beyond any limit."""
    assert (None, 0, 0) == (wait_ns((), 0.99), beyond_ns((), 0), beyond_ns(((20, 5),), 20))


@given(some_values.filter(any), st.sampled_from([0.5, 0.9, 0.99]))
def test_waiting_and_its_limit_agree(values: list[int], q: float) -> None:
    """Beyond the q-quantile of the wait lies 1 - q of the time."""
    gaps = spread(values)
    wait = wait_ns(gaps, q)
    assert wait is not None
    share = sum(max(0.0, gap - wait) * count for gap, count in gaps) / sum(gap * count for gap, count in gaps)
    assert share == pytest.approx(1 - q, rel=1e-6)
