"""What signoff says minus what the simulator sent, in ms, over the same attempts; and what the run says of itself."""

import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from harness.measure import timing
from harness.measure.histogram import Histogram
from harness.records import AttemptEnd
from harness.simulator.truth import Delivery
from tests.benchmarks import matching, processes, rig, work
from tests.benchmarks.matching import Pair
from tests.benchmarks.options import Options
from tests.benchmarks.table import figure, medians, middle, verdicts
from tests.benchmarks.work import TOKENS, Work

METRICS = ("TTFT", "ICL", "TPOT", "e2e")
QUANTILES = (0.5, 0.99)
HEAD = (
    *("streams", "start", "core", "attempts"),
    *(f"{metric} p{q * 100:.0f}" for metric in METRICS for q in QUANTILES),
    *("request's way p99", "coalesced %", "read lag p99", "simulator late p99", "the run says"),
)
BOUND_MS, BOUND_RATIO = 0.3, 0.005


@dataclass(frozen=True)
class Case:
    """`spread`: answers differ in length, so that starts scatter over the warm-up; else all begin with the measure window."""

    work: Work
    spread: bool
    burning: bool

    @property
    def names(self) -> tuple[str, str, str]:
        return str(self.work.streams), "spread" if self.spread else "together", "shared" if self.burning else "own"


@dataclass(frozen=True)
class Round:
    """Truth and error in ms by metric and quantile; then requests' way, coalesced %, read lag and simulator's lateness."""

    case: Case
    attempts: int
    truths: list[float | None]
    errors: list[float | None]
    circumstances: tuple[float | None, ...]
    verdict: str


def cases(options: Options) -> list[Case]:
    works = [work.paced(streams, options) for streams in options.streams]
    return [Case(each, spread, burning) for each in works for spread, burning in ((False, False), (True, False), (True, True))]


def measure(case: Case, _: Options) -> Round:
    """One round, 15 to 40 s."""
    task = case.work if case.spread else replace(case.work, warmup_s=0.0)
    asked = work.questions(answer_tokens=_scattered if case.spread else TOKENS)
    hog = processes.burning(processes.CLIENT_CORE) if case.burning else nullcontext()
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        with rig.simulating(task.candidate, asked, Path(name)) as served, hog:
            ours = rig.signoff(served, task.load, asked)
        return _round(case, list(matching.matched(ours.run, served.truth())), ours.verdict)


def row(rounds: Sequence[Round]) -> list[str]:
    """Errors are medians of the rounds; `!` stands after one beyond 0.3 ms and beyond 0.5 % of the truth."""
    truths = [middle(column) for column in zip(*(each.truths for each in rounds), strict=True)]
    errors = [middle(column) for column in zip(*(each.errors for each in rounds), strict=True)]
    return [
        *rounds[0].case.names,
        figure(middle(each.attempts for each in rounds)),
        *(_marked(error, truth) for error, truth in zip(errors, truths, strict=True)),
        *medians(each.circumstances for each in rounds),
        verdicts([each.verdict for each in rounds]),
    ]


def error_ms(pairs: Iterable[Pair], metric: str, q: float) -> float | None:
    """Ours minus the truth: the short form, for tables about something else."""
    return _error_ms(*_histograms(pairs, METRICS.index(metric)), q)[1]


def _round(case: Case, pairs: Sequence[Pair], verdict: str) -> Round:
    figures = [_error_ms(*_histograms(pairs, metric), q) for metric in range(len(METRICS)) for q in QUANTILES]
    lag, late, way = Histogram(), Histogram(), Histogram()
    way.record([pair.sent.received_ns - pair.said.sent_ns for pair in pairs if pair.said.sent_ns is not None])
    lag.record([pair.said.lag_max_ns for pair in pairs if pair.said.lag_max_ns is not None])
    for pair in pairs:
        late.record(pair.sent.late_ns)
    chunks, coalesced = (sum(getattr(pair.said, name) for pair in pairs) for name in ("chunks", "coalesced"))
    lags = (_ms(each.value_at(0.99)) for each in (lag, late))
    circumstances = (_ms(way.value_at(0.99)), 100 * coalesced / chunks if chunks else None, *lags)
    truths, errors = (list(column) for column in zip(*figures, strict=True))
    return Round(case, len(pairs), truths, errors, circumstances, verdict)


def _histograms(pairs: Iterable[Pair], metric: int) -> tuple[Histogram, Histogram]:
    """Ours and the truth's, in buckets of 0.1 %."""
    said, sent = Histogram(), Histogram()
    for pair in pairs:
        _SAID[metric](said, pair.said)
        sent.record(_SENT[metric](pair.sent))
    return said, sent


def _said(value_ns: Callable[[AttemptEnd], float | None]) -> Callable[[Histogram, AttemptEnd], None]:
    def add(histogram: Histogram, end: AttemptEnd) -> None:
        value = value_ns(end)
        if value is not None:
            histogram.record([round(value)])

    return add


def _tpot_ns(line: Delivery) -> list[int]:
    after = sum(line.chunk_tokens[1:])
    return [round((line.sent_ns[-1] - line.sent_ns[0]) / after)] if after else []


_SAID = (
    _said(timing.ttft_ns),
    lambda histogram, end: histogram.add_sparse(end.icl),
    _said(timing.tpot_ns),
    _said(timing.e2e_ns),
)
_SENT: tuple[Callable[[Delivery], list[int]], ...] = (
    lambda line: [line.sent_ns[0] - line.received_ns],
    lambda line: [later - earlier for earlier, later in pairwise(line.sent_ns)],
    _tpot_ns,
    lambda line: [line.sent_ns[-1] - line.received_ns],
)


def _error_ms(ours: Histogram, theirs: Histogram, q: float) -> tuple[float | None, float | None]:
    """The truth's quantile, and how much ours is above it."""
    said, sent = ours.value_at(q), theirs.value_at(q)
    return _ms(sent), None if said is None or sent is None else _ms(said - sent)


def _marked(error: float | None, truth: float | None) -> str:
    if error is None or truth is None:
        return "-"
    return f"{error:+.2f}" + ("!" if abs(error) > max(BOUND_MS, BOUND_RATIO * truth) else "")


def _ms(value_ns: int | None) -> float | None:
    return None if value_ns is None else value_ns / 1e6


def _scattered(number: int) -> int:
    """Answers of half to one and a half of the usual length, the usual one on average."""
    return TOKENS // 2 + math.floor(number * 0.618033988749895 % 1 * TOKENS)
