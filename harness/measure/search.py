"""The largest load that holds the objectives: doubling, then bisection, each step as long as its decision needs.

The rule: the answer is a load that was shown to hold. What stayed undecided counts as not held, so that chance, and a budget
that ends early, make the answer smaller and never larger.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from harness.effort import EFFORTS
from harness.errors import HarnessError
from harness.measure.holds import CONFIDENCE, LOOKS, Verdict, verdict
from harness.measure.level import LevelResult, combined

_FULL = EFFORTS["full"]
End = Literal["resolved", "most", "none", "budget", "time", "stopped", "running"]
_GROWTH = 4  # a step gets at most so many times what it has: the guess of what is needed is rough at first
_REST = 10  # less than a tenth of what a load may have would not change what is known of it


class Settings(msgspec.Struct, frozen=True):
    """Of a search; loads are users (`whole`) or requests per second.

    begin          the first load, and the least: where it does not hold there is no answer
    most           the largest load that is asked for
    ratio          the search ends when the least load that was not shown to hold is at most so many times the answer
    confidence     of each bound, one-sided
    looks          independent ones at the queue that a load needs to pass
    requests       of the first run of each load
    requests_most  of all runs of one load; what it does not tell stays unclear
    budget         requests of the whole search

    The defaults are those of `effort: full`: 95 of 100 searches end in 0.90 to 1.00 of the capacity of M/M/c queues, with
    240,000 requests on average (tests/measure/test_search_effort.py). With fewer the answer gets smaller, or there is none.
    """

    begin: float
    most: float
    whole: bool = False
    ratio: float = _FULL.ratio
    confidence: float = CONFIDENCE
    looks: int = LOOKS
    requests: int = _FULL.requests
    requests_most: int = _FULL.requests_most
    budget: int = _FULL.budget

    def __post_init__(self) -> None:
        if not 0 < self.begin <= self.most:
            raise HarnessError(f"a search from {self.begin:g} to {self.most:g}", remedy="begin above 0 and no higher than most")
        if not 0.5 < self.confidence < 1:
            raise HarnessError(f"a search with confidence {self.confidence:g}", remedy="above 0.5 and below 1, such as 0.99")
        if not 1 <= self.requests <= self.requests_most:
            what = f"a search with {self.requests:,} requests of a step and {self.requests_most:,} of a load"
            raise HarnessError(what, remedy="at least one of a step, and no fewer of a load")
        if self.looks < 1:
            raise HarnessError(f"a search with {self.looks} looks", remedy="at least one look at the queue")
        if self.ratio <= 1:
            raise HarnessError(f"a search to within a ratio of {self.ratio:g}", remedy="a ratio above 1, such as 1.03")
        if self.whole and (self.begin % 1 or self.most % 1):
            raise HarnessError(f"a search from {self.begin:g} to {self.most:g} users", remedy="whole numbers of users")


class Step(NamedTuple):
    """So many requests at this load; a load that comes again is to be run again, and its requests are added."""

    load: float
    requests: int


class Tried(msgspec.Struct, frozen=True):
    """A load with all its requests, and what was made of them."""

    level: LevelResult
    verdict: Verdict


class Found(msgspec.Struct, frozen=True):
    """What a search has found.

    load      the largest that was shown to hold; None if none was
    at_least  whether it is the largest that was asked for, so that the true one may lie higher
    above     the least load that was not shown to hold; None if all were
    end       why it ended; `time` and `stopped` are said from outside
    spent     requests
    frontier  every load that was tried, ascending
    """

    load: float | None
    at_least: bool
    above: float | None
    end: End
    spent: int
    frontier: tuple[Tried, ...]


class Search:
    """Driven from outside: run what `next` says, `tell` what came of it, until `next` says None."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._step: Step | None = Step(settings.begin, settings.requests)
        self._tried: dict[float, Tried] = {}
        self._passed: float | None = None
        self._above: float | None = None
        self._spent = 0
        self._end: End = "running"
        self._check_budget()

    def next(self) -> Step | None:
        """The step to run; the same one until it is told of. None: the search is over."""
        return self._step

    def give_up(self, why: Literal["budget", "time", "stopped"]) -> None:
        """No more steps, if it has not ended by itself: what was not run counts as not held."""
        if self._step is not None:
            self._step, self._end = None, why

    def tell(self, load: float, level: LevelResult, hopeless: str | None = None) -> Verdict:
        """What all requests of that load show; `hopeless` is why it was ended early, and then it does not hold.

        Raises `ValueError` for a load that was not asked for.
        """
        if self._step is None or load != self._step.load:
            raise ValueError(f"{load} was not asked for, but {self._step}")
        before = self._tried.get(load)
        whole = level if before is None else combined(before.level, level)
        found = verdict(whole, self._settings.confidence, self._settings.looks)
        if hopeless is not None:
            found = Verdict("fail", hopeless)
        self._tried[load] = Tried(whole, found)
        self._spent += level.requests
        self._step = self._again(whole, found) or self._decided(load, passed=found.kind == "pass")
        self._check_budget()
        return found

    def found(self) -> Found:
        """As of now; `end` says whether the search is over."""
        frontier = tuple(self._tried[load] for load in sorted(self._tried))
        return Found(self._passed, self._end == "most", self._above, self._end, self._spent, frontier)

    def _again(self, level: LevelResult, found: Verdict) -> Step | None:
        """The rest of an unclear step; None where it is clear, or has had all its requests."""
        left = self._settings.requests_most - level.requests
        if found.kind != "unclear" or _REST * left < self._settings.requests_most or level.requests == 0:
            return None
        more = level.requests if found.more is None else min(max(found.more, level.requests), (_GROWTH - 1) * level.requests)
        return Step(level.load, min(more, left))

    def _decided(self, load: float, *, passed: bool) -> Step | None:
        if passed:
            self._passed = load
        else:
            self._above = load
        following = self._following()
        if following is None:
            self._end = "none" if self._passed is None else "most" if self._above is None else "resolved"
            return None
        return Step(following, self._settings.requests)

    def _following(self) -> float | None:
        """Twice the last load while all held, else the middle of the gap by ratio; None when there is no gap left to halve."""
        low, high, most = self._passed, self._above, self._settings.most
        if low is None:
            return None
        if high is None:
            return min(2 * low, most) if low < most else None
        if high <= low * self._settings.ratio or (self._settings.whole and high - low <= 1):
            return None
        middle = math.sqrt(low * high)
        return float(min(max(round(middle), low + 1), high - 1)) if self._settings.whole else middle

    def _check_budget(self) -> None:
        if self._step is not None and self._spent + self._step.requests > self._settings.budget:
            self._step, self._end = None, "budget"


def search(measure: Callable[[Step], LevelResult], settings: Settings) -> Found:
    """Runs every step by `measure`, to the end."""
    state = Search(settings)
    while (step := state.next()) is not None:
        state.tell(step.load, measure(step))
    return state.found()
