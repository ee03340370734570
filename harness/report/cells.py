"""A cell: all attempts of one endpoint at one level, over all repetitions, with its histograms.

The rule: latencies are over the whole answers (kind `ok`) that began in a measure phase; rates are over what arrived inside
the measure window, whenever it began.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pandas as pd

from harness.measure import apart, timing
from harness.measure.health import Watched
from harness.measure.histogram import Pairs
from harness.records import AttemptEnd, Block, Phase, load_in_words
from harness.report import client, evaluated, join, steadiness
from harness.report.circumstances import Steady
from harness.report.distribution import Gaps, Measured, exact, pooled, withheld
from harness.report.figures import PERCENTILES
from harness.report.join import INTENDED, OK, SERVICE, measured
from harness.report.windows import Windows
from harness.results import Run

_TOO_CLOSE = "chunks come closer together than signoff looks, once a millisecond"


@dataclass(frozen=True)
class Cell:
    """rows: every attempt of the cell in any phase; measured: those that began in a measure phase.

    window_s  None where no worker closed a measure window
    metrics   by column name of the join, and `icl_s`, `itl_s`; with the round trips at the end of each answer
    watched   the load processes meanwhile
    steady    one for each window, whether it was; none of an evaluation, which has a beginning and an end
    """

    endpoint: str
    level: str
    concurrency: int
    rate: float | None
    window_s: float | None
    rows: pd.DataFrame
    measured: pd.DataFrame
    metrics: dict[str, Measured]
    watched: Watched
    steady: tuple[Steady, ...]

    @property
    def words(self) -> str:
        return f"{self.endpoint} at {load_in_words(self.concurrency, self.rate)}"

    @property
    def load(self) -> float:
        """What its level is a level of: users, or arrivals a second."""
        return self.concurrency if self.rate is None else self.rate

    def headline(self, metric: str) -> Measured:
        """Of `ttft` or `e2e`: in an open loop from the intended arrival, else from the sending."""
        return self.metrics[f"{metric}_s" if self.rate is None else f"{metric}_scheduled_s"]


def cells(run: Run, frame: pd.DataFrame) -> Iterator[Cell]:
    """Every cell of the plan, also one that nobody reached, in the order of endpoint and load."""
    seconds = Windows(run.manifest.plan, run.marks).seconds()
    measuring = [block for block in run.manifest.plan if block.phase is Phase.MEASURE]
    planned = {(block.endpoint, block.level): block for block in measuring}
    watched = client.watched(run)
    is_load = evaluated.attempts_most(run.manifest) is None
    for (endpoint, level), block in sorted(planned.items(), key=lambda item: (item[0][0], item[1].rate or item[1].concurrency)):
        rows = frame[(frame["endpoint"] == endpoint) & (frame["level"] == level)]
        began = measured(rows)
        yield Cell(
            endpoint=endpoint,
            level=level,
            concurrency=block.concurrency,
            rate=block.rate,
            window_s=seconds.get((endpoint, level)),
            rows=rows,
            measured=began,
            metrics=_metrics(run, began),
            watched=watched[endpoint, level],
            steady=steadiness.figures(run, rows, _blocks(measuring, endpoint, level)) if is_load else (),
        )


def of_repetition(run: Run, cell: Cell, number: int) -> Cell:
    """The part of a cell that one repetition is; of the load processes, and of how steady it was, only the cell knows."""
    windows = Windows(run.manifest.plan, run.marks)
    rows = cell.rows[cell.rows["repetition"] == number]
    began = measured(rows)
    measuring = [each for each in run.manifest.plan if each.phase is Phase.MEASURE and each.repetition == number]
    spans = [windows.of_block(block.id) for block in _blocks(measuring, cell.endpoint, cell.level)]
    lengths_s = [fmean(span.close_ns - span.open_ns for _, span in each) / 1e9 for each in spans if each]
    return replace(
        cell,
        rows=rows,
        measured=began,
        window_s=sum(lengths_s) if lengths_s else None,
        metrics=_metrics(run, began),
        steady=(),
    )


def _blocks(measuring: Sequence[Block], endpoint: str, level: str) -> list[Block]:
    return [block for block in measuring if (block.endpoint, block.level) == (endpoint, level)]


def _metrics(run: Run, began: pd.DataFrame) -> dict[str, Measured]:
    ok, unsent = began[began["kind"] == OK], len(join.unsent(began))
    streamed = ok[ok["ttft_s"].notna()]
    ends = [end for position in streamed.index if (end := run.attempts[position].end) is not None]
    why = _why_none(len(ok), "have no value")
    named = {name: spread(ok[name], why) for name in (*SERVICE, "connect_wait_s", "rtt_s", "min_rtt_s")}
    named |= {name: spread(ok[name], why, unsent) for name in INTENDED}
    return _known(named | {"icl_s": _chunk_gaps(ends, len(ok)), "itl_s": _token_gaps(ends, len(ok))}, ends)


def _known(metrics: dict[str, Measured], ends: list[AttemptEnd]) -> dict[str, Measured]:
    """Without the statistics that chunks which came closer together than we look leave unknown."""
    why: dict[str, dict[str, str]] = {"icl": {}, "ttft": {}}
    for metric, statistic, bounds in apart.unsure(ends, PERCENTILES):
        why[metric][statistic] = f"{_TOO_CLOSE}: it is {bounds.low_ns / 1e6:.2f} to {bounds.high_ns / 1e6:.2f} ms"
    of = {"icl_s": "icl", "ttft_s": "ttft", "ttft_scheduled_s": "ttft", "ttfo_s": "ttft", "ttfo_scheduled_s": "ttft"}
    return {name: withheld(each, why[of[name]]) if name in of else each for name, each in metrics.items()}


def spread(column: pd.Series, why: str, unsent: int = 0) -> Measured:
    """Of one value in seconds an attempt; `why` is the reason where there is none at all, `unsent` as in `exact`."""
    known = column.dropna().to_numpy()
    return exact(known, len(column) - len(known), why, unsent)


def _chunk_gaps(ends: list[AttemptEnd], successes: int) -> Measured:
    longest_ns = max((end.icl_max_ns for end in ends if end.icl_max_ns is not None), default=None)
    known = [Gaps(end.icl, _span_ns(end)) for end in ends]
    return pooled(known, longest_ns, successes - len(known), _why_none(successes, "have no gap: they came in one read"))


def _token_gaps(ends: list[AttemptEnd], successes: int) -> Measured:
    known = [Gaps(pairs, _span_ns(end)) for end in ends if (pairs := token_gaps(end)) is not None]
    return pooled(known, None, successes - len(known), _why_none(successes, "do not tell the tokens of each chunk"))


def token_gaps(end: AttemptEnd) -> Pairs | None:
    """Gaps per token: as journalled, or the gaps per chunk where every chunk was one token read by itself; else unknown."""
    if end.itl is not None or not end.icl:
        return end.itl or ()
    single = timing.arrived_tokens(end) == end.chunks and end.coalesced == 0
    return end.icl if single else None


def _span_ns(end: AttemptEnd) -> int:
    """What the gaps add up to, however they are shared out over tokens."""
    if end.first_token_ns is None or end.last_token_ns is None:
        return 0
    return end.last_token_ns - end.first_token_ns


def _why_none(successes: int, why: str) -> str:
    return f"all {successes} whole answers {why}" if successes else "no answer came whole"
