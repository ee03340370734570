"""Intervals over runs, variance components and noise floors agree with textbook numbers, with scipy, and with their promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from harness.measure import campaign


def test_three_runs_by_hand() -> None:
    """1, 2 and 3 s: mean 2, deviation 1, and 4.303 (t, 2 degrees of freedom) over the root of 3 to either side."""
    found = campaign.over_runs([1.0, 2.0, 3.0])
    assert (3, 2.0, 1.0, 0.5, None) == (found.n, found.mean, found.deviation, found.cv_ratio, found.reason)
    assert (2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5) == pytest.approx(found.interval)


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=20).filter(lambda values: len(set(values)) > 1))
def test_the_interval_is_scipys(values: list[int]) -> None:
    """Student's t over runs, as `ttest_1samp` has it."""
    expected = oracle.ttest_1samp(values, 0).confidence_interval(0.95)
    assert tuple(expected) == pytest.approx(campaign.over_runs(values).interval)


@pytest.mark.parametrize(
    ("values", "reason"), [([], "no run has the figure"), ([5.0], "one run does not show how runs differ")]
)
def test_fewer_than_two_runs_have_no_interval(values: list[float], reason: str) -> None:
    """One run has a mean and no interval; none has nothing; both say why."""
    found = campaign.over_runs(values)
    assert (None, None, None, reason) == (found.deviation, found.interval, found.cv_ratio, found.reason)


def test_a_mean_of_zero_has_no_coefficient_of_variation() -> None:
    """Nothing is a share of zero."""
    assert campaign.over_runs([-1.0, 1.0]).cv_ratio is None


def test_a_number_that_is_missing_is_refused() -> None:
    """NaN is counted out by the caller, not averaged in silence."""
    with pytest.raises(ValueError, match="1 of 2 numbers are not finite"):
        campaign.over_runs([1.0, float("nan")])


def test_variance_components_by_hand() -> None:
    """Runs (1, 3), (5, 7), (9, 11): within 2, mean square among 32, between (32 - 2)/2 = 15, 15/16 of a mean's variance."""
    found = campaign.split([2.0, 6.0, 10.0], [2, 2, 2], [2.0, 2.0, 2.0])
    assert (2.0, 15.0, 15 / 16) == pytest.approx((found.within, found.between, found.between_ratio))


@given(st.lists(st.lists(st.integers(0, 100), min_size=2, max_size=8), min_size=2, max_size=6))
def test_the_f_test_is_scipys(runs: list[list[int]]) -> None:
    """For runs of any size the p value is that of the one-way analysis of variance."""
    if all(len(set(run)) == 1 for run in runs):
        return
    found = campaign.split(*zip(*[(np.mean(run), len(run), np.var(run, ddof=1)) for run in runs], strict=True))
    assert found.p == pytest.approx(oracle.f_oneway(*runs).pvalue)


def test_components_of_runs_of_unlike_size_come_out_right_on_average() -> None:
    """Over 2,000 campaigns of 5 runs with 10 to 50 values, the means of the components are the true 4 and 1, within 5 %."""
    rng, sizes = np.random.default_rng(8), [10, 20, 30, 40, 50]
    found = []
    for _ in range(2000):
        runs = [rng.normal(rng.normal(20, 1), 2, size) for size in sizes]
        found.append(campaign.split([run.mean() for run in runs], sizes, [run.var(ddof=1) for run in runs]))
    assert pytest.approx(4, rel=0.05) == np.mean([each.within for each in found])
    assert pytest.approx(1, rel=0.05) == np.mean([each.between for each in found])


def test_runs_that_agree_better_than_chance_have_nothing_between_them() -> None:
    """A negative estimate is 0: the values inside explain all."""
    found = campaign.split([5.0, 5.0, 5.0], [4, 4, 4], [1.0, 1.0, 1.0])
    assert (0.0, 0.0, 1.0) == (found.between, found.between_ratio, found.p)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([], "no run has the figure"),
        ([9], "one run does not show how runs differ"),
        ([1, 1], "the runs hold one value each, so nothing shows how values differ inside a run"),
    ],
)
def test_what_cannot_be_split_says_why(counts: list[int], reason: str) -> None:
    """Fewer than two runs, or one value a run."""
    found = campaign.split([1.0] * len(counts), counts, [0.0] * len(counts))
    assert (None, None, reason) == (found.within, found.between, found.reason)


@pytest.mark.parametrize(
    ("began_s", "words"),
    [
        ([0], "1 run cannot show how the provider varies"),
        ([0, 720, 60], "all 3 runs began within 12 min: they cannot show how the provider varies by hour and day"),
        ([0, 3600], "all 2 runs began within 60 min: they cannot show how the provider varies by hour and day"),
        ([0, 18_720], "all 2 runs began within 5.2 h: they cannot show how the provider varies by day"),
        ([0, 90_000, 180_000], "the 3 runs began on 3 days, at 3 different hours of the day (UTC)"),
    ],
)
def test_coverage_of_time_in_a_sentence(began_s: list[float], words: str) -> None:
    """What the starts of the runs can show, and what they cannot."""
    assert words == campaign.coverage(began_s).words()


