"""Our figures against a server's own: the same attempts as we measured them and as they were sent.

The rule: an error is ours minus the truth, over attempts that are in both; an attempt that is not is counted, never guessed.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from harness.measure import timing
from harness.measure.histogram import Histogram, nearest_rank
from harness.measure.lateness import ABSOLUTE_NS, RELATIVE
from harness.records import AttemptEnd, AttemptStart, Phase


class Sent(Protocol):
    """A server's record of one answer, on our clock: when the request came, and just before each chunk that carries tokens."""

    @property
    def example(self) -> str | None: ...
    @property
    def received_ns(self) -> int: ...
    @property
    def sent_ns(self) -> Sequence[int]: ...
    @property
    def chunk_tokens(self) -> Sequence[int]: ...


Pair = tuple[AttemptEnd, Sent]


class Matched(NamedTuple):
    pairs: list[Pair]
    unmatched: int


class Error(NamedTuple):
    """A metric's p50 and p99 in truth, and how much ours are above them; None without values."""

    n: int
    p50_ns: float | None
    p50_error_ns: float | None
    p99_ns: float | None
    p99_error_ns: float | None

    @property
    def is_tolerable(self) -> bool:
        """Whether p50 and p99 are known and neither is off by more than 0.3 ms or 0.5 %."""
        return _is_tolerable(self.p50_ns, self.p50_error_ns) and _is_tolerable(self.p99_ns, self.p99_error_ns)


class Errors(NamedTuple):
    ttft: Error
    icl: Error
    tpot: Error
    e2e: Error


def matched(attempts: Iterable[tuple[AttemptStart, AttemptEnd | None]], served: Iterable[Sent]) -> Matched:
    """Every whole answer of the measure phase, with the first reply to its example whose request came after it was sent."""
    lines: dict[str | None, list[Sent]] = {}
    for line in sorted(served, key=lambda line: line.received_ns):
        lines.setdefault(line.example, []).append(line)
    pairs: list[Pair] = []
    unmatched = 0
    for start, end in attempts:
        if start.phase is Phase.MEASURE and end is not None and end.kind == "ok":
            found = _reply(end, lines.get(start.example, []))
            if found is None:
                unmatched += 1
            else:
                pairs.append((end, found))
    return Matched(pairs, unmatched)


def errors(pairs: Sequence[Pair]) -> Errors:
    """Ours minus the truth. Gaps are compared in the buckets of the journal, which are 0.1 % wide; the rest exactly."""
    return Errors(
        ttft=_error([timing.ttft_ns(end) for end, _ in pairs], [line.sent_ns[0] - line.received_ns for _, line in pairs]),
        icl=_gap_error(pairs),
        tpot=_error([timing.tpot_ns(end) for end, _ in pairs], [_tpot_ns(line) for _, line in pairs]),
        e2e=_error([timing.e2e_ns(end) for end, _ in pairs], [line.sent_ns[-1] - line.received_ns for _, line in pairs]),
    )


def headroom(ceiling_per_s: float, needed_per_s: float, cpu_ratio: float | None, core_share: float = 1.0) -> float | None:
    """How often one load process, with `core_share` of a core, could do what is needed; None where nothing is needed.

    The lesser of ceiling / needed and of a whole core / the part of it that was used, both as far as it has a core. Subtle:
    the ceiling alone flatters. Where tokens come as fast as they can, many share one look at the sockets; where they are paced,
    each costs several times as much.
    """
    if needed_per_s <= 0:
        return None
    by_rate = ceiling_per_s / needed_per_s
    return core_share * (min(by_rate, 1 / cpu_ratio) if cpu_ratio else by_rate)


def quantile(values: Iterable[float], q: float) -> float | None:
    """The value at the nearest rank of q (0..1); None when empty."""
    ordered = sorted(values)
    return ordered[nearest_rank(q, len(ordered)) - 1] if ordered else None


def _reply(end: AttemptEnd, lines: Sequence[Sent]) -> Sent | None:
    """None where nothing was served, or something else than we read."""
    if end.sent_ns is None:
        return None
    place = bisect_left(lines, end.sent_ns, key=lambda line: line.received_ns)
    if place == len(lines) or len(lines[place].sent_ns) != end.chunks or not end.chunks:
        return None
    return lines[place]


def _tpot_ns(line: Sent) -> float | None:
    tokens = sum(line.chunk_tokens[1:])
    return (line.sent_ns[-1] - line.sent_ns[0]) / tokens if tokens else None


def _error(ours_ns: Iterable[float | None], true_ns: Iterable[float | None]) -> Error:
    said, sent = list(_known(ours_ns)), list(_known(true_ns))
    return _compared(len(said), *((quantile(sent, q), quantile(said, q)) for q in (0.5, 0.99)))


def _gap_error(pairs: Iterable[Pair]) -> Error:
    said, sent = Histogram(), Histogram()
    for end, line in pairs:
        said.add_sparse(end.icl)
        sent.record([later - earlier for earlier, later in pairwise(line.sent_ns)])
    return _compared(said.n, *((sent.value_at(q), said.value_at(q)) for q in (0.5, 0.99)))


def _compared(n: int, p50: tuple[float | None, float | None], p99: tuple[float | None, float | None]) -> Error:
    return Error(n, p50[0], _minus(*p50), p99[0], _minus(*p99))


def _minus(true_ns: float | None, said_ns: float | None) -> float | None:
    return None if true_ns is None or said_ns is None else said_ns - true_ns


def _known(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


def _is_tolerable(true_ns: float | None, error_ns: float | None) -> bool:
    return true_ns is not None and error_ns is not None and abs(error_ns) <= max(ABSOLUTE_NS, RELATIVE * true_ns)
