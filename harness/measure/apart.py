"""What a look once a millisecond leaves unknown of chunks that come closer together than that.

The rule: as for late reads, bounds and no estimates. A read in one segment came as it was sent, however many events it held.
One of several segments may have been joined by looking, and then only its last chunk has a stamp of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from harness.measure import lateness, stats, timing
from harness.measure.histogram import Histogram, lowest_ns, nearest_rank
from harness.measure.lateness import Bounds
from harness.records import Apart, AttemptEnd

ENDS = {"min": 0.0, "max": 1.0}


def unsure(ends: Iterable[AttemptEnd], quantiles: Mapping[str, float]) -> Iterator[tuple[str, str, Bounds]]:
    """(`icl` or `ttft`, statistic, bounds) of what is not known well enough over the whole answers that were streamed.

    Of these quantiles, where the sample can show them, and of min, mean and max.
    """
    whole = [end for end in ends if end.kind == "ok" and end.first_token_ns is not None]
    if any(end.apart for end in whole):
        for metric, bounds in (("icl", _gaps(whole, quantiles)), ("ttft", _ttft(whole, quantiles))):
            yield from ((metric, each.figure, each) for each in bounds if not each.is_known)


def _gaps(whole: Sequence[AttemptEnd], quantiles: Mapping[str, float]) -> Iterator[Bounds]:
    said, low, high = lateness.gap_histograms(whole)
    if not said.n:
        return
    extra = sum(each.chunks for each in _of(whole))
    low, high = _lowered(low, whole, extra), _raised(high, whole)
    shown = _shown(quantiles, said.n if sum(bool(end.icl) for end in whole) >= stats.ANSWERS else 0)
    for name, q in shown.items():
        values = [value for each in (said, low, high) if (value := each.value_at(q)) is not None]
        yield Bounds(name, *values)
    mean_ns = said.sum_ns / said.n
    yield Bounds("mean", mean_ns, mean_ns * said.n / (said.n + extra), mean_ns)


def _lowered(low: Histogram, whole: Sequence[AttemptEnd], extra: int) -> Histogram:
    """Every gap that ends in such a read is shorter by the whole wait, and the chunks behind came all at once."""
    lowered = Histogram()
    counts = Counter(dict(low.sparse()))
    for each in _of(whole):
        counts.subtract(dict(each.gaps))
        buckets, times = np.array(each.gaps, dtype=np.int64).reshape(-1, 2).T
        lowered.record(np.repeat(np.maximum(lowest_ns(buckets) - each.wait_ns, 0), times))
    lowered.record(np.zeros(extra, dtype=np.int64))
    lowered.add_sparse((bucket, count) for bucket, count in counts.items() if count > 0)
    return lowered


def _raised(high: Histogram, whole: Sequence[AttemptEnd]) -> Histogram:
    """Every gap is as long as it seems, and the chunks behind came a whole wait after the one before them."""
    raised = Histogram()
    raised.add(high)
    for each in _of(whole):
        raised.record([each.wait_ns] * each.chunks)
    return raised


def _ttft(whole: Sequence[AttemptEnd], quantiles: Mapping[str, float]) -> Iterator[Bounds]:
    """As said, and as it is if each first token came as early as it can have come."""
    pairs = [(ttft_ns, ttft_ns - _first_ns(end)) for end in whole if (ttft_ns := timing.ttft_ns(end)) is not None]
    if not pairs:
        return
    late, early = np.sort(np.array(pairs, dtype=np.int64), axis=0).T
    for name, q in _shown(quantiles, len(pairs)).items():
        rank = nearest_rank(q, len(pairs)) - 1
        yield Bounds(name, int(late[rank]), int(early[rank]), int(late[rank]))
    yield Bounds("mean", float(late.mean()), float(early.mean()), float(late.mean()))


def first_most_ns(ends: Iterable[AttemptEnd]) -> int:
    """How much sooner than it was stamped the first token of any of them can have come."""
    return max((_first_ns(end) for end in ends), default=0)


def _first_ns(end: AttemptEnd) -> int:
    return 0 if end.apart is None or end.apart.first_ns is None else end.apart.first_ns


def _of(whole: Iterable[AttemptEnd]) -> Iterator[Apart]:
    return (end.apart for end in whole if end.apart is not None)


def _shown(quantiles: Mapping[str, float], n: int) -> Mapping[str, float]:
    return {name: q for name, q in quantiles.items() if n >= stats.sample_floor(q)} | ENDS