@pytest.mark.parametrize(("span_s", "hour", "day"), [(3600, False, False), (3601, True, False), (86_401, True, True)])
def test_an_hour_and_a_day_are_passed_when_they_are_over(span_s: float, hour: bool, day: bool) -> None:
    """The flags turn beyond exactly one hour and one day."""
    found = campaign.coverage([1000.0, 1000.0 + span_s])
    assert (hour, day) == (found.over_an_hour, found.over_a_day)


def test_a_paired_floor_is_the_paired_t_interval() -> None:
    """Where each example is its own unit, the interval is scipy's of the paired test."""
    first, second = np.random.default_rng(9).normal(1, 0.2, (2, 60))
    low, high = oracle.ttest_rel(first, second).confidence_interval(0.95)
    found = campaign.noise_floor(first, second)
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((found.difference, found.half_width))
    assert (60, 60, True) == (found.n, found.units, found.passes)


def test_copies_of_a_pair_do_not_lower_the_floor() -> None:
    """Twenty pairs given five times over as twenty units have the floor of the twenty."""
    first, second = np.random.default_rng(10).normal(1, 0.2, (2, 20))
    once = campaign.noise_floor(first, second)
    copied = campaign.noise_floor(np.repeat(first, 5), np.repeat(second, 5), np.repeat(np.arange(20), 5))
    assert once.half_width == pytest.approx(copied.half_width)


def test_an_endpoint_is_found_to_differ_from_itself_at_the_promised_rate() -> None:
    """Of 2,000 A/A tests with 10 answers to each of 15 documents, 5 % fail, within 1.5 points."""
    rng, units = np.random.default_rng(11), np.repeat(np.arange(15), 10)
    failed = 0
    for _ in range(2000):
        shared = np.repeat(rng.normal(0, 1, (2, 15)), 10, axis=1)
        failed += campaign.noise_floor(*(shared + rng.normal(0, 1, (2, 150))), units).passes is False
    assert pytest.approx(0.05, abs=0.015) == failed / 2000


def test_a_difference_that_is_there_fails_the_test() -> None:
    """Second answers that are slower by more than the half-width are no noise."""
    first = np.random.default_rng(12).normal(1, 0.1, 100)
    found = campaign.noise_floor(first, first + np.random.default_rng(13).normal(0.1, 0.1, 100))
    assert found.passes is False


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0, 2.0] * 4, "8 units, under 10"),
        ([], "0 units, under 10"),
        ([1.0] * 20, "all 20 values are the same, so what chance does cannot be seen"),
    ],
)
def test_a_floor_that_cannot_be_seen_says_why(values: list[float], reason: str) -> None:
    """Few units, or pairs without any difference, have no half-width."""
    found = campaign.noise_floor(values, [0.0] * len(values))
    assert (None, reason) == (found.half_width, found.reason)


def test_lists_that_are_no_pairs_are_refused() -> None:
    """Lists of unequal length, and units that are too few, are a mistake of the caller."""
    with pytest.raises(ValueError, match="2 and 1 figures are no pairs"):
        campaign.noise_floor([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="1 units for 2 figures"):
        campaign.noise_floor([1.0, 2.0], [1.0, 2.0], units=[0])


@pytest.mark.parametrize(
    ("covers_s", "words"),
    [
        (53.6, "This run covers 54 s, and providers vary by hour and day"),
        (90.0, "This run covers 1.5 min, and providers vary by hour and day"),
        (5400.0, "This run covers 1.5 h, and providers vary by day"),
    ],
)
def test_one_run_says_what_it_cannot_show(covers_s: float, words: str) -> None:
    """Under an hour it knows no other hour, under a day no other day; and it says what to do."""
    said = campaign.of_one_run(covers_s)
    assert said is not None
    assert (words, "signoff report RUN..." in said) == (said.partition(":")[0], True)


def test_a_run_of_more_than_a_day_says_nothing() -> None:
    """It has seen every hour."""
    assert campaign.of_one_run(90_000.0) is None


def test_what_rounding_makes_is_no_difference() -> None:
    """Prices that differ in their last digit are one: no deviation, nothing between runs, and a noise floor that is unknown."""
    usd = [0.000102, 0.000102 * (1 + 3e-16), 0.000102]
    assert 0.0 == campaign.over_runs(usd).deviation
    assert 0.0 == campaign.split(usd, [100, 100, 100], [1e-12, 1e-12, 1e-12]).between
    one = np.full(20, 0.000102)
    floor = campaign.noise_floor(one, one * (1 + np.arange(20) % 2 * 3e-16))
    assert (None, "all 20 values are the same, so what chance does cannot be seen") == (floor.half_width, floor.reason)
