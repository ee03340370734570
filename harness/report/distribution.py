"""Percentiles of one metric in one cell, with what is needed to trust them.

The rule: percentiles are read from the HdrHistogram; exact order statistics give the intervals and check it. A percentile is
given only where a two-sided 95 % distribution-free interval of it exists (`measure.stats.sample_floor`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness.measure import stats
from harness.measure.histogram import HIGHEST_NS, LOWEST_NS, Histogram, Pairs, nearest_rank
from harness.report.figures import CONFIDENCE, PERCENTILES, Bounds, Distribution, LatencyAll

GROUPS = 200
BOOTSTRAP_SEED = 1
_NEVER_NS = np.iinfo(np.int64).max
_HDR_RATIO = 0.001  # three digits: what the histogram may be off by, and what one rank may not explain


class Gaps(NamedTuple):
    """The gaps of one attempt: bucket counts of the histogram's shape, and their exact sum."""

    pairs: Pairs
    sum_ns: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric's histogram in nanoseconds with the exact maximum where that is known, and its figures in seconds."""

    histogram: Histogram
    longest_ns: int | None
    figures: Distribution

    def at(self, rank: int) -> float | None:
        """Seconds at a 1-based rank; None past the last value."""
        return _at(self.histogram, rank, self.longest_ns) if rank <= self.histogram.n else None

    def quantile(self, q: float) -> float | None:
        """Seconds at a quantile; None where there is no value at all."""
        return self.at(nearest_rank(q, self.histogram.n)) if self.histogram.n else None


def exact(values_s: NDArray[np.float64], missing: int, why: str, unsent: int = 0) -> Measured:
    """From one value an attempt. `why` is the reason given when there is none at all.

    unsent  arrivals that nobody sent: they stand behind all values, so percentiles are of them too, and some have no end
    """
    values_ns = np.sort(np.rint(values_s * 1e9).astype(np.int64))
    histogram = Histogram()
    histogram.record(values_ns)
    check(histogram, values_ns)
    longest_ns = int(values_ns[-1]) if len(values_ns) else None

    every_ns = np.append(values_ns, np.full(unsent, _NEVER_NS))

    def interval(q: float) -> Bounds | None:
        found = stats.quantile_interval(every_ns, q)
        return None if found is None or found[1] == _NEVER_NS else (found[0] / 1e9, found[1] / 1e9)

    figures = _figures(histogram, longest_ns, missing, why, interval, unsent=unsent)
    return Measured(histogram, longest_ns, figures)


def pooled(gaps: Sequence[Gaps], longest_ns: int | None, missing: int, why: str) -> Measured:
    """From the sparse counts of many answers, whose exact values are not kept.

    The gaps of one answer resemble each other, so the answer is the unit: intervals are a bootstrap over answers, and below
    `stats.ANSWERS` of them no percentile is given, however many gaps there are.
    longest_ns  the exact maximum, where it is known
    """
    histogram = Histogram()
    for each in gaps:
        histogram.add_sparse(each.pairs, sum_ns=each.sum_ns)
    answers = sum(bool(each.pairs) for each in gaps)
    bounds = _bootstrapped([each.pairs for each in gaps if each.pairs]) if answers >= stats.ANSWERS else {}
    lacking = f"needs {stats.ANSWERS} answers with gaps, has {answers}" if answers < stats.ANSWERS else None
    return Measured(histogram, longest_ns, _figures(histogram, longest_ns, missing, why, bounds.get, lacking))


def _bootstrapped(pairs: Sequence[Pairs]) -> dict[float, Bounds]:
    """Bounds of each percentile, in seconds. Answers are dealt into at most `GROUPS` groups, which keeps a large run cheap."""
    buckets = sorted({bucket for each in pairs for bucket, _ in each})
    column = {bucket: number for number, bucket in enumerate(buckets)}
    counts = np.zeros((min(len(pairs), GROUPS), len(buckets)))
    for number, each in enumerate(pairs):
        for bucket, count in each:
            counts[number % len(counts), column[bucket]] += count
    tops = [_top_s(bucket) for bucket in buckets]
    found = stats.grouped_quantile_intervals(counts, list(PERCENTILES.values()), BOOTSTRAP_SEED, CONFIDENCE)
    return {q: (tops[low], tops[high]) for q, (low, high) in zip(PERCENTILES.values(), found, strict=True)}


def _top_s(bucket: int) -> float:
    """The highest value of a bucket, in seconds."""
    one = Histogram()
    one.add_sparse([(bucket, 1)])
    return one.max_ns / 1e9


