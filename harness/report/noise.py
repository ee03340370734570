"""An A/A test: one endpoint asked as two, and how far apart its two arms are though they are the same.

The rule: the arms are paired by example as candidates are, and what differs is noise. A difference between candidates that is
smaller than the noise floor means nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from harness.load import Load
from harness.measure import campaign
from harness.report import join, wording
from harness.report.cells import Cell
from harness.report.circumstances import Noise, NoiseFigure
from harness.report.figures import CONFIDENCE, Summary
from harness.report.join import OK


class _Figure(NamedTuple):
    words: str
    spell: Callable[[float], str]


FIGURES = {
    "ttft_s": _Figure("mean TTFT", wording.seconds),
    "tpot_s": _Figure("mean TPOT", wording.seconds),
    "e2e_s": _Figure("mean e2e", wording.seconds),
    "success": _Figure("success", wording.points),
    "usd_per_task": _Figure("USD/task", wording.digits),
}
_TOGETHER = 1 - (1 - CONFIDENCE) / len(FIGURES)


def figures(cells: Sequence[Cell], load: Load) -> Noise | None:
    """Of every level; None where no endpoint was asked as two."""
    if load.aa is None or load.again is None:
        return None
    arms = {(cell.endpoint, cell.level): cell for cell in cells}
    levels = {cell.level: _level(cell, arms[load.again, cell.level]) for cell in cells if cell.endpoint == load.aa}
    return Noise(endpoint=load.aa, again=load.again, confidence=_TOGETHER, levels=levels)


def sentences(summary: Summary) -> Iterator[str]:
    """A line for each level, and one for each figure whose arms differ by more than chance."""
    if summary.noise is None:
        return
    name = summary.noise.endpoint
    for level, found in summary.noise.levels.items():
        where = summary.endpoints[name].levels[level].words
        told = [f"{FIGURES[key].words} {FIGURES[key].spell(of.floor)}" for key, of in found.items() if of.floor is not None]
        lacking = {FIGURES[key].words: of.reason["floor"] for key, of in found.items() if of.floor is None}
        if told:
            yield f"Noise floor of {name}, asked as two at {where}: {', '.join(told)}. Smaller differences mean nothing."
        for reason in dict.fromkeys(lacking.values()):
            words = wording.joined([each for each, why in lacking.items() if why == reason])
            yield f"Noise floor of {name} at {where}: not estimable for {words}, {reason}."
        apart = [f"{FIGURES[key].words} by {FIGURES[key].spell(abs(of.difference or 0))}" for key, of in failed(found)]
        if apart:
            yield (
                f"The arms of {name} at {where} differ in {wording.joined(apart)}, more than chance explains: time, order or "
                "caches differ. More repetitions (load.repetitions) show whether that stays."
            )


def failed(found: dict[str, NoiseFigure]) -> list[tuple[str, NoiseFigure]]:
    return [(key, of) for key, of in found.items() if of.passes is False]


def _level(first: Cell, second: Cell) -> dict[str, NoiseFigure]:
    return {name: _figure(_values(first, name), _values(second, name)) for name in FIGURES}


def _values(cell: Cell, name: str) -> pd.Series:
    """By cluster and example, the mean of its attempts; whole answers where it is a time."""
    judged = join.judged(cell.measured)
    if name in {"success", "usd_per_task"}:
        judged = join.tasks(judged) if name == "success" else judged
        value = judged[{"success": "success", "usd_per_task": "usd"}[name]]
    else:
        judged = judged[judged["kind"].eq(OK)]
        value = judged[name if cell.rate is None or name == "tpot_s" else name.replace("_s", "_scheduled_s")]
    known = judged.assign(value=pd.to_numeric(value, errors="coerce").astype(float)).dropna(subset=["value"])
    means: pd.Series = known.groupby(["cluster", "example"])["value"].mean()
    return means


def _figure(first: pd.Series, second: pd.Series) -> NoiseFigure:
    both = first.index.intersection(second.index)
    clusters = both.get_level_values("cluster").to_numpy()
    found = campaign.noise_floor(first[both].to_numpy(), second[both].to_numpy(), clusters, _TOGETHER)
    floor = found.half_width
    if floor is not None and found.difference is not None and not found.passes:
        floor += abs(found.difference)
    why = found.reason or ""
    lacking = {"difference": found.difference, "half_width": found.half_width, "passes": found.passes, "floor": floor}
    return NoiseFigure(
        n=found.n,
        units=found.units,
        difference=found.difference,
        half_width=found.half_width,
        passes=found.passes,
        floor=floor,
        reason={key: why for key, value in lacking.items() if value is None},
    )
