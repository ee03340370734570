"""The plan of a search: which block comes next is decided from what the one before has shown, in the journals.

The rule: a step is judged when all its requests have ended, and what it cost is counted whatever it shows. Loaded by a master
that searches and by nobody else, for it imports scipy.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from harness.errors import HarnessError
from harness.load import ClosedLoad, OpenLoad
from harness.loadgen import plan
from harness.loadgen.journals import Journals
from harness.measure import slo
from harness.measure.holds import oversaturated
from harness.measure.level import LevelResult, level_result
from harness.measure.rows import Seen, names_for, rows
from harness.measure.search import Search, Settings, Tried
from harness.records import Block, Phase
from harness.scenario import Scenario
from harness.searched import Judged, Searched

LOOK_REQUESTS = 150  # of a step, before anybody says that it is hopeless
LOOK_SHARE = 0.25
LOOKS_HOPELESS = 2  # in a row: one may be a burst
SLACK = 3.0  # a closed loop may take so many times what it is expected to


def settings_of(load: ClosedLoad | OpenLoad) -> Settings:
    """What a scenario's search is to `measure.search`."""
    config = load.search
    if config is None:
        raise ValueError("no search is planned")
    return Settings(
        begin=config.begin,
        most=config.most,
        whole=isinstance(load, ClosedLoad),
        ratio=config.ratio,
        confidence=config.confidence,
        looks=config.looks,
        requests=config.requests,
        requests_most=config.requests_most,
        budget=config.budget,
    )


@dataclass
class _OfOne:
    """The search at one endpoint; `sent` and `used_s` are what all its steps have cost."""

    endpoint: str
    search: Search
    runs: dict[float, int]
    hopeless: dict[float, bool]
    sent: int = 0
    used_s: float = 0.0
    stay_s: float | None = None


