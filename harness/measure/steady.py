"""Was a measure window in a steady state, and if its beginning was not, from where on: Little's law, drift and MSER-5 together.

The rule: three answers, never two. What a window is too short to show is None with the reason: neither steady nor unsteady.
"""

from collections.abc import Iterator
from itertools import starmap
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.measure import drift, little
from harness.measure.drift import Drift
from harness.measure.little import Little, Rows
from harness.measure.stats import CONFIDENCE

BATCH = 5  # the 5 of MSER-5
SLICES = 300  # of the time of a window, where the number in flight is looked at as a series
# A queue makes excursions that no normal theory knows: a t interval with Bonferroni finds a strange beginning in up to 15 % of
# steady windows (M/M/1 and M/M/8 at loads 0.5 to 0.9, 500 and 3,000 requests); so many standard errors are seen in under 3 %.
SURELY = 12.0
_TESTS = 3


class Part(NamedTuple):
    """What the three tests say of one stretch of time."""

    from_s: float
    to_s: float
    little: Little
    latency: Drift
    in_flight: Drift

    @property
    def steady(self) -> bool | None:
        """False where one test fails; None where none fails and one could not be made."""
        answers = (self.little.holds, self.latency.passes, self.in_flight.passes)
        return False if False in answers else None if None in answers else True

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not steady, or why that is not known; empty where it is."""
        drifts = {"latency": self.latency, "requests in flight": self.in_flight}
        said = (_law(self.little), *starmap(_drift, drifts.items()))
        return () if self.steady else tuple(words for answer, words in said if answer is self.steady)


class Start(NamedTuple):
    """A beginning that is surely unlike the rest: by how many percent of the rest's mean it lies above it."""

    what: str  # `latency` or `requests in flight`
    percent: float


class Steadiness(NamedTuple):
    """The verdict on a window.

    whole  the tests over all of it
    used   the largest part that is steady: `whole`, or what is left without the beginning; None where there is none
    cut_s  where MSER-5 cuts, on the clock of the rows; None where it finds no place
    start  what is unlike the rest before `cut_s`; None where nothing surely is
    """

    whole: Part
    used: Part | None
    cut_s: float | None
    start: Start | None

    @property
    def steady(self) -> bool | None:
        """Whether the window, or what is left of it, was steady; None where it cannot be told."""
        if self.used is not None:
            return True
        return None if self.whole.steady is None and self.start is None else False

    @property
    def from_s(self) -> float | None:
        """Where the steady part begins, on the clock of the rows."""
        return None if self.used is None else self.used.from_s

    def words(self) -> str:
        """`window used: all ...`, for figures are of all of it; seconds count from its beginning."""
        length_s = self.whole.to_s - self.whole.from_s
        if self.used is self.whole:
            return f"window used: all {length_s:.1f} s, steady"
        why = "; ".join(self._why())
        if self.used is not None:
            return f"window used: all {length_s:.1f} s, steady from {self.used.from_s - self.whole.from_s:.1f} s on: {why}"
        return f"window used: all {length_s:.1f} s, {'not steady' if self.steady is False else 'not known to be steady'}: {why}"

    def _why(self) -> Iterator[str]:
        if self.start is not None and self.cut_s is not None:
            until_s = self.cut_s - self.whole.from_s
            yield f"{self.start.what} in the first {until_s:.1f} s {self.start.percent:+.0f} % off the rest"
        yield from self.whole.reasons


def assess(rows: Rows, from_s: float, to_s: float, confidence: float = CONFIDENCE) -> Steadiness:
    """Test the window [from_s, to_s); where its beginning is unlike the rest or a test fails, test what MSER-5 leaves of it.

    `rows` are those of the window and those around it that were in flight at its edges (see `little`). The three tests share
    the error: of steady windows at most 1 - confidence are called unsteady. Raises ValueError where the window is empty.
    """
    rows = little.until(rows, from_s, to_s)
    whole = _part(rows, from_s, to_s, confidence)
    start, cut_s = _cut(rows, from_s, to_s)
    parts = [whole] if start is None else []
    if cut_s is not None and cut_s > from_s:
        parts.append(_part(rows, cut_s, to_s, confidence))
    return Steadiness(whole, next((part for part in parts if part.steady), None), cut_s, start)


