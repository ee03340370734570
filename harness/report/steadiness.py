"""Whether a level was in a steady state while it was measured: one verdict for each window, and what it rests on.

The rule: requests count from their intended arrival and by the clock of their own worker, and those that were in flight at a
window's edges count for their part.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measure import steady
from harness.measure.little import Rows
from harness.measure.steady import Steadiness
from harness.records import Block, Finding
from harness.report.circumstances import Steady
from harness.report.figures import Summary
from harness.report.join import OK
from harness.report.windows import Span, Windows
from harness.results import Run


def figures(run: Run, rows: pd.DataFrame, blocks: Sequence[Block]) -> tuple[Steady, ...]:
    """One for each of these measure blocks, which are of one cell of the report; `rows` are all attempts of that cell."""
    windows = Windows(run.manifest.plan, run.marks)
    found = [_window(run, rows, block, dict(windows.of_block(block.id))) for block in blocks]
    return tuple(each for each in found if each is not None)


def findings(steady: Mapping[str, Sequence[Steady]]) -> Iterator[Finding]:
    """The windows that were surely not steady from their beginning on, by the words for their cell."""
    unsteady = [f"{cell}: {each.words}" for cell, windows in steady.items() for each in windows if each.steady is False]
    late = [f"{cell}: {each.words}" for cell, windows in steady.items() for each in windows if each.used_from_s]
    if unsteady or late:
        yield Finding(
            code="not_steady",
            what=f"the load was not in a steady state all the time. {'. '.join((*unsteady, *late))}",
            why="figures of such a window are of the time that it happened to last: a longer one would say something else",
            remedy="lengthen warmup_s past a beginning that differs; what grows to the end is more than the endpoint can hold",
        )


def unknown(summary: Summary) -> Iterator[str]:
    """At every endpoint's peak, what is too short to tell."""
    for name, endpoint in summary.endpoints.items():
        level = endpoint.levels[endpoint.peak]
        told = [each for each in level.steady if each.steady is None]
        if told:
            yield f"{name} at {level.words}: whether it was steady is not known, {told[0].words.partition(': ')[2]}."


def _window(run: Run, rows: pd.DataFrame, block: Block, spans: Mapping[int, Span]) -> Steady | None:
    of_cell = {each.id for each in run.manifest.plan if each.cell == block.cell}
    rows = rows[rows["block"].isin(of_cell) & rows["worker"].isin(spans)]
    begun, latency = ("dispatched_ns", "e2e_s") if block.rate is None else ("scheduled_ns", "e2e_scheduled_s")
    rows = rows[rows[begun].notna()]  # of conversations in an open loop: their later turns do not arrive
    if not len(rows):
        return None
    opened_ns = rows["worker"].map({worker: span.open_ns for worker, span in spans.items()})
    latency_s = rows[latency].where(rows["kind"].eq(OK)).to_numpy(dtype=float)
    length_s = min(span.close_ns - span.open_ns for span in spans.values()) / 1e9
    found = steady.assess(Rows(_s(rows[begun] - opened_ns), _s(rows["done_ns"] - opened_ns), latency_s), 0.0, length_s)
    return _told(block, found, length_s)


def _told(block: Block, found: Steadiness, length_s: float) -> Steady:
    law = found.whole.little
    return Steady(
        repetition=block.repetition,
        steady=found.steady,
        window_s=length_s,
        used_from_s=found.from_s,
        in_flight=law.in_flight,
        per_s=law.per_s,
        stay_s=law.stay_s,
        little_gap_ratio=law.gap_ratio,
        latency_change_percent=found.whole.latency.change_percent,
        words=found.words(),
    )


def _s(nanoseconds: pd.Series) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (nanoseconds.astype("Float64") / 1e9).to_numpy(dtype=float, na_value=np.nan)
    return found
