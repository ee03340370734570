"""The charts of a search: what answers wait for as load grows, and how much of the load is served well.

The rule: solid is what was shown to hold, dashed and hollow what was not.
"""

from collections.abc import Callable, Sequence

from harness.report import wording
from harness.report.chart import Chart
from harness.report.circumstances import FrontierPoint, SearchFigures
from harness.report.figures import Summary
from harness.report.svg import Series, draw, scale

_CAPTION = "Solid was shown to hold the objectives; dashed and hollow was not."
Place = Callable[[FrontierPoint], tuple[float | None, float | None]]


def charts(summary: Summary) -> list[Chart]:
    """None for a run that did not search."""
    searched = {name: each.search for name, each in summary.endpoints.items() if each.search is not None}
    if not searched:
        return []
    unit = next(iter(searched.values())).unit
    tokens = "offered output tokens/s"
    return [
        _chart("p99 of TTFT", tokens, wording.seconds, searched, lambda each: (each.offered_tokens_per_s, each.ttft_p99_s)),
        _chart("p99 of ITL", tokens, wording.seconds, searched, lambda each: (each.offered_tokens_per_s, each.itl_p99_s)),
        _chart("Goodput, requests/s", unit, wording.digits, searched, lambda each: (each.load, each.goodput_per_s)),
    ]


def _chart(what: str, load: str, spell: Callable[[float], str], searched: dict[str, SearchFigures], place: Place) -> Chart:
    heading = f"{what} by {load}"
    lines = [line for style, (name, found) in enumerate(searched.items()) for line in _lines(name, style, found, place)]
    points = [point for line in lines for point in line.points]
    if len({x for x, _ in points}) < 2:
        return Chart(heading, "Fewer than two loads have this figure.", None)
    x = scale(load, (at for at, _ in points), wording.digits)
    y = scale("", (value for _, value in points), spell)
    return Chart(heading, _CAPTION, draw(heading, _CAPTION, x, y, lines))


def _lines(name: str, style: int, found: SearchFigures, place: Place) -> list[Series]:
    """What holds, and from its last point on what does not."""
    held = _points([each for each in found.frontier if each.verdict == "pass"], place)
    beyond = _points([each for each in found.frontier if each.verdict != "pass"], place)
    lines = [Series(f"{name} held", style, held)] if held else []
    return [Series(f"{name} not held", style, held[-1:] + beyond, faint=True), *lines] if beyond else lines


def _points(frontier: Sequence[FrontierPoint], place: Place) -> list[tuple[float, float]]:
    return [(x, y) for x, y in map(place, frontier) if x is not None and y is not None]
