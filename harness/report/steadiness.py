"""Whether a level was in a steady state while it was measured: one verdict for each window, and what it rests on.

The rule: requests count from their intended arrival and by the clock of their own worker, and those that were in flight at a
window's edges count for their part.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measure import stats, steady
from harness.measure.little import Rows
from harness.measure.steady import Steadiness
from harness.records import Block, Finding
from harness.report.circumstances import Steady, SteadyPart
from harness.report.figures import Summary
from harness.report.join import OK
from harness.report.windows import Span, Windows
from harness.report.wording import seconds
from harness.results import Run


def figures(run: Run, rows: pd.DataFrame, blocks: Sequence[Block]) -> tuple[Steady, ...]:
    """One for each of these measure blocks, which are of one cell of the report; `rows` are all attempts of that cell."""
    windows = Windows(run.manifest.plan, run.marks)
    found = [_window(run, rows, block, dict(windows.of_block(block.id))) for block in blocks]
    return tuple(each for each in found if each is not None)


def findings(steady: Mapping[str, Sequence[Steady]]) -> Iterator[Finding]:
    """The windows that were surely not steady from their beginning on, by the words for their cell."""
    unsteady = [f"{cell}: {each.words}" for cell, windows in steady.items() for each in windows if each.steady is False]
    late = [f"{cell}: {each.words}" for cell, windows in steady.items() for each in windows if each.part is not None]
    if unsteady or late:
        yield Finding(
            code="not_steady",
            what=f"the load was not in a steady state all the time. {'. '.join((*unsteady, *late))}",
            why="figures of such a window are of the time that it happened to last: a longer one would say something else",
            remedy="lengthen warmup_s past a beginning that differs; what grows to the end is more than the endpoint can hold",
        )


def sentences(summary: Summary) -> Iterator[str]:
    """For each endpoint's peak the windows that its figures are of, and Little's law in them."""
    for name, endpoint in summary.endpoints.items():
        level = endpoint.levels[endpoint.peak]
        for each in level.steady:
            of_it = f", repetition {each.repetition + 1}" if len(level.steady) > 1 else ""
            law = "" if each.stay_s is None else f"; L {each.in_flight:.3g}, lambda W {each.per_s * each.stay_s:.3g} in flight"
            yield f"{name} at {level.words}{of_it}: {each.words}{law}."


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
    begun, view = ("dispatched_ns", "s") if block.rate is None else ("scheduled_ns", "scheduled_s")
    rows = rows[rows[begun].notna()]  # of conversations in an open loop: their later turns do not arrive
    if not len(rows):
        return None
    opened_ns = rows["worker"].map({worker: span.open_ns for worker, span in spans.items()})
    latency_s = rows[f"e2e_{view}"].where(rows["kind"].eq(OK)).to_numpy(dtype=float)
    length_s = min(span.close_ns - span.open_ns for span in spans.values()) / 1e9
    begun_s, done_s = _s(rows[begun] - opened_ns), _s(rows["done_ns"] - opened_ns)
    found = steady.assess(Rows(begun_s, done_s, latency_s), 0.0, length_s)
    part = _part(rows, view, begun_s, done_s, (found.from_s, length_s)) if found.from_s else None
    return _told(block, found, length_s, part)


def _part(
    rows: pd.DataFrame, view: str, begun_s: NDArray[np.float64], done_s: NDArray[np.float64], span_s: tuple[float, float]
) -> SteadyPart:
    """Of what arrived in the span; answers are those that ended in it."""
    from_s, to_s = span_s
    ok = rows["kind"].eq(OK).to_numpy()
    began = rows[ok & (begun_s >= from_s) & (begun_s < to_s)]
    ended = int((ok & (done_s >= from_s) & (done_s < to_s)).sum())
    return SteadyPart(
        from_s=from_s,
        n=len(began),
        ttft_p50_s=_quantile(began[f"ttft_{view}"], 0.5),
        ttft_p99_s=_quantile(began[f"ttft_{view}"], 0.99),
        e2e_p50_s=_quantile(began[f"e2e_{view}"], 0.5),
        e2e_p99_s=_quantile(began[f"e2e_{view}"], 0.99),
        answers_per_s=ended / (to_s - from_s),
    )


def _quantile(column: pd.Series, q: float) -> float | None:
    """At the nearest rank, where that many values can have one (`stats.sample_floor`)."""
    values = column.dropna().to_numpy(dtype=float)
    return float(np.quantile(values, q, method="inverted_cdf")) if len(values) >= stats.sample_floor(q) else None


def _told(block: Block, found: Steadiness, length_s: float, part: SteadyPart | None) -> Steady:
    law = found.whole.little
    return Steady(
        repetition=block.repetition,
        steady=found.steady,
        window_s=length_s,
        part=part,
        in_flight=law.in_flight,
        per_s=law.per_s,
        stay_s=law.stay_s,
        little_gap_ratio=law.gap_ratio,
        latency_change_percent=found.whole.latency.change_percent,
        words="; ".join((found.words(), *_of_part(part))),
    )


def _of_part(part: SteadyPart | None) -> Iterator[str]:
    if part is None:
        return
    known = {"TTFT p50": part.ttft_p50_s, "p99": part.ttft_p99_s, "e2e p50": part.e2e_p50_s, "e2e p99": part.e2e_p99_s}
    told = [f"{name} {seconds(value)}" for name, value in known.items() if value is not None]
    yield f"from there on {', '.join((*told, f'{part.answers_per_s:.1f} answers/s'))} (n = {part.n:,})"


def _s(nanoseconds: pd.Series) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (nanoseconds.astype("Float64") / 1e9).to_numpy(dtype=float, na_value=np.nan)
    return found
