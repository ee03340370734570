"""Several runs of one scenario, hours or days apart: what a figure is over runs, and the smallest difference that is not noise.

The rule: the run is the unit. Ten thousand requests of one hour are one look at the provider, and one run has no interval.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.measure.drift import ROUNDING
from harness.measure.stats import CONFIDENCE

HOUR_S, DAY_S = 3600.0, 86400.0
FEWEST_UNITS = 10  # fewer, and an interval over them says more about luck than about endpoints
_BLIND = "they cannot show how the provider varies"


class OverRuns(NamedTuple):
    """A figure (mean, quantile, ratio; any unit) over `n` runs.

    deviation  standard deviation between runs, n - 1 in the denominator: how far one run lies from another, whatever the cause
    interval   Student's t over runs, n - 1 degrees of freedom: of the mean over runs like these
    cv_ratio   coefficient of variation, deviation / |mean|; None where the mean is 0
    reason     why there is no interval
    """

    n: int
    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None
    cv_ratio: float | None
    reason: str | None


class Split(NamedTuple):
    """The variance of a figure that is a mean, taken apart by a one-way random-effects model.

    within         variance of a single value inside a run
    between        variance of what the runs themselves are about; 0 where they differ less than their values explain
    between_ratio  the share of it in the variance of one run's mean, 0..1: where it is near 1, longer runs do not help, more do
    p              the chance that runs which are all alike differ as much (F test)
    reason         why it is not estimable
    """

    runs: int
    within: float | None
    between: float | None
    between_ratio: float | None
    p: float | None
    reason: str | None


class Coverage(NamedTuple):
    """How far apart the runs began. `hours_of_day` and `days` count distinct ones, UTC."""

    runs: int
    span_s: float
    hours_of_day: int
    days: int

    @property
    def over_an_hour(self) -> bool:
        return self.span_s > HOUR_S

    @property
    def over_a_day(self) -> bool:
        return self.span_s > DAY_S

    def words(self) -> str:
        """One sentence for the report."""
        if self.runs < 2:
            return f"{self.runs} run cannot show how the provider varies"
        if not self.over_an_hour:
            return f"all {self.runs} runs began within {self.span_s / 60:.0f} min: {_BLIND} by hour and day"
        if not self.over_a_day:
            return f"all {self.runs} runs began within {self.span_s / HOUR_S:.1f} h: {_BLIND} by day"
        return f"the {self.runs} runs began on {self.days} days, at {self.hours_of_day} different hours of the day (UTC)"


class NoiseFloor(NamedTuple):
    """One endpoint tested as if it were two: an A/A test.

    difference  of the two means, in the figure's own unit
    half_width  of its interval: the smallest difference that this test could call real. Not comparable with a test that has
                another number of examples
    passes      whether the interval holds 0, as it must: if not, something else differs (time, order, caches)
    n, units    pairs, and the units that they come in
    reason      why there is no half-width
    """

    n: int
    units: int
    difference: float | None
    half_width: float | None
    passes: bool | None
    reason: str | None


def over_runs(values: ArrayLike, confidence: float = CONFIDENCE) -> OverRuns:
    """Mean, deviation and interval of a figure that each run has one of. Raises ValueError on a value that is not finite."""
    figures = _finite(values)
    n = len(figures)
    if n == 0:
        return OverRuns(0, None, None, None, None, "no run has the figure")
    mean = float(figures.mean())
    if n == 1:
        return OverRuns(1, mean, None, None, None, "one run does not show how runs differ")
    deviation = 0.0 if _are_one(figures, figures) else float(figures.std(ddof=1))
    margin = _t(n - 1, confidence) * deviation / math.sqrt(n)
    return OverRuns(n, mean, deviation, (mean - margin, mean + margin), deviation / abs(mean) if mean else None, None)


def split(means: ArrayLike, counts: ArrayLike, variances: ArrayLike) -> Split:
    """Within-run and between-run variance by the method of moments, for runs of any size (Searle, Casella & McCulloch 1992).

    means, counts, variances  one a run: mean, number and variance (n - 1 in the denominator) of its values
    The values of a run should be independent. They seldom are: give as count what they are worth (`drift.effective`), or what
    the values have in common counts as a difference between runs. Raises ValueError on a number that is not finite.
    """
    y, n, s2 = _finite(means), _finite(counts), _finite(variances)
    if _are_one(y, y):
        y = np.full(len(y), y[0])
    runs, total = len(y), float(n.sum())
    freedom = total - runs
    if runs < 2:
        return Split(runs, None, None, None, None, "one run does not show how runs differ" if runs else "no run has the figure")
    if n.min() < 1 or freedom <= 0:
        return Split(
            runs, None, None, None, None, "the runs hold one value each, so nothing shows how values differ inside a run"
        )
    within = float((n - 1) @ s2) / freedom
    among = float(n @ (y - float(n @ y) / total) ** 2) / (runs - 1)
    per_run = (total - float(n @ n) / total) / (runs - 1)
    between = max(0.0, (among - within) / per_run)
    of_a_mean = between + within / per_run
    p = float(special.fdtrc(runs - 1, freedom, among / within)) if within else float(among == 0)
    return Split(runs, within, between, between / of_a_mean if of_a_mean else None, p, None)


def of_one_run(covers_s: float) -> str | None:
    """What a run that measured for so long, from its first window to its last, cannot show; None from a day on."""
    if covers_s > DAY_S:
        return None
    length = f"{covers_s:.0f} s" if covers_s < 60 else f"{covers_s / 60:.1f} min"
    if covers_s > HOUR_S:
        length = f"{covers_s / HOUR_S:.1f} h"
    varies = "by day" if covers_s > HOUR_S else "by hour and day"
    return f"This run covers {length}, and providers vary {varies}: run it again at other times, then `signoff report RUN...`"


def coverage(began_s: Sequence[float]) -> Coverage:
    """How the starts of the runs (Unix seconds) lie in time."""
    starts = _finite(began_s)
    span_s = float(np.ptp(starts)) if len(starts) else 0.0
    hours = {int(start // HOUR_S) % 24 for start in starts}
    return Coverage(len(starts), span_s, len(hours), len({int(start // DAY_S) for start in starts}))


def noise_floor(
    first: ArrayLike, second: ArrayLike, units: ArrayLike | None = None, confidence: float = CONFIDENCE
) -> NoiseFloor:
    """The A/A test of one endpoint asked all twice, as `first` and as `second`: figures of the same examples, in one order.

    The t interval of the mean paired difference, with the cluster-robust error sqrt(G/(G-1) x sum over units of (sum of
    deviations)^2)/n and G - 1 degrees of freedom (Miller, arXiv 2411.00640); without `units` each example is its own. Not
    estimable under 10 units, or where all differences are the same. Raises ValueError on lists of unequal length.
    """
    one, other = _finite(first), _finite(second)
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} figures are no pairs")
    apart = one - other
    unit_of, groups = _units(units, len(apart))
    reason = _too_few(apart, groups, np.append(one, other))
    if reason is not None:
        return NoiseFloor(len(apart), groups, float(apart.mean()) if len(apart) else None, None, None, reason)
    mean = float(apart.mean())
    sums = np.bincount(unit_of, weights=apart - mean)
    half_width = _t(groups - 1, confidence) * math.sqrt(groups / (groups - 1) * float(sums @ sums)) / len(apart)
    return NoiseFloor(len(apart), groups, mean, half_width, abs(mean) <= half_width, None)


def _are_one(values: NDArray[np.float64], of: NDArray[np.float64]) -> bool:
    """Whether they differ by no more than rounding does in figures of that size."""
    return len(values) > 0 and float(np.ptp(values)) <= ROUNDING * float(np.abs(of).max())


def _too_few(values: NDArray[np.float64], groups: int, of: NDArray[np.float64]) -> str | None:
    if groups < FEWEST_UNITS:
        return f"{groups} units, under {FEWEST_UNITS}"
    if _are_one(values, of):
        return f"all {len(values)} values are the same, so what chance does cannot be seen"
    return None


def _units(units: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], int]:
    """The number of each value's unit, and how many units there are."""
    names = np.arange(n) if units is None else np.asarray(units)
    if len(names) != n:
        raise ValueError(f"{len(names)} units for {n} figures")
    unique, unit_of = np.unique(names, return_inverse=True)
    return unit_of.astype(np.int64), len(unique)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            f"{int((~np.isfinite(array)).sum())} of {len(array)} numbers are not finite: leave them out and count them"
        )
    return array


def _t(freedom: float, confidence: float) -> float:
    return float(special.stdtrit(freedom, (1 + confidence) / 2))