def withheld(of: Measured, why: Mapping[str, str]) -> Measured:
    """The same without the statistics that are named there, each with why; one that is not given keeps its own reason."""
    given = {name: reason for name, reason in why.items() if getattr(of.figures, name) is not None}
    interval = {name: bounds for name, bounds in of.figures.interval.items() if name not in given}
    reason = {**of.figures.reason, **given}
    return replace(of, figures=structs.replace(of.figures, interval=interval, reason=reason, **dict.fromkeys(given)))


def failure_aware(of: Measured, attempted: int) -> LatencyAll:
    """Percentiles over all attempts, those without a value at +infinity: `not reached` where the rank is one of them."""
    values: dict[str, float] = {}
    reason: dict[str, str] = {}
    failed = attempted - of.histogram.n
    for name, q in PERCENTILES.items():
        value_s = of.at(nearest_rank(q, attempted))
        if attempted < stats.sample_floor(q):
            reason[name] = _too_few(q, attempted)
        elif value_s is None:
            reason[name] = f"not reached: {failed} of {attempted} attempts gave no good answer"
        else:
            values[name] = value_s
    return LatencyAll(n=attempted, failed=failed, reason=reason, **values)


def check(histogram: Histogram, values_ns: NDArray[np.int64]) -> None:
    """Every printed percentile against the exact nearest rank: within 0.1 %, one rank, or the histogram's lowest value.

    values_ns  the recorded values, sorted; past the histogram's highest they all stand there
    A mismatch is a bug of ours, so it is an AssertionError.
    """
    assert histogram.n == len(values_ns), f"{len(values_ns)} values went in, the histogram has {histogram.n}"
    for q in PERCENTILES.values() if histogram.n else ():
        told_ns = histogram.value_at(q)
        rank = nearest_rank(q, len(values_ns))
        low_ns, high_ns = np.minimum(values_ns[[max(rank - 2, 0), min(rank, len(values_ns) - 1)]], HIGHEST_NS)
        slack_ns = max(_HDR_RATIO * high_ns, LOWEST_NS)
        within = told_ns is not None and low_ns - slack_ns <= told_ns <= high_ns + slack_ns
        assert within, f"HDR p{q * 100:g} is {told_ns} ns, exact order statistics say {low_ns} to {high_ns} ns"


def _figures(
    histogram: Histogram,
    longest_ns: int | None,
    missing: int,
    why: str,
    interval: Callable[[float], Bounds | None],
    lacking: str | None = None,
    unsent: int = 0,
) -> Distribution:
    n, every = histogram.n, histogram.n + unsent
    known = {name: q for name, q in PERCENTILES.items() if every >= stats.sample_floor(q) and lacking is None}
    beyond = [name for name, q in known.items() if nearest_rank(q, every) > n]
    why_never = f"not reached: {unsent} of {every} arrivals were never sent"
    never = dict.fromkeys([*beyond, "mean", "max"], why_never) if unsent else {}
    if not n:
        reason = dict.fromkeys(["min", "mean", "max", *PERCENTILES], why)
        return Distribution(n=0, missing=missing, unsent=unsent, beyond=tuple(beyond), reason=reason | never)
    given = {name: q for name, q in known.items() if name not in beyond}
    return Distribution(
        n=n,
        missing=missing,
        unsent=unsent,
        beyond=(*beyond, "mean", "max") if unsent else (),
        min=histogram.min_ns / 1e9,
        mean=None if unsent else round(histogram.sum_ns / n / 1e9, 9),
        max=None if unsent else (histogram.max_ns if longest_ns is None else longest_ns) / 1e9,
        interval={name: bounds for name, q in given.items() if (bounds := interval(q)) is not None},
        reason={name: lacking or _too_few(q, every) for name, q in PERCENTILES.items() if name not in known} | never,
        **{name: _at(histogram, nearest_rank(q, every), longest_ns) for name, q in given.items()},
    )


def _at(histogram: Histogram, rank: int, longest_ns: int | None) -> float:
    """Seconds at a rank that exists: the top of its bucket, which may not pass what is known to be the longest."""
    value_ns = histogram.value_at((rank - 0.5) / histogram.n)
    assert value_ns is not None, "asked an empty histogram"
    return min(value_ns, histogram.max_ns if longest_ns is None else longest_ns) / 1e9


def _too_few(q: float, n: int) -> str:
    return f"needs n >= {stats.sample_floor(q)}, has {n}"
