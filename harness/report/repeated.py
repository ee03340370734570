"""The figures that are compared between looks at the same thing: the repetitions of a run, or runs on other days.

The rule: a look counts once. What a look's own requests say about its figure is used for one thing only: to tell how much of
the differences between looks is more than their requests explain.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measure import campaign, drift
from harness.report import wording
from harness.report.cells import Cell
from harness.report.circumstances import Repeated
from harness.report.figures import Bounds, LevelFigures, Summary
from harness.report.join import OK

_Z = 1.959964  # of a 95 % interval's half width, in standard errors
_FEWEST = 30  # answers: fewer do not show how neighbours resemble each other

_LATENCIES = {"ttft": "TTFT", "itl": "ITL", "tpot": "TPOT", "e2e": "e2e"}
_PERCENTILES = ("p50", "p99")
_TOLD = ("ttft_p99_s", "e2e_p50_s", "e2e_p99_s", "success_ratio", "usd_per_success")


class Look(NamedTuple):
    """A figure in one look, with `n` independent values behind it; its variance is None where nobody knows it."""

    value: float | None
    variance: float | None = None
    n: float = 1.0
    reason: str | None = None


class Figure(NamedTuple):
    """How a figure is called, and how it is spelled."""

    words: str
    spell: Callable[[float | None], str]


FIGURES: dict[str, Figure] = {
    **{
        f"{metric}_{p}_s": Figure(f"{words} {p}", wording.seconds) for metric, words in _LATENCIES.items() for p in _PERCENTILES
    },
    "success_ratio": Figure("success", wording.percent),
    "errors_ratio": Figure("errors", wording.percent),
    "requests_per_s": Figure("requests/s", wording.number),
    "goodput_per_s": Figure("goodput/s", wording.number),
    "output_tokens_per_s": Figure("tokens/s", wording.number),
    "usd_per_success": Figure("USD/success", wording.number),
}


def looks(cell: Cell, level: LevelFigures) -> dict[str, Look]:
    """Every figure of one cell; percentiles and shares with the variance that their intervals tell."""
    found: dict[str, Look] = {}
    worth = _worth(cell)
    for metric in _LATENCIES:
        of = getattr(level.headline, f"{metric}_s")
        for p in _PERCENTILES:
            interval = of.interval.get(p)
            found[f"{metric}_{p}_s"] = _look(getattr(of, p), interval, of.n, worth, of.reason.get(p))
    for name in ("success", "errors"):
        share = getattr(level, name)
        found[f"{name}_ratio"] = _look(share.ratio, share.interval, share.n, worth, share.reason.get("ratio"))
    for name in ("requests_per_s", "goodput_per_s"):
        found[name] = Look(getattr(level, name), reason=level.reason.get(name))
    rate, usd = level.output_tokens_per_s, level.usd
    found["output_tokens_per_s"] = Look(rate.system, reason=rate.reason.get("system"))
    per_success = None if usd.per_success is None else float(usd.per_success)
    bounds = None if usd.interval is None else (float(usd.interval[0]), float(usd.interval[1]))
    found["usd_per_success"] = _look(per_success, bounds, level.success.n, worth, usd.reason.get("per_success"))
    return found


def over(found: Sequence[Mapping[str, Look]], what: str) -> dict[str, Repeated]:
    """Every figure over looks that are called `what`."""
    return {name: repeated([look[name] for look in found], what) for name in FIGURES}


def repeated(found: Sequence[Look], what: str) -> Repeated:
    """One figure over its looks."""
    known = [look for look in found if look.value is not None]
    told = campaign.over_runs([look.value for look in known if look.value is not None])
    apart = _split(known)
    reason: dict[str, str] = {}
    if told.reason is not None:
        reason = dict.fromkeys(["interval", "deviation"], told.reason.replace("run", what))
    if told.mean is None:
        reason["mean"] = next((look.reason for look in found if look.reason), f"no {what} has the figure")
    if apart.between_ratio is None:
        reason["between_ratio"] = (apart.reason or "nothing varies").replace("run", what)
    if apart.p is None:
        reason["p"] = (apart.reason or "").replace("run", what)
    return Repeated(
        n=told.n,
        missing=len(found) - told.n,
        values=tuple(look.value for look in found),
        mean=told.mean,
        deviation=told.deviation,
        interval=told.interval,
        between_ratio=apart.between_ratio,
        p=apart.p,
        reason=reason,
    )


def interval(name: str, of: Repeated) -> str:
    """`217 ms to 234 ms`, in the units of its figure; a bound that no figure can reach is where it ends."""
    if of.interval is None:
        return wording.MISSING
    low, high = of.interval
    high = min(high, 1.0) if name.endswith("_ratio") else high
    return f"{FIGURES[name].spell(max(low, 0.0))} to {FIGURES[name].spell(high)}"


def sentences(summary: Summary) -> Iterator[str]:
    """A line for each endpoint at its peak, where there are repetitions."""
    for name, endpoint in summary.endpoints.items():
        level = endpoint.levels[endpoint.peak]
        told = [
            f"{FIGURES[figure].words} {FIGURES[figure].spell(of.mean)} ({interval(figure, of)})"
            for figure, of in level.repetitions.items()
            if figure in _TOLD and of.interval is not None
        ]
        if told:
            yield f"{name} at {level.words}, over {summary.repetitions} repetitions: {', '.join(told)}."


def _split(known: Sequence[Look]) -> campaign.Split:
    """The method of moments on figures that are no means: n times a figure's own variance stands for that of its values."""
    variances = [look.variance * look.n for look in known if look.variance is not None]
    if len(variances) < len(known):
        return campaign.Split(len(known), None, None, None, None, "no run tells how exactly it knows this figure")
    return campaign.split([look.value for look in known if look.value is not None], [look.n for look in known], variances)


def _look(value: float | None, interval: Bounds | None, n: int, worth: float, reason: str | None) -> Look:
    """The interval takes its n values for independent: they are worth less, so it is that much too narrow."""
    if value is None or interval is None or n < 1:
        return Look(value, reason=reason)
    return Look(value, ((interval[1] - interval[0]) / (2 * _Z)) ** 2 / worth, max(1.0, n * worth))


def _worth(cell: Cell) -> float:
    """Of one answer, in independent ones, 0..1: by the autocorrelation of e2e in the order in which requests began."""
    ok = cell.measured[cell.measured["kind"].eq(OK)]
    e2e_s: NDArray[np.float64] = ok["e2e_s"].dropna().to_numpy(dtype=np.float64)
    if len(e2e_s) < _FEWEST:
        return 1.0
    return drift.effective(e2e_s - e2e_s.mean(), fitted=1) / len(e2e_s)