def truncation(values: ArrayLike) -> int | None:
    """How many values to cut from the beginning: MSER-5, in whole batches of 5. None where it finds no place in the first half.

    The cut d that makes the sum over i > d of (Y_i - mean)^2, divided by (n - d)^2, least, Y the n batch means (White 1997,
    Simulation 69, 323; batches of 5: White, Cobb & Spratt 2000, Winter Simulation Conference). A series whose least value lies
    at the end of its first half has not settled; one under 50 values is not judged.
    """
    means = drift.batch_means(values, len(np.asarray(values)) // BATCH)
    count = len(means)
    if count < drift.FEWEST_BATCHES:
        return None
    centred = (means - means.mean())[::-1]
    left = np.arange(1, count + 1)
    squares = np.maximum(np.cumsum(centred**2) - np.cumsum(centred) ** 2 / left, 0.0)
    cut = int(np.argmin((squares / left**2)[::-1][: count // 2 + 1]))
    return None if cut == count // 2 else cut * BATCH


def beginning(values: ArrayLike, cut: int) -> float | None:
    """How far the mean of the first `cut` values lies above that of the rest, in percent of it; None where that may be chance.

    It must be over 5 %, outside the means of all stretches of the rest that are as long, and 12 standard errors off, from batch
    means of the rest that are worth `drift.effective`: the cut was chosen to look so.
    """
    series = np.asarray(values, dtype=np.float64)
    if not 0 < cut < len(series):
        return None
    rest, mean = series[cut:], float(series[cut:].mean())
    means = drift.batch_means(rest, min(drift.BATCHES, len(rest) // BATCH))
    count, centred = len(means), means - mean
    worth = drift.effective(centred, fitted=1) if count else 0.0
    nothing = abs(mean) <= drift.ROUNDING * float(np.abs(series).max())
    if count < drift.FEWEST_BATCHES or worth < drift.FEWEST_EFFECTIVE or nothing:
        return None
    head = float(series[:cut].mean())
    error = np.sqrt(float(centred @ centred) / (worth - 1) / count * (1 + len(rest) / cut))
    percent = 100 * (head - mean) / abs(mean)
    likely = abs(head - mean) <= SURELY * error or abs(percent) <= drift.LIMIT_PERCENT or _within(head, rest, cut)
    return None if likely else percent


def _within(mean: float, rest: NDArray[np.float64], length: int) -> bool:
    """Whether some stretches of the rest, of that length, have means on either side of this one."""
    sums = np.concatenate(([0.0], np.cumsum(rest)))
    others = (sums[length:] - sums[:-length]) / length
    return len(others) > 0 and bool(others.min() <= mean <= others.max())


def _cut(rows: Rows, from_s: float, to_s: float) -> tuple[Start | None, float | None]:
    """What of the beginning is unlike the rest, and the later of the cuts of latency and of requests in flight."""
    start_s = np.asarray(rows.start_s)
    if np.count_nonzero((start_s >= from_s) & (start_s < to_s)) < drift.FEWEST_BATCHES * BATCH:
        return None, None  # the number in flight is a series of any length, and would say what a handful of requests cannot
    present = little.in_flight(rows, from_s, to_s, SLICES)
    slices_s = np.linspace(from_s, to_s, SLICES, endpoint=False)
    starts, cuts_s = [], []
    for what, at_s, values in (("latency", *_measured(rows, from_s, to_s)), ("requests in flight", slices_s, present)):
        cut = truncation(values)
        if cut is not None:
            cuts_s.append(float(at_s[cut]) if cut else from_s)
            percent = beginning(values, cut)
            starts += [] if percent is None else [Start(what, percent)]
    return next(iter(starts), None), max(cuts_s, default=None)


def _part(rows: Rows, from_s: float, to_s: float, confidence: float) -> Part:
    each = 1 - (1 - confidence) / _TESTS
    held = little.little(rows, from_s, to_s, each)
    return Part(
        from_s,
        to_s,
        held,
        drift.of_values(_measured(rows, from_s, to_s)[1], each),
        drift.of_means(little.in_flight(rows, from_s, to_s), held.n, each),
    )


def _measured(rows: Rows, from_s: float, to_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts and latencies of the requests that began in the window and have one."""
    start_s, latency_s = np.asarray(rows.start_s), np.asarray(rows.latency_s)
    kept = (start_s >= from_s) & (start_s < to_s) & ~np.isnan(latency_s)
    return start_s[kept], latency_s[kept]


def _law(law: Little) -> tuple[bool | None, str]:
    """The answer, and the words for it where it is not yes."""
    if law.holds is None:
        return None, f"Little's law is not testable: {law.reason}"
    return law.holds, f"L and lambda W are {law.gap_ratio or 0:.1%} apart, over {little.LIMIT_RATIO:.0%}"


def _drift(what: str, found: Drift) -> tuple[bool | None, str]:
    if found.passes is None:
        return None, f"drift of {what} is not testable: {found.reason}"
    between = "" if found.interval is None else f" ({found.interval[0]:+.0f} to {found.interval[1]:+.0f})"
    return found.passes, f"{what} changed by {found.change_percent or 0:+.0f} % of the mean over the window{between}"
