"""Live numbers: workers collect plain ints and ship bucket counts once a second; the master adds them up.

These feed the terminal and Prometheus. The report never reads them: the journals are the truth, and both must agree.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from harness.measure import timing
from harness.measure.histogram import Histogram, Pairs, Values, bucket_counts
from harness.records import AttemptEnd, AttemptStart, Usage

METRICS = ("ttft", "ttfo", "icl", "tpot", "e2e", "ttft_scheduled", "e2e_scheduled")
OK = "ok"
Made = TypeVar("Made")


class Cell(NamedTuple):
    endpoint: str
    level: str
    phase: str


class Counts(msgspec.Struct, frozen=True):
    """One metric of one cell over one interval."""

    pairs: Pairs
    min_ns: int
    max_ns: int
    sum_ns: int


class Interval(msgspec.Struct, frozen=True):
    """What one worker saw in one cell since its last report. Tokens are the servers' counts; `uncounted` attempts had none."""

    endpoint: str
    level: str
    phase: str
    kinds: dict[str, int]
    chunks: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    uncounted: int
    metrics: dict[str, Counts]


class Recorder:
    """One per worker. Latencies are those of ok attempts: failures are counted by kind, never mixed in."""

    def __init__(self) -> None:
        self._collected: dict[Cell, _Collected] = defaultdict(_Collected)

    def observe(self, start: AttemptStart, end: AttemptEnd, icl_ns: Values) -> None:
        self._collected[Cell(start.endpoint, start.level, start.phase)].take(start, end, icl_ns)

    def flush(self) -> bytes:
        """Everything since the last flush, as msgpack of a list of `Interval`."""
        return finished(self.flushing())

    def flushing(self) -> Generator[None, None, bytes]:
        """The same in steps of a millisecond or two: a second of load takes ten, and sockets and arrivals do not wait."""
        collected, self._collected = self._collected, defaultdict(_Collected)
        intervals = []
        for cell, each in collected.items():
            intervals.append((yield from each.interval(cell)))
        return msgspec.msgpack.encode(intervals)


def finished(steps: Generator[None, None, Made], pause: Callable[[], object] = lambda: None) -> Made:
    """What the steps come to, with a pause after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        pause()


class _Collected:
    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.values_ns: dict[str, list[int]] = {metric: [] for metric in METRICS if metric != "icl"}
        self.icl_ns: list[Values] = []

    def take(self, start: AttemptStart, end: AttemptEnd, icl_ns: Values) -> None:
        self.kinds[end.kind] += 1
        self._count_tokens(end)
        if end.kind != OK:
            return
        tpot = timing.tpot_ns(end)
        one = {
            "ttft": timing.ttft_ns(end),
            "ttfo": timing.ttfo_ns(end),
            "tpot": None if tpot is None else round(tpot),
            "e2e": timing.e2e_ns(end),
            "ttft_scheduled": timing.ttft_scheduled_ns(start, end),
            "e2e_scheduled": timing.e2e_scheduled_ns(start, end),
        }
        for metric, value in one.items():
            if value is not None:
                self.values_ns[metric].append(value)
        if len(icl_ns):
            self.icl_ns.append(icl_ns)

    def _count_tokens(self, end: AttemptEnd) -> None:
        self.tokens["chunks"] += end.chunks
        usage = end.usage or Usage()
        counts = {"input": usage.input_tokens, "output": usage.output_tokens, "cached": usage.cached_read_tokens}
        for name, count in counts.items():
            if count is not None and count > 0:
                self.tokens[name] += count
        self.tokens["uncounted"] += usage.output_tokens is None

    def interval(self, cell: Cell) -> Generator[None, None, Interval]:
        metrics = {}
        for metric, values_ns in self._all():
            if len(values_ns):
                metrics[metric] = _counts(values_ns)
                yield
        return Interval(
            endpoint=cell.endpoint,
            level=cell.level,
            phase=cell.phase,
            kinds=dict(self.kinds),
            chunks=self.tokens["chunks"],
            input_tokens=self.tokens["input"],
            output_tokens=self.tokens["output"],
            cached_tokens=self.tokens["cached"],
            uncounted=self.tokens["uncounted"],
            metrics=metrics,
        )

    def _all(self) -> Iterator[tuple[str, Values]]:
        yield from self.values_ns.items()
        yield "icl", np.concatenate(self.icl_ns) if self.icl_ns else ()


class CellTotals:
    """One cell since the beginning of the run."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.chunks = self.input_tokens = self.output_tokens = self.cached_tokens = self.uncounted = 0
        self.histograms: dict[str, Histogram] = defaultdict(Histogram)

    def add(self, interval: Interval) -> None:
        self.kinds.update(interval.kinds)
        self.chunks += interval.chunks
        self.input_tokens += interval.input_tokens
        self.output_tokens += interval.output_tokens
        self.cached_tokens += interval.cached_tokens
        self.uncounted += interval.uncounted
        for metric, counts in interval.metrics.items():
            self.histograms[metric].add_sparse(counts.pairs, (counts.min_ns, counts.max_ns), counts.sum_ns)

    @property
    def attempts(self) -> int:
        return self.kinds.total()

    @property
    def errors(self) -> int:
        return self.attempts - self.kinds[OK]


class Totals:
    """One per master: all workers, cumulative. Iterating gives (cell, totals) in the order in which cells began."""

    def __init__(self) -> None:
        self._cells: dict[Cell, CellTotals] = {}

    def merge(self, blob: bytes) -> None:
        """Add one worker's flush."""
        for interval in msgspec.msgpack.decode(blob, type=list[Interval]):
            cell = Cell(interval.endpoint, interval.level, interval.phase)
            self._cells.setdefault(cell, CellTotals()).add(interval)

    def __iter__(self) -> Iterator[tuple[Cell, CellTotals]]:
        return iter(tuple(self._cells.items()))

    @property
    def by_kind(self) -> Counter[str]:
        """Of all cells."""
        return sum((cell.kinds for cell in self._cells.values()), Counter[str]())


class _Kinds(msgspec.Struct):
    """Of an `Interval` no more than this."""

    kinds: dict[str, int]


def kinds_of(blob: bytes) -> Counter[str]:
    """How many attempts one flush tells of, by kind."""
    return sum((Counter(each.kinds) for each in msgspec.msgpack.decode(blob, type=list[_Kinds])), Counter[str]())


def _counts(values_ns: Values) -> Counts:
    values = np.asarray(values_ns, dtype=np.int64)
    return Counts(bucket_counts(values), int(values.min()), int(values.max()), int(values.sum()))
