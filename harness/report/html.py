"""report.html: one file that opens offline, without a script.

The rule: everything that came from outside goes through Jinja's autoescaping, and the page's own policy forbids all but
its one style sheet, named by hash.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from harness.measure import stats
from harness.report import (
    answers_tried,
    calibration,
    dispatch,
    frontier,
    frontier_chart,
    network,
    noise,
    repeated,
    resumed,
    scorecard,
    steadiness,
    turns,
    verdict,
    wording,
)
from harness.report.cells import Cell
from harness.report.chart import charts
from harness.report.figures import PERCENTILES, Distribution, LevelFigures, Summary
from harness.report.join import OK
from harness.report.svg import swatch

_TEMPLATE, _STYLE = "report.html.j2", "report.css"
_MESSAGE_CHARS = 200


class Failure(NamedTuple):
    """One kind of outcome that is not ok, in one cell, with the first message that came with it."""

    endpoint: str
    level: str
    kind: str
    attempts: int
    ratio: float
    message: str


def render(summary: Summary, cells: Sequence[Cell]) -> str:
    """The whole page. The same summary and cells give the same text."""
    style = resources.files(__package__).joinpath(_STYLE).read_text("utf-8")
    return (
        environment()
        .get_template(_TEMPLATE)
        .render(
            summary=summary,
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            card=scorecard.rows(summary),
            validity=verdict.validity(summary),
            clauses=verdict.comparison(summary),
            unproven=verdict.unproven(summary),
            resumed=list(resumed.sentences(summary)),
            noise=list(noise.sentences(summary)),
            charts=charts(summary, cells),
            searched=frontier.sentences(summary),
            search_charts=frontier_chart.charts(summary),
            dispatched=dispatch.sentences(summary),
            evaluated=list(answers_tried.told(summary)),
            evaluation=list(answers_tried.sentences(summary)),
            steady=list(steadiness.sentences(summary)),
            talks=list(turns.told(summary)),
            talked=list(turns.sentences(summary)),
            floors_of_ttft=network.floors(summary),
            calibration=calibration.sentence(summary.calibration),
            names=[each for each in summary.names if each.addresses != (each.host,)],
            swatches={name: swatch(index) for index, name in enumerate(summary.endpoints)},
            failures=[failure for cell in cells for failure in _failures(cell)],
            floors={name.replace("_", "."): stats.sample_floor(q) for name, q in PERCENTILES.items()},
            percentiles=list(PERCENTILES),
        )
    )


def environment() -> jinja2.Environment:
    """Strict about names, and escaping whatever the template's name."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": wording.seconds,
        "percent": wording.percent,
        "usd": wording.usd,
        "number": wording.number,
        "count": wording.count,
        "plain": wording.plain,
        "mark": scorecard.mark,
        "metrics": _metrics,
        "load": frontier.load,
    }
    environment.globals |= {
        "objective_value": verdict.value,
        "figures": repeated.FIGURES,
        "interval": repeated.interval,
        "noises": noise.FIGURES,
        "turn_cells": turns.cells,
        "tried_cells": answers_tried.cells,
    }
    return environment


def _metrics(level: LevelFigures) -> Iterator[tuple[str, Distribution]]:
    """Every distribution of a level under the name that the report gives it."""
    for view in ("service", "scheduled"):
        for metric in ("ttft", "ttfo", "e2e"):
            yield f"{metric} {view}", getattr(getattr(level, view), f"{metric}_s")
    for metric in ("icl", "itl", "tpot"):
        yield metric, getattr(level.service, f"{metric}_s")
    yield "done", level.done_s
    yield "connect wait", level.connect_wait_s
    if level.dispatch is not None:
        yield "dispatch wait", level.dispatch.wait_s
        yield "own lateness", level.dispatch.lateness_s


def _failures(cell: Cell) -> Iterator[Failure]:
    """By falling count."""
    failed = cell.measured[cell.measured["kind"] != OK]
    counts: Any = failed["kind"].value_counts()
    for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        said: pd.Series = failed.loc[failed["kind"] == kind, "error"].dropna()
        message = wording.plain(said.iloc[0])[:_MESSAGE_CHARS] if len(said) else ""
        yield Failure(cell.endpoint, cell.level, str(kind), int(count), count / len(cell.measured), message)
