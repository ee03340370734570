"""The charts of the report: percentile spectra at the peak, the sweep over levels, and value for money.

The rule: a curve ends at the last percentile that its sample can show.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from harness.report import wording
from harness.report.cells import Cell
from harness.report.distribution import Measured
from harness.report.figures import PERCENTILES, LevelFigures, Summary
from harness.report.svg import Axis, Series, Tick, draw, scale

# How far along the axis a quantile stands: as many nines, so many units. Curves start at the median.
_GRID = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998, 0.999]


class Chart(NamedTuple):
    """A picture with its heading and what it shows; `picture` is None where there is nothing to draw."""

    heading: str
    caption: str
    picture: Markup | None


def charts(summary: Summary, cells: Sequence[Cell]) -> list[Chart]:
    """Every chart of the report, in its order. Endpoints keep their place in the scenario as their style."""
    styles = {name: style for style, name in enumerate(summary.endpoints)}
    peak = [cell for cell in cells if cell.level == summary.endpoints[cell.endpoint].peak]
    return [
        _spectrum("Time to first token at peak", "ttft", peak, styles),
        _spectrum("End-to-end latency at peak", "e2e", peak, styles),
        _sweep("End-to-end latency by level", "p50 solid, p99 dashed and hollow.", summary, _latency, wording.seconds, styles),
        _sweep("Output tokens per second by level", "All users together.", summary, _throughput, wording.digits, styles),
        _value(summary, styles),
    ]


def _spectrum(heading: str, metric: str, cells: Iterable[Cell], styles: Mapping[str, int]) -> Chart:
    lines = [
        Series(cell.endpoint, styles[cell.endpoint], points)
        for cell in cells
        if (points := _quantiles(cell.headline(metric))) and len(points) > 1
    ]
    caption = "Each curve ends at the last percentile that its sample can show."
    if not lines:
        return Chart(heading, "No endpoint has enough whole answers for a curve.", None)
    top = max(at for line in lines for at, _ in line.points)
    marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
    ticks = [Tick(_nines(q), name) for name, q in marks.items() if _nines(q) <= top + 1e-9]
    x = Axis("percentile", _nines(0.5), top, ticks)
    y = scale("", (value for line in lines for _, value in line.points), wording.seconds)
    return Chart(heading, caption, draw(heading, caption, x, y, lines))


def _quantiles(measured: Measured) -> list[tuple[float, float]]:
    """(nines, seconds) up to the highest percentile that the summary gives."""
    shown = [q for name, q in PERCENTILES.items() if getattr(measured.figures, name) is not None]
    grid = [q for q in _GRID if shown and q <= max(shown)]
    return [(_nines(q), value_s) for q in grid if (value_s := measured.quantile(q)) is not None]


def _nines(q: float) -> float:
    return -math.log10(1 - q)


def _sweep(
    heading: str,
    caption: str,
    summary: Summary,
    curves: Callable[[LevelFigures], dict[str, float | None]],
    spell: Callable[[float], str],
    styles: Mapping[str, int],
) -> Chart:
    """A line per endpoint and curve over the load; the second curve is faint."""
    lines = []
    for name, endpoint in summary.endpoints.items():
        told = [(level.load, curves(level)) for level in endpoint.levels.values()]
        for index, curve in enumerate(told[0][1]):
            points = [(load, value) for load, values in told if (value := values[curve]) is not None]
            if points:
                lines.append(Series(f"{name} {curve}", styles[name], points, faint=index > 0))
    levels = sorted({level.load for level in _levels(summary)})
    if len(levels) < 2 or not lines:
        return Chart(heading, "There is no sweep: only one level, or no figure at any.", None)
    unit = "users" if any(each.rate is None for each in _levels(summary)) else "requests/s"
    x = Axis(unit, levels[0], levels[-1], [Tick(load, f"{load:g}") for load in levels], log=True)
    y = scale("", (value for line in lines for _, value in line.points), spell)
    return Chart(heading, caption, draw(heading, caption, x, y, lines))


def _levels(summary: Summary) -> list[LevelFigures]:
    return [level for endpoint in summary.endpoints.values() for level in endpoint.levels.values()]


def _latency(level: LevelFigures) -> dict[str, float | None]:
    return {"p50": level.headline.e2e_s.p50, "p99": level.headline.e2e_s.p99}


def _throughput(level: LevelFigures) -> dict[str, float | None]:
    return {"tokens/s": level.output_tokens_per_s.system}


def _value(summary: Summary, styles: Mapping[str, int]) -> Chart:
    """Cost per success against success at each peak, with 95 % intervals: up and to the left is better."""
    heading = "Success against cost per success at peak"
    dots, said = [], []
    for name, endpoint in summary.endpoints.items():
        level = endpoint.levels[endpoint.peak]
        usd, success = level.usd, level.success
        if usd.per_success is None or usd.interval is None or success.ratio is None or success.interval is None:
            continue
        spot = (float(usd.per_success), success.ratio)
        bars = (float(usd.interval[0]), float(usd.interval[1]), *success.interval)
        dots.append(Series(name, styles[name], [spot], line=False, bars=[bars]))
        said.append(f"{name} {wording.seconds(level.headline.e2e_s.p99)}")
    if not dots:
        return Chart(heading, "No endpoint has a cost per success.", None)
    caption = f"Bars are 95 % intervals; up and left is better. p99 of e2e: {', '.join(said)}."
    x = scale("USD per success", (each for dot in dots for each in dot.bars[0][:2]), wording.digits)
    y = scale("success", (each for dot in dots for each in dot.bars[0][2:]), wording.percent, zero=False)
    return Chart(heading, caption, draw(heading, caption, x, y, dots))
