"""Service-level objectives held against the figures of one level, and goodput: the answers that met all of them.

The rule: an objective whose figure is not estimable is neither met nor missed.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.measure import stats
from harness.measure.slo import LATENCIES, MONEY, RATIOS, Objective
from harness.report import join
from harness.report.figures import Distribution, Goodput, LevelFigures, ObjectiveResult, OutputRate, Proportion, Spend
from harness.report.join import OK

# The column of the join that holds one request to a bound: of its gaps a request has a mean, and per token that is its TPOT.
# Gaps are the same from every origin. Any other bound is on the column of its own name.
_GAP_COLUMNS = {"icl": "icl_mean_s", "itl": "tpot_s", "tpot": "tpot_s"}


def results(objectives: Sequence[Objective], level: LevelFigures) -> tuple[ObjectiveResult, ...]:
    """One result per objective, in the scenario's order."""
    return tuple(_result(objective, level) for objective in objectives)


def goodput(rows: pd.DataFrame, bounds_s: Mapping[str, float]) -> Goodput:
    """Good answers among those that were completed inside the measure window.

    bounds_s  upper bounds of one request in seconds, by `ttft`, `ttft_scheduled` and so on, as `slo.per_request` gives them
    A one-token answer has no gap: bounds on gaps are skipped for it, and counted. Any other missing stamp makes an answer not
    good, and undetermined. A conversation's later turns have no intended arrival, and are held to it from their sending.
    """
    completed = rows[rows["done_in_window"] & rows["kind"].eq(OK)]
    single = completed["arrived_tokens"].eq(1).fillna(value=False).astype(bool)
    none = pd.Series(data=False, index=completed.index)
    later = join.later(completed)
    missed, unknown, skipped = none, none, none
    for name, bound_s in bounds_s.items():
        gaps = _GAP_COLUMNS.get(name.removesuffix("_scheduled"))
        value_s = completed[gaps or f"{name}_s"]
        if name.endswith("_scheduled"):
            value_s = value_s.where(~later, completed[f"{name.removesuffix('_scheduled')}_s"])
        excused = single & value_s.isna() if gaps else none
        skipped = skipped | excused
        unknown = unknown | (value_s.isna() & ~excused)
        missed = missed | value_s.gt(bound_s)
    return Goodput(
        completed=len(completed),
        good=int((~missed & ~unknown).sum()),
        tpot_skipped=int(skipped.sum()),
        undetermined=int((unknown & ~missed).sum()),
    )


def _result(objective: Objective, level: LevelFigures) -> ObjectiveResult:
    if objective.metric in RATIOS:
        return _share(objective, getattr(level, objective.metric))
    value, reason = _value(objective, level)
    met = None if value is None else objective.met(value)
    return ObjectiveResult(text=objective.text, value=value, met=False if _is_beyond(objective, level) else met, reason=reason)


def _is_beyond(objective: Objective, level: LevelFigures) -> bool:
    """Whether the figure is that of an arrival that was never sent: later than any bound."""
    return objective.metric in LATENCIES and objective.statistic in _latency(objective, level).beyond


def _latency(objective: Objective, level: LevelFigures) -> Distribution:
    view = level.scheduled if objective.view == "scheduled" else level.service
    found: Distribution = getattr(view, f"{objective.metric}_s")
    return found


def _value(objective: Objective, level: LevelFigures) -> tuple[float | None, str | None]:
    """The figure that the objective is about, or why there is none."""
    if objective.metric in LATENCIES:
        return _figure(_latency(objective, level), objective.statistic)
    if objective.metric in MONEY:
        return _money(objective, level.usd)
    if objective.metric == "output_tokens_per_s":
        return _figure(level.output_tokens_per_s, objective.statistic)
    return _figure(level, objective.metric)


def _figure(of: Distribution | OutputRate | LevelFigures, name: str | None) -> tuple[float | None, str | None]:
    assert name is not None, "the parser names a statistic"
    return getattr(of, name), of.reason.get(name)


def _share(objective: Objective, share: Proportion) -> ObjectiveResult:
    """Below the sample floor of the bound (`errors <= 1 %` speaks of the same tail as a p99) only a clear interval decides."""
    if share.ratio is None or share.interval is None:
        return ObjectiveResult(text=objective.text, value=None, met=None, reason=share.reason.get("ratio"))
    met = objective.met(share.ratio)
    floor = stats.sample_floor(objective.bound) if 0 < objective.bound < 1 else 1
    if share.n < floor and len({met, *map(objective.met, share.interval)}) > 1:
        return ObjectiveResult(text=objective.text, value=share.ratio, met=None, reason=f"needs n >= {floor}, has {share.n}")
    return ObjectiveResult(text=objective.text, value=share.ratio, met=met)


def _money(objective: Objective, usd: Spend) -> tuple[float | None, str | None]:
    """The priced figure, but only where what could not be priced does not decide."""
    name = objective.metric.removeprefix("usd_")
    low, high = getattr(usd, name), getattr(usd, f"{name}_at_most")
    if low is None:
        return None, usd.reason.get(name)
    if objective.met(float(low)) != objective.met(float(high)):
        return None, f"{usd.unpriced} attempts could not be priced: between {low:.3g} and {high:.3g} USD"
    return float(low), None
