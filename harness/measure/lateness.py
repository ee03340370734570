"""How far late reads may have bent a percentile: what is known of chunks that were read together, taken both ways.

The rule: bounds, not estimates. Of a read that came late only its last byte has a stamp; whatever else was in it came after the
socket had been found empty before. The truth lies between "all at once then" and "all just now".
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from harness.measure import stats, timing
from harness.measure.histogram import Histogram, bucket_counts, nearest_rank
from harness.records import AttemptEnd

# What the bundled simulator's truth shows a client on a free core to keep to; beyond it a figure is not the endpoint's alone.
ABSOLUTE_NS, RELATIVE = 300_000, 0.005
QUANTILES = {"p50": 0.5, "p99": 0.99}


class Bounds(NamedTuple):
    """A percentile as it is reported, and what the true one is neither below nor above, as far as lateness of ours goes."""

    figure: str
    said_ns: float
    low_ns: float
    high_ns: float

    @property
    def is_known(self) -> bool:
        """Whether what is said cannot be far from the truth."""
        error_ns = max(self.said_ns - self.low_ns, self.high_ns - self.said_ns)
        return error_ns <= max(ABSOLUTE_NS, RELATIVE * self.said_ns)


def bounds(ends: Iterable[AttemptEnd]) -> Iterator[Bounds]:
    """Bounds of p50 and p99 of ICL, TTFT and TPOT over the whole answers that were streamed, where there are enough of them."""
    whole = [end for end in ends if end.kind == "ok" and end.first_token_ns is not None]
    if not any(end.late_joins for end in whole):
        return
    yield from _gaps(whole)
    yield from _values("TTFT", whole, timing.ttft_ns)
    yield from _values("TPOT", whole, timing.tpot_ns)


def _gaps(whole: Sequence[AttemptEnd]) -> Iterator[Bounds]:
    if sum(bool(end.icl) for end in whole) < stats.ANSWERS:
        return
    said, low, high = gap_histograms(whole)
    for name, q in QUANTILES.items():
        values = [value for each in (said, low, high) if (value := each.value_at(q)) is not None]
        if said.n >= stats.sample_floor(q):
            yield Bounds(f"ICL {name}", *values)


def gap_histograms(whole: Sequence[AttemptEnd]) -> tuple[Histogram, Histogram, Histogram]:
    """The gaps of these answers: as they are said, and as short and as long as they can have been.

    A join of k chunks after a gap G, which waited up to w: its first one came after G - w or more, the others within w. Where w
    is not small beside G, no gap of the join is among those that are said.
    """
    said, low, high = Histogram(), Histogram(), Histogram()
    for end in whole:
        said.add_sparse(end.icl)
    joins = [join for end in whole for join in end.late_joins]
    after = [(join, join.gap_ns) for join in joins if join.gap_ns is not None]
    counts = Counter(dict(said.sparse()))
    counts.subtract(dict(bucket_counts([gap_ns for join, gap_ns in after if not timing.is_unsure(join)])))
    counts.update(dict(bucket_counts([gap_ns - join.wait_ns for join, gap_ns in after])))
    counts.update(dict(bucket_counts([0] * sum(join.chunks for join in joins))))
    low.add_sparse((bucket, count) for bucket, count in counts.items() if count > 0)
    high.add(said)
    high.record([gap_ns for join, gap_ns in after if timing.is_unsure(join)])
    high.record([join.wait_ns for join in joins for _ in range(join.chunks)])
    return said, low, high


def _values(name: str, whole: Sequence[AttemptEnd], metric: Callable[[AttemptEnd], float | None]) -> Iterator[Bounds]:
    """Of one value an answer: as reported, and as it is if its first token came as early as it can have come."""
    said = [value for end in whole if (value := metric(end)) is not None]
    early = [value for end in whole if (value := metric(_earliest(end))) is not None]
    for quantile, q in QUANTILES.items():
        if len(said) >= stats.sample_floor(q):
            rank = nearest_rank(q, len(said)) - 1
            late_ns, early_ns = sorted(said)[rank], sorted(early)[rank]
            yield Bounds(f"{name} {quantile}", late_ns, min(late_ns, early_ns), max(late_ns, early_ns))


def _earliest(end: AttemptEnd) -> AttemptEnd:
    """The answer with its first token at the moment after which it came."""
    wait_ns = next((join.wait_ns for join in end.late_joins if join.gap_ns is None), 0)
    return msgspec.structs.replace(end, first_token_ns=end.first_token_ns and end.first_token_ns - wait_ns)
