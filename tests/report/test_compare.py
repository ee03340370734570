"""Comparing endpoints: paired, clustered, and silent where the data are."""

import math

import numpy as np
import pandas as pd
import pytest

from harness.report.build import Built
from harness.report.compare import paired_gap, ratio_gap


def values(numbers: list[float], *, per_cluster: int = 1) -> pd.DataFrame:
    count = len(numbers)
    return pd.DataFrame(
        {
            "example": [f"e{index}" for index in range(count)],
            "cluster": [f"c{index // per_cluster}" for index in range(count)],
            "value": numbers,
        }
    )


def money(usd: list[float], success: list[float], at_most: list[float] | None = None) -> pd.DataFrame:
    clusters = [f"c{index}" for index in range(len(usd))]
    return pd.DataFrame({"cluster": clusters, "usd": usd, "usd_at_most": at_most or usd, "success": success})


def test_independent_pairs_give_the_paired_t_interval() -> None:
    """With one example a cluster it is the textbook interval: mean +- t(n-1) s / sqrt(n)."""
    first = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    second = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]
    apart = np.subtract(first, second)
    margin = 2.2621571628540993 * apart.std(ddof=1) / math.sqrt(10)
    gap = paired_gap(values(first), values(second), 0.95)
    assert gap is not None
    assert pytest.approx((0.3, 0.3 - margin, 0.3 + margin)) == (gap.value, *gap.interval)


def test_repeating_every_row_in_its_cluster_adds_no_certainty() -> None:
    """Each example five times over within its cluster gives the interval of the examples themselves."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(1, 1, 30), rng.normal(0, 1, 30)
    alone = paired_gap(values(list(first)), values(list(second)), 0.95)
    copies = [values(list(np.repeat(side, 5)), per_cluster=5) for side in (first, second)]
    assert alone is not None
    assert pytest.approx(alone.interval) == paired_gap(*copies, 0.95).interval


def test_attempts_of_one_example_count_once() -> None:
    """An example that one endpoint answered four times has the weight of its mean."""
    often = pd.concat([values([1.0] * 10), values([1.0] * 10).head(1)])
    gap = paired_gap(often, values([0.5] * 10), 0.95)
    assert gap is not None
    assert gap.value == 0.5


def test_too_few_shared_clusters_are_no_comparison() -> None:
    """Nine clusters in common are one too few, however many rows there are."""
    assert None is paired_gap(values([1.0] * 9), values([0.0] * 9), 0.95)
    assert None is paired_gap(values([1.0] * 18, per_cluster=2), values([0.0] * 18, per_cluster=2), 0.95)


def test_the_interval_covers_the_truth() -> None:
    """Over 400 draws of 40 clusters of 3 that share an effect, the 90 % interval holds zero about nine times of ten."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        sides = [values(list(np.repeat(rng.normal(size=40), 3) + rng.normal(size=120)), per_cluster=3) for _ in range(2)]
        gap = paired_gap(*sides, 0.9)
        held += gap.interval[0] <= 0 <= gap.interval[1]
    assert 0.86 <= held / 400 <= 0.94  # three standard errors of a share of 0.9


def test_cost_per_success_is_compared_on_the_same_draws() -> None:
    """Where one endpoint costs exactly twice the other on every example, the difference keeps its sign in every draw."""
    rng = np.random.default_rng(5)
    usd = list(rng.uniform(0.5, 1.5, 40))
    gap = ratio_gap(money(usd, [1.0] * 40), money([2 * each for each in usd], [1.0] * 40), 0.95, seed=1)
    assert gap is not None
    assert gap.value == pytest.approx(-np.mean(usd))
    assert gap.interval[0] < gap.value < gap.interval[1] < 0


def test_unpriced_attempts_widen_the_difference() -> None:
    """If a twin may have cost up to twice as much, the interval reaches from zero to its whole price."""
    sure, open_ended = money([1.0] * 20, [1.0] * 20), money([1.0] * 20, [1.0] * 20, at_most=[2.0] * 20)
    gap = ratio_gap(sure, open_ended, 0.95, seed=1)
    assert gap is not None
    assert (0.0, (-1.0, 0.0)) == (gap.value, gap.interval)


def test_a_draw_without_success_is_no_comparison() -> None:
    """One success in ten clusters is missed by many draws: the ratio is not estimable."""
    assert None is ratio_gap(money([1.0] * 10, [1.0] + [0.0] * 9), money([1.0] * 10, [1.0] * 10), 0.95, seed=1)


def test_the_known_winner_wins(troubled: Built) -> None:
    """alpha is made more accurate and faster than beta, and beta cheaper; delta has one attempt and is not ranked at all."""
    assert troubled.summary.comparison is not None
    ranked = {ranking.figure: ranking for ranking in troubled.summary.comparison.rankings}
    assert ["alpha", "alpha", "beta"] == [ranked[figure].best for figure in ("success", "e2e_s", "usd_per_success")]
    assert [("beta", True), ("gamma", True)] == [(each.other, each.distinguishable) for each in ranked["success"].differences]
    assert ("delta",) == ranked["success"].unranked


def test_many_comparisons_share_one_confidence(troubled: Built) -> None:
    """Four endpoints are six pairs, times three figures: each interval leaves out a share of 5 %."""
    assert troubled.summary.comparison is not None
    assert troubled.summary.comparison.confidence == pytest.approx(1 - 0.05 / 18)
