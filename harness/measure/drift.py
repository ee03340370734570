"""The trend of a dependent series: batch means, and a t interval on their slope that allows for what autocorrelation is left.

The rule: requests that follow each other saw the same queue, so n of them are worth fewer. Where they are worth too few,
nothing is said of the trend, and the reason is given.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.measure.stats import CONFIDENCE

LIMIT_PERCENT = 5.0  # a change that is surely there but smaller is told and let pass
BATCHES, FEWEST_BATCHES = 30, 10
PER_BATCH = 5  # the fewest values whose mean is a batch
FEWEST_EFFECTIVE = 6.0  # independent batches that the dependent ones are worth: a slope over fewer has no interval
ROUNDING = 1e-9  # of the mean: what varies by less does not vary
STRAIGHT = 0.955  # share of the variance on a line: of random walks one in 100 has more, of anything stationary fewer


class Drift(NamedTuple):
    """Linear change from the beginning to the end of a window, in percent of the mean over it.

    n, batches  how many values, and how many means of them the slope goes through
    effective   how many independent means these are worth
    found       whether the interval lies off zero, or, without one, the means lie on a line; None where it cannot be told
    reason      why there is no interval
    """

    change_percent: float | None
    interval: tuple[float, float] | None
    n: int
    batches: int
    effective: float | None
    found: bool | None
    reason: str | None

    @property
    def passes(self) -> bool | None:
        """Whether there is no drift that matters; None where it cannot be told."""
        if self.found is None or self.change_percent is None:
            return None
        return not self.found or abs(self.change_percent) <= LIMIT_PERCENT


def of_values(values: ArrayLike, confidence: float = CONFIDENCE) -> Drift:
    """The drift of a series in its order: of 30 batch means, or as many as leave 5 values to each."""
    n = len(np.asarray(values))
    return of_means(batch_means(values, min(BATCHES, n // PER_BATCH)), n, confidence)


def of_means(means: ArrayLike, n: int, confidence: float = CONFIDENCE) -> Drift:
    """The drift of means of equal stretches of n values; no interval under 10 means, or if they are worth fewer than 6.

    A least-squares slope whose variance and degrees of freedom are those of `effective` independent means (Santer et al. 2000,
    J. Geophys. Res. 105, 7337). A queue that grows leaves the line in long swings, worth next to nothing: it is found all the
    same where the line has more of the variance than it has in 99 of 100 random walks, and so in anything stationary.
    A window much shorter than the memory of its queue does drift: of steady M/M/8 at load 0.9, where that is some 400 requests,
    about 15 % of windows of 200 are found, and no more than promised of windows of 500.
    """
    y = np.asarray(means, dtype=np.float64)
    count = len(y)
    if count < FEWEST_BATCHES:
        return Drift(None, None, n, count, None, None, f"{n} values make {count} batches, under {FEWEST_BATCHES}")
    mean = float(y.mean())
    if mean == 0:
        return Drift(None, None, n, count, None, None, "the mean is 0, so no change is a share of it")
    at = (np.arange(count) + 0.5) / count - 0.5
    slope = _unless_rounding(np.array([at @ (y - mean) / (at @ at)]), mean)[0]
    residuals = _unless_rounding(y - mean - slope * at, mean)
    worth, percent = _worth(residuals), float(100 * slope / abs(mean))
    if worth < FEWEST_EFFECTIVE:
        reason = f"{count} batches are worth {worth:.1f} independent ones, under {FEWEST_EFFECTIVE:.0f}: too short a window"
        straight = slope**2 * float(at @ at) > STRAIGHT * float((y - mean) @ (y - mean))
        return Drift(percent, None, n, count, worth, True if straight else None, reason)
    error = math.sqrt(float(residuals @ residuals) / (worth - 2) / float(at @ at))
    margin = 100 * error * float(special.stdtrit(worth - 2, (1 + confidence) / 2)) / abs(mean)
    return Drift(percent, (percent - margin, percent + margin), n, count, worth, abs(percent) > margin, None)


def batch_means(values: ArrayLike, batches: int) -> NDArray[np.float64]:
    """Means of that many runs of values, as equally long as they can be; none of no batches."""
    series = np.asarray(values, dtype=np.float64)
    if batches < 1:
        return np.empty(0)
    edges = np.linspace(0, len(series), batches + 1).astype(np.int64)
    return np.asarray(np.add.reduceat(series, edges[:-1]) / np.diff(edges), dtype=np.float64)


def effective(residuals: NDArray[np.float64], fitted: int) -> float:
    """How many independent values n residuals are worth: n (1 - r)/(1 + r), r their lag-1 autocorrelation, at least 0.

    `fitted` is 1 where a mean was taken off, 2 for a line: what is seen of r is then too low by about (fitted + 4 r)/n
    (Marriott & Pope 1954 for the mean), and that is given back.
    """
    count, power = len(residuals), float(residuals @ residuals)
    if power == 0:
        return float(count)
    seen = float(residuals[1:] @ residuals[:-1]) / power
    r = min(max((seen + fitted / count) / (1 - 4 / count), 0.0), 0.99)
    return count * (1 - r) / (1 + r)


def _worth(residuals: NDArray[np.float64]) -> float:
    """The lesser of their worth one by one and in pairs: a slow queue under the noise of single answers shows in pairs."""
    count = len(residuals)
    pairs = batch_means(residuals, count // 2)
    return min(effective(residuals, fitted=2), count * effective(pairs, fitted=2) / len(pairs))


def _unless_rounding(parts: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    return parts if np.abs(parts).max() > ROUNDING * abs(mean) else np.zeros(len(parts))
