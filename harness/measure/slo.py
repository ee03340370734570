"""Service-level objectives as a user writes them: `ttft.p99 <= 800 ms`, `success >= 92 %`, `usd_per_success <= 0.02 USD`.

One line is one objective; nothing is assumed but the view where none is named, which is for the load to say. Numbers are
compared as the decimals that people write: in binary 35 % is a little more than 35 / 100.
"""

import operator
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

from harness.errors import HarnessError, nearest

LATENCIES = ("ttft", "ttfo", "icl", "itl", "tpot", "e2e")
RATIOS = ("success", "errors")
MONEY = ("usd_per_attempt", "usd_per_success")
RATES = ("goodput_per_s", "requests_per_s", "output_tokens_per_s")
METRICS = LATENCIES + RATIOS + MONEY + RATES
STATISTICS = ("p50", "p90", "p95", "p99", "p99_9", "mean", "max")
VIEWS = ("service", "scheduled")
_AT_LEAST = ("success", *RATES)  # more is better: all others are bounded from above
_ONE = Decimal(1)
_SECONDS = {"us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": _ONE, "min": Decimal(60)}
_UNITS = {
    **dict.fromkeys(LATENCIES, _SECONDS),
    **{metric: {"%": Decimal("0.01"), "": _ONE} for metric in RATIOS},
    **{metric: {"USD": _ONE, "usd": _ONE, "": _ONE} for metric in MONEY},
    **{metric: {"/s": _ONE, "": _ONE} for metric in RATES},
}
_TEXT = re.compile(r"\s*([A-Za-z_.0-9]+)\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z%/]*)\s*")
_OPS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_EXAMPLE = "for example `ttft.p99 <= 800 ms`, `scheduled.e2e.p95 <= 6 s`, `success >= 92 %`, `usd_per_success <= 0.02 USD`"


View = Literal["service", "scheduled"]


class Objective(NamedTuple):
    """`bound` in base units: seconds, ratio, US dollars, per second. `statistic` is None where the metric is one number."""

    metric: str
    view: View
    statistic: str | None
    op: Literal["<=", ">=", "<", ">"]
    bound: float
    text: str

    def met(self, value: float | Decimal) -> bool:
        return bool(_OPS[self.op](Decimal(str(value)), Decimal(str(self.bound))))


def parse(text: str, view: View = "service") -> Objective:
    """`view` is that of a latency where the text names none. Raises `HarnessError` that quotes what cannot be read."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise HarnessError(f"{text!r} is no objective", remedy=_EXAMPLE)
    name, op, number, unit = found.groups()
    words = name.replace("p99.9", "p99_9").split(".")
    views = [word for word in words if word in VIEWS]
    words = [word for word in words if word not in VIEWS]
    metric = words[0] if words else ""
    if metric not in METRICS:
        raise HarnessError(f"{metric!r} in {text!r} is no metric", remedy=nearest(metric, METRICS))
    _check_views(metric, views, text)
    statistic = _statistic(metric, words[1:], text)
    _check_unit(metric, unit, f"{name} {op} {number}", text)
    bound = Decimal(number) * _UNITS[metric][unit]
    _check_bound(metric, op, bound, text)
    return Objective(metric, views[0] if views else view, statistic, op, float(bound), text.strip())  # type: ignore[arg-type]


def per_request(objectives: Iterable[Objective]) -> dict[str, float]:
    """What one request must meet to be goodput: upper bounds in seconds of `ttft`, `ttft_scheduled`, ..., the lowest of each.

    Whatever percentile an objective speaks of, its bound is what one request is held to.
    """
    bounds: dict[str, float] = {}
    for each in objectives:
        if each.metric in LATENCIES and each.op in ("<=", "<"):
            key = each.metric if each.view == "service" else f"{each.metric}_scheduled"
            bounds[key] = min(bounds.get(key, each.bound), each.bound)
    return bounds


def is_share(objective: Objective) -> bool:
    """Whether each request meets it or misses it, so that a load can be searched for it: percentiles, errors and success."""
    return objective.metric in RATIOS or (objective.metric in LATENCIES and str(objective.statistic).startswith("p"))


def _statistic(metric: str, words: list[str], text: str) -> str | None:
    if metric not in LATENCIES:
        if words and not (metric == "output_tokens_per_s" and words in (["system"], ["per_user"], ["per_user", "p50"])):
            raise HarnessError(f"{'.'.join(words)!r} in {text!r}: {metric} is one number", remedy=f"write `{metric} ...`")
        return words[0] if words else ("system" if metric == "output_tokens_per_s" else None)
    if len(words) != 1 or words[0] not in STATISTICS:
        said = ".".join(words)
        raise HarnessError(f"{said!r} in {text!r} is no statistic of {metric}", remedy=nearest(said, STATISTICS))
    return words[0]


def _check_views(metric: str, views: list[str], text: str) -> None:
    if views and metric not in LATENCIES:
        raise HarnessError(f"{views[0]!r} in {text!r}: {metric} has no view", remedy=f"only {', '.join(LATENCIES)} have one")
    if len(views) > 1:
        raise HarnessError(f"{'.'.join(views)!r} in {text!r} are two views", remedy="write one objective for each")


def _check_unit(metric: str, unit: str, bare: str, text: str) -> None:
    """`bare` is the objective without its unit."""
    units = _UNITS[metric]
    named = [key for key in units if key]
    if not unit and unit not in units:
        raise HarnessError(f"{text!r} has no unit", remedy=f"give a unit: `{bare} ms`; {nearest('', named)}")
    if unit not in units:
        raise HarnessError(f"{unit!r} in {text!r} is no unit of {metric}", remedy=nearest(unit, named))


def _check_bound(metric: str, op: str, bound: Decimal, text: str) -> None:
    """An objective that nothing could miss, or nothing meet, is a slip of the pen."""
    direction = ">=" if metric in _AT_LEAST else "<="
    if op[0] != direction[0]:
        better = "more" if metric in _AT_LEAST else "less"
        raise HarnessError(f"{text!r} points the wrong way: {better} {metric} is better", remedy=f"write it with {direction}")
    if metric in RATIOS and bound > 1:
        raise HarnessError(f"{text!r} asks for more than all", remedy="write 92 % or 0.92")
    always = _ONE if metric == "errors" else Decimal(0) if metric in _AT_LEAST else None
    if op in ("<=", ">=") and bound == always:
        sensible = {"errors": "errors <= 1 %", "success": "success >= 92 %"}.get(metric, f"{metric} >= 3")
        raise HarnessError(f"{text!r} can never be missed", remedy=f"write, for example, `{sensible}`")
