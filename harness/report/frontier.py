"""The largest load that holds the objectives, and what is known of the loads around it, in figures and in sentences.

The rule: the decisions are the run's own, from the manifest; the figures beside them are those of the level, as in any run.
"""

from collections.abc import Iterator, Mapping, Sequence

from harness.measure.knee import At, knee
from harness.records import Finding
from harness.report import wording
from harness.report.cells import Cell
from harness.report.circumstances import FrontierPoint, SearchFigures
from harness.report.figures import LevelFigures, Summary
from harness.searched import Judged, Searched

_ENDS = {
    "budget": "The budget of requests ended the search, so a larger load may hold.",
    "time": "The time limit ended the search, so a larger load may hold.",
    "stopped": "The run was stopped before the search was over, so a larger load may hold.",
    "running": "The run has not come to its end, so a larger load may hold.",
}
_UNCLEAR = (
    "What stayed unclear counts as not held, but may hold: more requests tell, with `load.search.effort: full`, "
    "or a larger requests_most and budget."
)


def peaks(cells: Sequence[Cell], searches: Sequence[Searched]) -> dict[str, Cell]:
    """What each endpoint is judged at: its highest level, or the answer of its search; without one, the least load.

    An endpoint that a search has not come to is left out.
    """
    found: dict[str, Cell] = {}
    answers = {each.endpoint: each.load for each in searches}
    for cell in sorted(cells, key=lambda cell: cell.load, reverse=True):
        if cell.endpoint not in found or (cell.endpoint in answers and _is_nearer(cell, answers[cell.endpoint])):
            found[cell.endpoint] = cell
    return found


def _is_nearer(cell: Cell, answer: float | None) -> bool:
    """Of cells with falling loads: whether this one is still no less than the answer."""
    return answer is None or cell.load >= answer


def held(cells: Sequence[Cell], searches: Sequence[Searched]) -> list[Cell]:
    """Cells that somebody claims to have held: of a search those that passed, of any other plan all."""
    if not searches:
        return list(cells)
    passed = {(one.endpoint, each.level) for one in searches for each in one.judged if each.verdict == "pass"}
    return [cell for cell in cells if (cell.endpoint, cell.level) in passed]


def findings(searches: Sequence[Searched]) -> Iterator[Finding]:
    for each in searches:
        if not each.judged:
            yield Finding(
                code="not_searched",
                what=f"the search at {each.endpoint} ended ({each.end}) before its first load was judged",
                why="nothing is known of what it holds",
                remedy="raise load.search.budget, load.search.minutes or load.search.begin, or let the run come to its end",
            )


def figures(endpoint: str, searches: Sequence[Searched], levels: Mapping[str, LevelFigures]) -> SearchFigures | None:
    """None where nobody searched."""
    found = next((each for each in searches if each.endpoint == endpoint), None)
    if found is None:
        return None
    points = tuple(_point(each, levels[each.level]) for each in found.judged)
    return SearchFigures(
        unit=found.unit,
        end=found.end,
        load=found.load,
        at_least=found.at_least,
        above=found.above,
        requests=found.requests,
        seconds=found.seconds,
        knee=hint(points),
        worth=found.worth,
        frontier=points,
    )


def hint(points: Sequence[FrontierPoint]) -> float | None:
    """The knee, of the loads whose goodput and mean e2e are known."""
    return knee(
        [
            At(each.load, each.goodput_per_s, each.e2e_mean_s)
            for each in points
            if each.goodput_per_s is not None and each.e2e_mean_s is not None
        ]
    )


def _point(judged: Judged, level: LevelFigures) -> FrontierPoint:
    return FrontierPoint(
        level=judged.level,
        load=judged.load,
        verdict=judged.verdict,
        reason=judged.reason,
        cut_short=judged.cut_short,
        runs=judged.runs,
        requests=judged.requests,
        offered_per_s=judged.offered_per_s,
        achieved_per_s=judged.achieved_per_s,
        offered_tokens_per_s=judged.offered_tokens_per_s,
        ttft_p99_s=level.headline.ttft_s.p99,
        itl_p99_s=level.headline.itl_s.p99,
        e2e_mean_s=level.headline.e2e_s.mean,
        goodput_per_s=level.goodput_per_s,
    )


def sentences(summary: Summary) -> list[str]:
    """What each search has found, and why not more; then the hint."""
    searched = [(name, each.search) for name, each in summary.endpoints.items() if each.search is not None]
    return [line for name, found in searched for line in _said(name, found)]


def _said(name: str, found: SearchFigures) -> Iterator[str]:
    if found.load is not None:
        answer = ("at least " if found.at_least else "") + load(found.load, found.unit)
        yield f"{name}: the largest load that was shown to hold the objectives is {answer}{_above(found)}."
    elif found.frontier:
        yield f"{name}: no load was shown to hold the objectives{_above(found)}."
    else:
        yield f"{name}: no load was judged."
    if found.end in _ENDS:
        yield f"{name}: {_ENDS[found.end]}"
    if found.load is not None and found.worth is not None:
        yield f"{name}: at these settings an answer is {found.worth}."
    if any(each.load == found.above and each.verdict == "unclear" for each in found.frontier):
        yield f"{name}: {_UNCLEAR}"
    loads = f"{len(found.frontier)} load{'' if len(found.frontier) == 1 else 's'}"
    cost = f"{name}: {loads} tried in {found.seconds / 60:.1f} minutes with {found.requests:,} requests"
    cut = [load(each.load, found.unit) for each in found.frontier if each.cut_short]
    yield f"{cost}; cut short as hopeless: {wording.joined(cut)}." if cut else f"{cost}."
    if found.knee is not None:
        bend = load(found.knee, found.unit)
        yield f"{name}: goodput over mean e2e is largest at {bend}, the knee: a hint, which moves with the loads tried."


def _above(found: SearchFigures) -> str:
    if found.at_least:
        return ", the largest that was asked for"
    above = next((each for each in found.frontier if each.load == found.above), None)
    if above is None:
        return ""
    did = "failed" if above.verdict == "fail" else "stayed unclear"
    return f"; {load(above.load, found.unit)} {did}: {above.reason}"


def load(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}" if value < 10_000 else f"{value:,.0f} {unit}"
