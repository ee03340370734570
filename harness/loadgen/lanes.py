"""Where the users of one worker get their turns from, and which of them belong to it.

The rule: an endpoint that runs beside others has a lane and users of its own: a slow one keeps no user of another waiting.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from harness.load import ClosedLoad, EvaluationLoad, Load
from harness.loadgen import plan, schedule
from harness.loadgen.dispatcher import Arrival, Dispatcher
from harness.loadgen.drain import Drain
from harness.loadgen.gate import Gate, Turns
from harness.loadgen.rota import Rota, dealt
from harness.loadgen.schedule import Calls
from harness.loadgen.seat import Seat
from harness.records import Block


class Rank(NamedTuple):
    """This worker's place among those that share a block: user u, of all, is at the worker whose place is u modulo `of`."""

    place: int
    of: int

    def share(self, users: int) -> int:
        """How many of a block's users are here."""
        return plan.share(users, self.place, self.of)

    def user(self, seat: int) -> int:
        """Its number among all."""
        return seat * self.of + self.place


class Lanes:
    """`refuse` hears of arrivals for which the line was too long, `worked_off` of blocks that end by what was to be asked."""

    def __init__(
        self,
        load: Load,
        blocks: Sequence[Block],
        drain: Drain,
        refuse: Callable[[Arrival], None],
        worked_off: Callable[[Block], None],
    ) -> None:
        self._load, self._drain = load, drain
        self._names = plan.lanes(blocks)
        self._gates = [Gate(drain.wake, worked_off) for _ in self._names]
        self._dispatchers = [Dispatcher(drain.wake, refuse) for _ in self._names]
        self._rota = Rota(drain.wake, worked_off)
        self._turns: Sequence[Turns] = self._dispatchers if load.is_open else self._gates
        if isinstance(load, EvaluationLoad):
            self._turns = [self._rota]
        self._seats = 0

    def seat(self) -> Seat:
        """Of one more user. They go to the lanes by turns, so that more of them can come at any time."""
        number, lane = divmod(self._seats, len(self._turns))
        self._seats += 1
        return Seat(number, self._turns[lane])

    def open(self, block: Block, now_ns: int, rank: Rank, planned: Sequence[Block], calls: Calls) -> None:
        """This worker's users of a block, or its arrivals, from now on."""
        lane = self._names.index(block.endpoint) if len(self._names) > 1 else 0
        gate, dispatcher = self._gates[lane], self._dispatchers[lane]
        load, users = self._load, rank.share(block.concurrency)
        if isinstance(load, EvaluationLoad):
            self._rota.open(block, users, dealt(len(calls), block.concurrency, *rank))
        elif not isinstance(load, ClosedLoad):
            upcoming = schedule.share(load, planned, block, calls.traced, *rank)
            dispatcher.open(block, now_ns, users, upcoming)
            self._drain.each_tick(dispatcher.tick)
        else:
            seed = f"{load.seed}/start/{block.cell}/{rank.place}"
            starts_ns = [now_ns + late_ns for late_ns in schedule.starts_ns(load, planned, block, users, seed)]
            gate.open(block, starts_ns, [schedule.numbers(block, rank.user(seat)) for seat in range(users)])
            self._drain.each_tick(gate.tick)
            gate.tick(now_ns)

    def close(self, now_ns: int) -> None:
        """Nobody begins anything, but for what an open loop had due."""
        for turns in self._turns:
            turns.close(now_ns)

    def drop(self) -> Iterator[Arrival]:
        """What waits for a user leaves the line."""
        for dispatcher in self._dispatchers:
            yield from dispatcher.drop()

    @property
    def is_idle(self) -> bool:
        return all(turns.is_idle for turns in self._turns)
