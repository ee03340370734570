"""Little's law L = lambda W over one window of a level, and how many requests were in the system at a time.

The rule: give the requests of the warm-up and of the drain too. One that is in flight at an edge of the window counts for the
part inside, and how long it stays beyond the edge is part of the law.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.measure import drift
from harness.measure.stats import CONFIDENCE

LIMIT_RATIO = 0.05  # how far L and lambda W may be apart, of L
LEAST_STAYS = 10  # a window of fewer mean times in system is mostly its own edges

Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Requests of one level, in any order; seconds on one clock."""

    start_s: ArrayLike  # sent, or intended to be sent: L and W are then of service or of scheduled time
    end_s: ArrayLike  # NaN where it is not known: in the system to the window's end, or longer
    latency_s: ArrayLike  # ttft, e2e, ...: what is to be steady; NaN where the request has none


class Little(NamedTuple):
    """The law (Little 1961, Operations Research 9, 383) over a window of T seconds.

    in_flight   L: number in the system, the mean over the time of the window, integrated exactly
    per_s       lambda: requests that began in the window, per second of it
    stay_s      W: mean time in system of these same requests, with what they stayed after the window's end. The mean over
                those that ended in the window would fit a growing queue: they came early, and stayed for less. None without a
                request; at least this where an end is unknown
    gap_ratio   |L - lambda W| / L. A queue that grows at load rho has rho - 1
    noise_ratio what the gap may come to in a steady window
    n, unended  requests that began in the window; rows without an end
    holds       None where it cannot be told: then `reason`
    """

    in_flight: float
    per_s: float
    stay_s: float | None
    gap_ratio: float | None
    noise_ratio: float | None
    n: int
    unended: int
    holds: bool | None
    reason: str | None


def little(rows: Rows, from_s: float, to_s: float, confidence: float = CONFIDENCE) -> Little:
    """The law over [from_s, to_s). It is broken by a gap over 5 % that is more than the chance of what is at the edges.

    Let R(t) be the time that those present at t still have to stay. Then L T - lambda W T = R(from_s) - R(to_s), exactly. In a
    steady state R is stationary: so the gap is a breach where R drifts, and how R varies inside the window tells how far its
    ends are apart by chance. (Its root is tested: R goes with the square of a queue.)
    Raises ValueError where the window is empty.
    """
    rows = until(rows, from_s, to_s)
    start_s, end_s = np.asarray(rows.start_s), _ends(rows, to_s)
    unended, span_s = int(np.isnan(rows.end_s).sum()), to_s - from_s
    edges = np.linspace(from_s, to_s, drift.BATCHES + 1)
    stayed = _stayed(start_s, end_s, edges)
    begun = np.searchsorted(start_s, edges)
    whole = np.concatenate(([0.0], np.cumsum(end_s - start_s)))[begun]
    n, in_system = int(begun[-1] - begun[0]), float(stayed[-1] - stayed[0]) / span_s
    if n == 0 or in_system <= 0:
        return Little(in_system, n / span_s, None, None, None, n, unended, None, "no request stayed in the window")
    stay_s = float(whole[-1] - whole[0]) / n
    gap = 1 - n / span_s * stay_s / in_system
    remainder = np.maximum(whole - stayed, 0.0)
    noise = _noise(remainder, confidence) / (in_system * span_s)
    drifts = abs(gap) > LIMIT_RATIO and bool(drift.of_means(np.sqrt(remainder), n, confidence).found)
    # An unknown end makes W at least what it seems: then only lambda W over L is sure.
    broken = drifts and (gap < 0 or not unended)
    reason = None if broken else _untestable(noise, span_s / stay_s, unended)
    holds = None if reason else not broken
    return Little(in_system, n / span_s, stay_s, abs(gap), noise, n, unended, holds, reason)


def in_flight(rows: Rows, from_s: float, to_s: float, slices: int = drift.BATCHES) -> Floats:
    """Mean number in the system over each of that many equal slices of the window, integrated exactly."""
    rows = until(rows, from_s, to_s)
    edges = np.linspace(from_s, to_s, slices + 1)
    stayed = _stayed(np.asarray(rows.start_s), _ends(rows, to_s), edges)
    return np.asarray(np.diff(stayed) / ((to_s - from_s) / slices), dtype=np.float64)


def until(rows: Rows, from_s: float, to_s: float) -> Rows:
    """As arrays, by start, without what began after the window. Raises ValueError where the window is empty."""
    if not from_s < to_s:
        raise ValueError(f"a window from {from_s} s to {to_s} s is empty")
    start_s, end_s, latency_s = (np.asarray(column, dtype=np.float64) for column in rows)
    order = np.argsort(start_s, kind="stable")
    order = order[start_s[order] < to_s]
    return Rows(start_s[order], end_s[order], latency_s[order])


def _ends(rows: Rows, to_s: float) -> Floats:
    end_s = np.asarray(rows.end_s, dtype=np.float64)
    return np.where(np.isnan(end_s), to_s, end_s)


def _stayed(start_s: Floats, end_s: Floats, at_s: Floats) -> Floats:
    """How long all requests together had been in the system by each moment."""
    zero_s = at_s[0]  # near the window, or the sums of large clock readings would round its differences away
    return np.asarray(
        _since(start_s - zero_s, at_s - zero_s) - _since(np.sort(end_s) - zero_s, at_s - zero_s), dtype=np.float64
    )


def _since(events_s: Floats, at_s: Floats) -> Floats:
    """The time from each sorted event to each later moment, summed over events."""
    before = np.searchsorted(events_s, at_s)
    sums = np.concatenate(([0.0], np.cumsum(events_s)))
    return np.asarray(before * at_s - sums[before], dtype=np.float64)


def _noise(remainder: Floats, confidence: float) -> float:
    """A t bound of the difference of two values of this series that are far apart, if it is stationary."""
    at = np.arange(len(remainder)) - (len(remainder) - 1) / 2
    centred = remainder - remainder.mean()
    residuals = centred - at * float(at @ centred) / float(at @ at)
    worth = max(3.0, drift.effective(residuals, fitted=2))
    deviation = math.sqrt(float(residuals @ residuals) / (len(residuals) * (1 - 2 / worth)))
    return math.sqrt(2) * deviation * float(special.stdtrit(worth - 2, (1 + confidence) / 2))


def _untestable(noise: float, stays: float, unended: int) -> str | None:
    if stays < LEAST_STAYS:
        return f"the window is {stays:.1f} mean times in system long, under {LEAST_STAYS}"
    if unended:
        return f"{unended} requests have no known end, so their time in system is not known"
    if noise > LIMIT_RATIO:
        return f"what is in flight at its edges may make {noise:.1%} by chance, over {LIMIT_RATIO:.0%}"
    return None
