"""A candidate's draws: repeatable, and distributed as its profile says."""

import itertools
import math
import statistics

import pytest
from scipy import stats

from harness.simulator.candidate import Candidate, Draws, Lognormal, durations_ns, is_right, uniform

N = 2_000
PROFILE = Candidate(name="a", model="m", ttft=Lognormal(0.1, 0.3), itl=Lognormal(0.02, 0.5), accuracy=0.8, error_rate=0.25)


def test_the_same_request_has_the_same_draws() -> None:
    """Seed, candidate and number fix every choice; a change of any of them changes it."""

    def drawn(candidate: Candidate, seed: int, n: int) -> tuple[int, ...]:
        draws = Draws(candidate, seed, n)
        return draws.ttft_ns, draws.gap_ns(1), draws.gap_ns(3)

    first = drawn(PROFILE, 1, 1)
    assert first == drawn(PROFILE, 1, 1)
    others = [drawn(PROFILE, 1, 2), drawn(PROFILE, 2, 1), drawn(Candidate(name="b", model="m"), 1, 1)]
    assert 4 == len({first, *others})


def test_sigma_zero_is_exact() -> None:
    """Without spread every duration is the median, and an event of three tokens takes three gaps."""
    draws = Draws(Candidate(name="a", model="m", ttft=Lognormal(0.1), itl=Lognormal(0.02)), 1, 1)
    assert (100_000_000, 20_000_000, 60_000_000) == (draws.ttft_ns, draws.gap_ns(1), draws.gap_ns(3))


def test_times_are_lognormal_with_the_median_and_sigma_of_the_profile() -> None:
    """Kolmogorov and Smirnov do not reject the stated distribution at 1e-4 (the seed is fixed, so this never flickers)."""
    draws = [Draws(PROFILE, 7, n) for n in range(N)]
    for seconds, profile in (
        ([each.ttft_ns / 1e9 for each in draws], PROFILE.ttft),
        ([each.gap_ns(1) / 1e9 for each in draws], PROFILE.itl),
    ):
        assert stats.kstest(seconds, stats.lognorm(s=profile.sigma, scale=profile.median_s).cdf).pvalue > 1e-4
        assert statistics.median(seconds) == pytest.approx(profile.median_s, rel=0.05)


def test_failures_come_at_their_rate_half_of_each_kind() -> None:
    """error_rate is the share of 429 and 500 together, within four standard errors."""
    statuses = [Draws(PROFILE, 7, n).status for n in range(N)]
    assert {200, 429, 500} == set(statuses)
    for status, share in ((429, 0.125), (500, 0.125), (200, 0.75)):
        assert abs(statuses.count(status) / N - share) < 4 * math.sqrt(share * (1 - share) / N)


def test_accuracy_is_the_share_of_examples_answered_right() -> None:
    """Over many examples the share is the accuracy within four standard errors; 0 and 1 leave no exception."""
    right = [is_right(PROFILE, 7, f"example-{i}") for i in range(N)]
    assert abs(sum(right) / N - 0.8) < 4 * math.sqrt(0.8 * 0.2 / N)
    assert right == [is_right(PROFILE, 7, f"example-{i}") for i in range(N)]
    for accuracy in (0.0, 1.0):
        sure = Candidate(name="a", model="m", accuracy=accuracy)
        assert {bool(accuracy)} == {is_right(sure, 7, f"example-{i}") for i in range(N)}


def test_uniform_is_uniform() -> None:
    """Hashes fill [0, 1) evenly."""
    assert stats.kstest([uniform(f"{i}") for i in range(N)], "uniform").pvalue > 1e-4


def test_gaps_do_not_depend_on_how_they_are_asked_for() -> None:
    """One by one, in blocks, or summed: a request's gaps are one sequence, and two requests share no stretch of it."""
    whole = Draws(PROFILE, 1, 1).gaps_ns(300)
    parts = Draws(PROFILE, 1, 1)
    assert whole == [*parts.gaps_ns(100), parts.gap_ns(1), *parts.gaps_ns(199)]
    assert sum(whole[:3]) == Draws(PROFILE, 1, 1).gap_ns(3)
    assert 290 < len(set(whole))
    pairs = set(itertools.pairwise(whole))
    assert not pairs.intersection(itertools.pairwise(Draws(PROFILE, 1, 2).gaps_ns(300)))


def test_a_table_is_exactly_its_distribution() -> None:
    """Every quantile once, so that p50 and p99 over all of it are those of the profile, to the width of one entry."""
    table = sorted(durations_ns(PROFILE.itl, "any"))
    profile = stats.lognorm(s=PROFILE.itl.sigma, scale=PROFILE.itl.median_s * 1e9)
    for q in (0.5, 0.99, 0.999):
        assert table[int(q * len(table)) - 1] < profile.ppf(q) < table[int(q * len(table)) + 1]
