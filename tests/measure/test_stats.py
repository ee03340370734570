"""Intervals agree with published floors, with scipy's own, and with their promised coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from harness.measure import stats


@pytest.mark.parametrize(("q", "floor"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688), (0.01, 368)])
def test_sample_floors(q: float, floor: int) -> None:
    """The known smallest samples for a two-sided 95 % interval; one fewer has none."""
    assert floor == stats.sample_floor(q)
    assert stats.order_interval(floor, q) is not None
    assert stats.order_interval(floor - 1, q) is None


@given(st.integers(6, 5000), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]), st.sampled_from([0.9, 0.95, 0.99]))
def test_ranks_cover_and_are_the_tightest(n: int, q: float, confidence: float) -> None:
    """Each tail holds at most its half of the error by the binomial, and would hold more with one rank fewer."""
    ranks = stats.order_interval(n, q, confidence)
    tail = (1 - confidence) / 2
    if ranks is None:
        assert n < stats.sample_floor(q, confidence)
        return
    low, high = ranks
    below = oracle.binom(n, q)
    assert below.cdf(low - 1) <= tail < below.cdf(low)
    assert below.sf(high - 1) <= tail < below.sf(high - 2)


@pytest.mark.parametrize(("n", "q"), [(400, 0.99), (1000, 0.95), (50, 0.5), (5000, 0.999)])
def test_quantile_interval_is_scipys(n: int, q: float) -> None:
    """The bounds are those of scipy's quantile test, and values of the sample."""
    values = np.sort(np.random.default_rng(1).permutation(n) * 1_000)
    expected = oracle.quantile_test(values, q=0, p=q).confidence_interval(0.95)
    assert (expected.low, expected.high) == stats.quantile_interval(values, q)


def test_a_short_sample_has_no_quantile_interval() -> None:
    """Below the floor there is no interval, not a wide one."""
    assert stats.quantile_interval(range(367), 0.99) is None


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counted: tuple[int, int]) -> None:
    """The score interval of k of n."""
    k, n = counted
    expected = oracle.binomtest(k, n).proportion_ci(method="wilson")
    assert (expected.low, expected.high) == pytest.approx(stats.wilson(k, n), abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_units_of_one_row_are_plain_wilson(passed: list[bool]) -> None:
    """Where no unit repeats there is nothing to widen."""
    assert stats.wilson(sum(passed), len(passed)) == pytest.approx(
        stats.clustered_wilson(passed, range(len(passed))), abs=1e-12
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=200))
def test_clusters_never_narrow(rows: list[tuple[bool, int]]) -> None:
    """However rows share units, the interval is at least as wide as Wilson's and holds the share."""
    passed, units = [row[0] for row in rows], [row[1] for row in rows]
    plain, clustered = stats.wilson(sum(passed), len(passed)), stats.clustered_wilson(passed, units)
    assert clustered[1] - clustered[0] >= plain[1] - plain[0] - 1e-12
    assert clustered[0] - 1e-12 <= sum(passed) / len(passed) <= clustered[1] + 1e-12


def test_copies_of_a_row_tell_nothing_new() -> None:
    """Each of 40 answers given ten times over is known hardly better than once."""
    once = [number % 4 != 0 for number in range(40)]
    copied = stats.clustered_wilson(np.repeat(once, 10), np.repeat(np.arange(40), 10))
    assert stats.wilson(30, 40) == pytest.approx(copied, abs=0.01)


@pytest.mark.parametrize(("groups", "size"), [(8, 30), (12, 20), (60, 4)])
def test_clustered_coverage(groups: int, size: int) -> None:
    """Over 2,000 samples whose units differ (Beta 3.2, 0.8), the 95 % interval holds the true 0.8 in at least 93 %."""
    rng = np.random.default_rng(7)
    units = np.repeat(np.arange(groups), size)
    held = 0
    for _ in range(2_000):
        chance = np.repeat(rng.beta(3.2, 0.8, groups), size)
        low, high = stats.clustered_wilson(rng.random(groups * size) < chance, units)
        held += low <= 0.8 <= high
    assert held / 2_000 >= 0.93


def test_ratio_interval_has_its_coverage() -> None:
    """Over 300 runs of 100 units with a true cost of 2 per success, the 95 % interval holds it in at least 90 %."""
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(300):
        success = rng.random(100) < 0.8
        interval = stats.ratio_interval(rng.gamma(4, 0.4, 100), success, np.arange(100), seed=seed, rounds=400)
        assert interval is not None
        held += interval[0] <= 2.0 <= interval[1]
    assert held / 300 >= 0.90


def test_a_constant_ratio_has_no_spread() -> None:
    """Every unit costs 3 per success, so every resample does."""
    assert (3.0, 3.0) == stats.ratio_interval([3, 6, 9], [1, 2, 3], ["a", "b", "c"], seed=1)


def test_the_seed_decides() -> None:
    """The same seed gives the same interval, another seed another."""
    rng = np.random.default_rng(5)
    cost, units = rng.gamma(2, 1, 60), np.arange(60) // 2
    first = stats.ratio_interval(cost, np.ones(60), units, seed=1)
    assert first == stats.ratio_interval(cost, np.ones(60), units, seed=1)
    assert first != stats.ratio_interval(cost, np.ones(60), units, seed=2)


def test_units_are_resampled_whole() -> None:
    """Rows that repeat inside their unit widen the interval: ten copies of ten units are ten units."""
    cost = np.random.default_rng(5).gamma(2, 1, 10)
    once = stats.ratio_interval(cost, np.ones(10), np.arange(10), seed=1)
    copied = stats.ratio_interval(np.repeat(cost, 10), np.ones(100), np.repeat(np.arange(10), 10), seed=1)
    assert once == pytest.approx(copied)


@pytest.mark.parametrize(
    ("denominator", "units"),
    [([0, 0, 0, 0], [1, 2, 3, 4]), ([1, 0, 0, 0], [1, 2, 3, 4]), ([1, 1, 1, 1], [1, 1, 1, 1]), ([], [])],
)
def test_what_cannot_be_estimated(denominator: list[int], units: list[int]) -> None:
    """No success, too few of them, one unit, or nothing at all: no interval, and no infinity."""
    assert stats.ratio_interval([1] * len(units), denominator, units, seed=1) is None
