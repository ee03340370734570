"""What signoff says minus what the simulator sent, over the same attempts, and how late signoff read."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.measure import timing
from harness.measure.histogram import Histogram
from harness.records import AttemptEnd, Phase
from harness.simulator.truth import Delivery
from tests.benchmarks.paced import Paced
from tests.benchmarks.table import median_of

HEAD = (
    "streams",
    "attempts",
    "TTFT p50 ms",
    "error",
    "TTFT p99 ms",
    "error",
    "ICL p50 ms",
    "error",
    "ICL p99 ms",
    "error",
    "coalesced %",
    "read lag p99 ms",
    "simulator late p99 ms",
)


def row(rounds: Sequence[Paced]) -> list[str]:
    """Quantiles of the truth and the error of ours, in ms: medians of the rounds."""
    figures = [_figures(each) for each in rounds]
    return [str(rounds[0].streams), *(median_of(column) for column in zip(*figures, strict=True))]


def _figures(paced: Paced) -> tuple[float | None, ...]:
    both = list(_matched(paced))
    said, sent = (Histogram(), Histogram()), (Histogram(), Histogram())
    late, lag = Histogram(), Histogram()
    for end, line in both:
        said[0].record([value for value in [timing.ttft_ns(end)] if value is not None])
        said[1].add_sparse(end.icl)
        sent[0].record([line.sent_ns[0] - line.received_ns])
        sent[1].record([later - earlier for earlier, later in pairwise(line.sent_ns)])
        late.record(line.late_ns)
        lag.record([value for value in [end.lag_max_ns] if value is not None])
    chunks, coalesced = (sum(getattr(end, name) for end, _ in both) for name in ("chunks", "coalesced"))
    errors = (
        figure for ours, theirs in zip(said, sent, strict=True) for q in (0.5, 0.99) for figure in _error_ms(ours, theirs, q)
    )
    return len(both), *errors, 100 * coalesced / chunks, _ms(lag.value_at(0.99)), _ms(late.value_at(0.99))


def _matched(paced: Paced) -> Iterator[tuple[AttemptEnd, Delivery]]:
    """Every good attempt of the measure phase, with the first line of its example that was received after it was sent."""
    lines: dict[str | None, list[Delivery]] = {}
    for line in sorted(paced.truth, key=lambda line: line.received_ns):
        lines.setdefault(line.example, []).append(line)
    for attempt in paced.signoff.run.attempts:
        end = attempt.end
        if attempt.start.phase is Phase.MEASURE and end is not None and end.kind == "ok" and end.sent_ns is not None:
            served = lines[attempt.start.example]
            yield end, served[bisect_left(served, end.sent_ns, key=lambda line: line.received_ns)]


def _error_ms(ours: Histogram, theirs: Histogram, q: float) -> tuple[float | None, float | None]:
    """The truth's quantile, and how much ours is above it."""
    said, sent = ours.value_at(q), theirs.value_at(q)
    return _ms(sent), None if said is None or sent is None else _ms(said - sent)


def _ms(value_ns: int | None) -> float | None:
    return None if value_ns is None else value_ns / 1e6