class Searching:
    """A `plan.Source`. `now_s` is any clock that rises."""

    def __init__(self, scenario: Scenario, journals: Journals, now_s: Callable[[], float]) -> None:
        load = scenario.load
        if not isinstance(load, ClosedLoad | OpenLoad) or load.search is None:
            raise ValueError("no search is planned")
        self._load, self._config = load, load.search
        self._objectives = [each for text in scenario.slo if slo.is_share(each := slo.parse(text, load.view))]
        self._journals, self._now_s = journals, now_s
        settings = settings_of(load)
        self._searches = [_OfOne(name, Search(settings), {}, {}) for name in scenario.endpoints]
        self._wanted = 0
        self._running: tuple[_OfOne, float] | None = None  # whose step, and when it began
        self._hopeless: list[str] = []
        self._is_spoiled = False

    @property
    def users(self) -> int:
        return self._load.users if isinstance(self._load, OpenLoad) else int(self._config.most)

    @property
    def searched(self) -> tuple[Searched, ...]:
        return tuple(self._found(one) for one in self._searches)

    def stop(self) -> None:
        """A step that was under way is not judged, but it was paid."""
        self._count()
        for one in self._searches:
            one.search.give_up("stopped")

    # what comes next -------------------------------------------------------------------------------------------------

    def cells(self) -> Iterator[tuple[Block, ...]]:
        """Endpoints take turns, so that a drift meets them alike; `sequential` goes one by one."""
        first, waiting = 0, list(self._searches)
        for cell in count():
            blocks: tuple[Block, ...] = ()
            while waiting and not (blocks := self._next(waiting[0], cell, first)):
                waiting.pop(0)
            if not waiting:
                return
            one, first = waiting[0], first + len(blocks)
            self._running = one, self._now_s()
            self._journals.watch([block.id for block in blocks])
            self._hopeless = []
            self._is_spoiled = False
            yield blocks
            self._count()
            if self._is_spoiled:
                self._forget(one)
            else:
                self._judge(one, blocks[-1])
            if self._load.design != "sequential":
                waiting.append(waiting.pop(0))

    def _next(self, one: _OfOne, cell: int, first: int) -> tuple[Block, ...]:
        """() when this search is over."""
        step = one.search.next()
        if step is None:
            return ()
        left = self._config.budget - one.sent
        left_s = 60 * self._config.minutes - one.used_s - self._load.warmup_s - self._load.drain_s
        expected_s = self._expected_s(one, step.load, step.requests)
        if expected_s is None:
            expected_s = seconds = left_s
            wanted = step.requests
        elif isinstance(self._load, OpenLoad):
            seconds, wanted = expected_s, math.ceil((expected_s + self._load.warmup_s) * step.load)
        else:
            seconds = min(left_s, SLACK * expected_s)
            wanted = math.ceil(step.requests * (1 + self._load.warmup_s / expected_s))
        if wanted > left:
            one.search.give_up("budget")
        elif expected_s > left_s or left_s < self._config.least_s:
            one.search.give_up("time")
        if one.search.next() is None:
            return ()
        self._wanted = step.requests
        one.runs[step.load] = one.runs.get(step.load, 0) + 1
        load = self._load
        at = plan.opened(load, step.load, seconds) if isinstance(load, OpenLoad) else plan.closed(int(step.load), seconds)
        return plan.of_cell(load, at, one.endpoint, cell, one.runs[step.load] - 1, first)

    def _expected_s(self, one: _OfOne, load: float, requests: int) -> float | None:
        """How long so many requests take; None of the first users, for nobody has seen them."""
        if isinstance(self._load, OpenLoad):
            return max(self._config.least_s, requests / load)
        return None if one.stay_s is None else max(self._config.least_s, requests * one.stay_s / load)

    def give_up(self) -> tuple[Block, ...]:
        """The step is not judged, so the search asks for it again."""
        self._is_spoiled = True
        return ()

    # while it runs ---------------------------------------------------------------------------------------------------

    def is_over(self, block: Block, elapsed_s: float) -> bool:
        """A closed loop ends when its requests are begun, any step when it is hopeless."""
        if block.phase is not Phase.MEASURE:
            return False
        self._journals.read()
        begun = self._journals.count(block.id)
        if block.rate is None:
            one = next(each for each in self._searches if each.endpoint == block.endpoint)
            if one.sent + self._journals.count() >= self._config.budget:
                return True
            return begun >= self._wanted and elapsed_s >= self._config.least_s
        if begun < max(LOOK_REQUESTS, LOOK_SHARE * self._wanted):
            return False
        seen = rows(self._seen(block), ())
        said = oversaturated(level_result(seen, block.rate, (0.0, elapsed_s), ()))
        self._hopeless = [] if said is None else [*self._hopeless, said]
        return len(self._hopeless) >= LOOKS_HOPELESS

    # what came of it -------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        """What the step has cost, once."""
        if self._running is None:
            return
        (one, began_s), self._running = self._running, None
        self._journals.read()
        one.sent += self._journals.count()
        one.used_s += self._now_s() - began_s

    def _forget(self, one: _OfOne) -> None:
        step = one.search.next()
        if step is not None:
            one.runs[step.load] -= 1

    def _judge(self, one: _OfOne, block: Block) -> None:
        step = one.search.next()
        if step is None:
            return
        level = self._level(block, step.load)
        if level.achieved_per_s and block.rate is None:
            one.stay_s = step.load / level.achieved_per_s
        cut_short = self._hopeless[-1] if len(self._hopeless) >= LOOKS_HOPELESS else None
        one.hopeless[step.load] = cut_short is not None
        one.search.tell(step.load, level, cut_short)

    def _seen(self, block: Block) -> list[Seen]:
        """Of an open loop only what was scheduled: a conversation's later turns follow from how fast the endpoint is."""
        seen = self._journals.seen(block.id)
        return seen if block.rate is None else [each for each in seen if not each.start.turn]

    def _level(self, block: Block, load: float) -> LevelResult:
        window_s = self._journals.window_s(block.id)
        if not window_s > 0:
            raise HarnessError(f"no worker has measured {block.endpoint} at {block.words}", remedy="see the log")
        seen = rows(self._seen(block), names_for(self._objectives))
        return level_result(seen, load, (0.0, window_s), self._objectives)

    def _found(self, one: _OfOne) -> Searched:
        found = one.search.found()
        return Searched(
            endpoint=one.endpoint,
            unit="users" if isinstance(self._load, ClosedLoad) else "requests/s",
            end=found.end,
            load=found.load,
            at_least=found.at_least,
            above=found.above,
            requests=one.sent,
            seconds=one.used_s,
            worth=self._config.worth,
            judged=tuple(self._judged(one, each) for each in found.frontier),
        )

    def _judged(self, one: _OfOne, tried: Tried) -> Judged:
        level = tried.level
        name = plan.opened(self._load, level.load, 0) if isinstance(self._load, OpenLoad) else plan.closed(int(level.load), 0)
        return Judged(
            level=name.name,
            load=level.load,
            runs=one.runs[level.load],
            requests=level.requests,
            verdict=tried.verdict.kind,
            reason=tried.verdict.reason,
            offered_per_s=level.offered_per_s,
            achieved_per_s=level.achieved_per_s,
            offered_tokens_per_s=level.offered_tokens_per_s,
            cut_short=one.hopeless[level.load],
        )
