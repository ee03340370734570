"""Uncertainty: which quantiles a sample can show, and intervals for quantiles, shares and ratios.

The rule: rows that share a unit (the same example asked again, the same patient) are not independent, and where that matters
the unit is asked for.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

CONFIDENCE = 0.95
ANSWERS = 30  # fewer answers than this do not show how much answers differ, however many gaps they have


def sample_floor(q: float, confidence: float = CONFIDENCE) -> int:
    """The smallest n for which a two-sided distribution-free interval of the q-quantile exists.

    The upper bound needs the largest value to lie above the quantile with probability 1 - (1 - confidence)/2: q**n <= tail,
    and the lower bound the same with 1 - q. p50 6, p90 36, p95 72, p99 368, p99.9 3,688.
    """
    tail = (1 - confidence) / 2
    return math.ceil(math.log(tail) / math.log(max(q, 1 - q)))


def order_interval(n: int, q: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Ranks (1-based) of the order statistics that enclose the q-quantile; None below the floor.

    Distribution-free: the number of values below the quantile is Binomial(n, q), whatever the values are (David & Nagaraja,
    Order Statistics, section 7.1).
    """
    if n < sample_floor(q, confidence):
        return None
    tail = (1 - confidence) / 2
    low = int(stats.binom.ppf(tail, n, q))
    high = int(stats.binom.ppf(1 - tail, n, q)) + 1
    return max(1, low), min(n, high)


def quantile_interval(
    sorted_values: Sequence[int] | NDArray[Any], q: float, confidence: float = CONFIDENCE
) -> tuple[int, int] | None:
    """The values at `order_interval`'s ranks."""
    ranks = order_interval(len(sorted_values), q, confidence)
    return None if ranks is None else (int(sorted_values[ranks[0] - 1]), int(sorted_values[ranks[1] - 1]))


def wilson(k: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927); k and n may be effective, so need not be whole."""
    z = float(special.ndtri(1 - (1 - confidence) / 2))
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def clustered_wilson(passed: ArrayLike, units: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval with the effective sample size n / deff * (t(n-1) / t(G-1))^2 of n rows in G units.

    deff is the variance of the share over units (the sum of squared unit residuals, with the G/(G-1) correction) over that of
    independent rows; it is taken as at least 1. The t quantiles pay for its being estimated from few units (Korn & Graubard
    1998). When all rows agree the variance cannot be seen, and the units are counted.
    """
    hits = np.asarray(passed, dtype=np.float64)
    n, share = len(hits), float(np.mean(hits))
    _, unit_of = np.unique(np.asarray(units), return_inverse=True)
    groups = int(unit_of.max()) + 1
    if share in (0.0, 1.0) or groups == 1:
        return wilson(share * groups, groups, confidence)
    residuals = np.bincount(unit_of, weights=hits - share)
    variance = float(np.sum(residuals**2)) / n**2 * groups / (groups - 1)
    deff = max(1.0, variance / (share * (1 - share) / n)) if groups < n else 1.0
    high = 1 - (1 - confidence) / 2
    effective = n / deff * float(special.stdtrit(n - 1, high) / special.stdtrit(groups - 1, high)) ** 2
    return wilson(share * effective, effective, confidence)


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    units: ArrayLike,
    seed: int,
    confidence: float = CONFIDENCE,
    rounds: int = 2000,
) -> tuple[float, float] | None:
    """Percentile bootstrap over units of sum(numerator)/sum(denominator), as for cost per success.

    None, for not estimable, with fewer than two units, or where more than a tail of the resamples have no denominator: a ratio
    without one counts as infinite.
    """
    _, unit_of = np.unique(np.asarray(units), return_inverse=True)
    tops = np.bincount(unit_of, weights=np.asarray(numerator, dtype=np.float64))
    bottoms = np.bincount(unit_of, weights=np.asarray(denominator, dtype=np.float64))
    count = len(tops)
    if count < 2:
        return None
    rng = np.random.default_rng(seed)
    sums = np.column_stack((tops, bottoms))
    top, bottom = np.array([rng.multinomial(count, np.full(count, 1 / count)) @ sums for _ in range(rounds)]).T
    ratios = np.divide(top, bottom, out=np.full(rounds, np.inf), where=bottom > 0)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail], method="inverted_cdf")
    return (float(low), float(high)) if np.isfinite(high) else None


def grouped_quantile_intervals(
    counts: NDArray[np.float64], qs: Sequence[float], seed: int, confidence: float = CONFIDENCE, rounds: int = 400
) -> list[tuple[int, int]]:
    """Percentile bootstrap of quantiles whose values come in dependent groups, such as the gaps of one answer.

    counts  one row a group, one column a value, ascending: how often the group has the value
    Groups are drawn with replacement; returns for each q the columns that bound the nearest-rank quantile.
    """
    groups = len(counts)
    draws = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=rounds)
    running = np.cumsum(draws @ counts, axis=1)
    tail = (1 - confidence) / 2
    found = []
    for q in qs:
        ranks = np.maximum(1.0, np.ceil(q * running[:, -1:]))
        columns = np.sort((running < ranks).sum(axis=1))
        found.append((int(columns[int(tail * rounds)]), int(columns[min(rounds - 1, int((1 - tail) * rounds))])))
    return found
