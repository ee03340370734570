"""Open loops: arrivals on an absolute schedule, handed to parked users by the drain's tick.

The rule: every arrival that was scheduled is dispatched or dropped, and its lateness is known. One that finds all users busy
waits in line; one that nobody could take before the drain limit is dropped, and counted.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gevent.hub import Waiter

from harness.loadgen.gate import Turn, park
from harness.records import Block

NS = 1_000_000_000
STOPPED_NS = 250_000_000  # a block that ends so long before its time was stopped: what it had not come to is not offered
LINE = 100_000  # arrivals: who comes when so many wait is dropped


class Arrival(NamedTuple):
    """`number` counts the arrivals of a cell, over all workers. `noticed_ns` is when a tick found it due."""

    block: Block
    number: int
    scheduled_ns: int
    noticed_ns: int

    def turn(self, now_ns: int) -> Turn:
        return Turn(self.block, self.number, self.scheduled_ns, now_ns - self.noticed_ns)


@dataclass
class _Schedule:
    """The rest of a block's schedule: (number, seconds from its beginning), and the next of them."""

    block: Block
    opened_ns: int
    upcoming: Iterator[tuple[int, float]]
    number: int = -1
    due_ns: int | None = None

    def advance(self) -> None:
        found = next(self.upcoming, None)
        if found is None:
            self.due_ns = None
        else:
            self.number, self.due_ns = found[0], self.opened_ns + round(found[1] * NS)

    def rest(self) -> Iterator[Arrival]:
        """What no tick has come to."""
        while self.due_ns is not None:
            yield Arrival(self.block, self.number, self.due_ns, self.due_ns)
            self.advance()


class Dispatcher:
    """One per worker. `wake` lets a parked user go on, and `refuse` hears of who came when the line was full."""

    def __init__(self, wake: Callable[[Waiter], None], refuse: Callable[[Arrival], None]) -> None:
        self._wake, self._refuse = wake, refuse
        self._schedules: list[_Schedule] = []
        self._line: deque[Arrival] = deque()
        self._parked: dict[int, Waiter] = {}
        self._given: dict[int, Turn] = {}
        self._users = 0

    @property
    def is_idle(self) -> bool:
        """Nothing more will come, and nobody waits."""
        return not (self._schedules or self._line or self._given)

    def open(self, block: Block, opened_ns: int, users: int, upcoming: Iterator[tuple[int, float]]) -> None:
        """Begin with a block's schedule, on seats 0 .. users-1. What an earlier block has left goes on."""
        schedule = _Schedule(block, opened_ns, upcoming)
        schedule.advance()
        self._users = users
        self._parked = {seat: waiter for seat, waiter in self._parked.items() if seat < users}  # the others sleep on
        self._schedules.append(schedule)

    def close(self, now_ns: int) -> None:
        """The blocks are over. Their last arrivals may be due a moment later, for the end comes as a message."""
        self._schedules = [each for each in self._schedules if now_ns > each.opened_ns + each.block.seconds * NS - STOPPED_NS]

    def tick(self, now_ns: int) -> bool:
        """Put in line what is due, and hand it to parked users; True while more is to come. Called in the hub."""
        for schedule in self._schedules:
            while schedule.due_ns is not None and schedule.due_ns <= now_ns:
                arrival = Arrival(schedule.block, schedule.number, schedule.due_ns, now_ns)
                schedule.advance()
                if len(self._line) < LINE:
                    self._line.append(arrival)
                else:
                    self._refuse(arrival)
        if self._schedules:
            self._schedules = [each for each in self._schedules if each.due_ns is not None]
        while self._line and self._parked:
            seat, waiter = self._parked.popitem()  # who was busy last: its connection is the warmest
            self._given[seat] = self._line.popleft().turn(now_ns)
            self._wake(waiter)
        return not self.is_idle

    def turn(self, seat: int) -> Turn | None:
        """What this user was woken for, or else the arrival that has waited longest."""
        given = self._given.pop(seat, None)
        if given is not None or not self._line or seat >= self._users:
            return given
        return self._line.popleft().turn(time.monotonic_ns())

    def wait(self, seat: int) -> None:
        """Until there is something for this user."""
        park(self._parked, seat)

    def drop(self) -> list[Arrival]:
        """All that have waited in vain leave the line, and so does what was still to come of blocks that are over."""
        dropped = [*self._line, *(arrival for schedule in self._schedules for arrival in schedule.rest())]
        self._line.clear()
        self._schedules.clear()
        return dropped
