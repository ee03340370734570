"""Everything that the report stage makes from a run directory, written beside the journals it came from.

The rule: same journals, scores, manifest and prices, same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from harness import results
from harness.errors import HarnessError, InvalidRunError, nearest
from harness.measure import hlog
from harness.rates import Rates
from harness.report import frontier, html, join, quota, resumed, scorecard, steadiness, summary
from harness.report.cells import Cell, cells
from harness.report.doubts import doubts
from harness.report.figures import Summary, encode, rounded
from harness.report.spreadsheet import csv_text
from harness.results import Run
from harness.scenario import Scenario

HTML, SCORECARD, JOINED, HLOG = "report.html", "scorecard.csv", "joined.csv", "histograms.hlog"


@dataclass(frozen=True)
class Built:
    """What was made of a run in this folder: its figures, and the cells that they are of."""

    path: Path
    run: Run
    frame: pd.DataFrame
    cells: tuple[Cell, ...]
    summary: Summary


def build(run_dir: Path, *, reprice: Mapping[str, Rates] | None = None) -> Built:
    """Make every figure of a run, and write summary.json, scorecard.csv, joined.csv, histograms.hlog and report.html."""
    built = measure(run_dir, reprice=reprice)
    files = {
        results.SUMMARY: encode(built.summary),
        SCORECARD: scorecard.as_csv(scorecard.rows(built.summary)).encode(),
        JOINED: _joined(built.frame).encode(),
        HLOG: _hlog(built.run, built.cells).encode(),
        HTML: html.render(built.summary, built.cells).encode(),
    }
    for name, data in files.items():
        results.write_atomic(run_dir / name, data)
    return built


def _joined(frame: pd.DataFrame) -> str:
    """Without the number of the worker: which of them sent a request says nothing about it, and is in its id."""
    told = frame.drop(columns="worker")
    return csv_text(list(told.columns), told.itertuples(index=False))


def measure(run_dir: Path, *, reprice: Mapping[str, Rates] | None = None) -> Built:
    """Every figure of a run, and nothing written.

    reprice  prices by endpoint that replace those frozen into the manifest
    Raises HarnessError for a price of an endpoint that the run has not, InvalidRunError for a run without a measure phase.
    """
    run = results.read_run(run_dir)
    run = replace(run, findings=[*run.findings, *doubts(run)])
    rates = _rates(run, reprice or {})
    scenario = Scenario.model_validate(run.manifest.scenario)
    frame = join.frame(run, rates, graded=scenario.grading is not None)
    measured = tuple(cells(run, frame))
    if not measured:
        raise InvalidRunError("the plan has no measure phase: nothing to report", where=str(run_dir))
    held = frontier.held(measured, run.manifest.searches)
    limited = {cell.words for cell in held if quota.held_back(cell.measured["quota_wait_s"])}
    unsteady = steadiness.findings({cell.words: cell.steady for cell in held}, limited)
    run = replace(run, findings=[*run.findings, *unsteady, *frontier.findings(run.manifest.searches)])
    sessions = resumed.figures(run, frame, rates)
    return Built(run_dir, run, frame, measured, rounded(summary.summarise(run, scenario, measured, rates, sessions)))


def _rates(run: Run, reprice: Mapping[str, Rates]) -> dict[str, Rates | None]:
    for name in reprice:
        if name not in run.manifest.rates:
            raise HarnessError(f"no endpoint {name!r} in this run to price", remedy=nearest(name, run.manifest.rates))
    return {**run.manifest.rates, **reprice}


def _hlog(run: Run, measured: Sequence[Cell]) -> str:
    """Every histogram that holds something, tagged endpoint/level/metric, over the measure window of its cell."""
    return hlog.write(_tagged(measured), datetime.fromisoformat(run.manifest.created_utc).timestamp())


def _tagged(measured: Sequence[Cell]) -> Iterator[hlog.TaggedHistogram]:
    for cell in measured:
        for column, metric in cell.metrics.items():
            if metric.histogram.n:
                tag = f"{cell.endpoint}/{cell.level}/{column.removesuffix('_s')}"
                yield hlog.TaggedHistogram(tag, 0.0, 0.0 if cell.window_s is None else cell.window_s, metric.histogram)
