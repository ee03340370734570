"""Evaluations: which examples this worker asks, handed out to whoever is free, each exactly once.

The rule: positions are dealt to all users of a block as cards are, and a worker's users share what is theirs. So nobody waits
for a slow neighbour on this worker, and N workers ask exactly what one would.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gevent.hub import Waiter

from harness.loadgen.gate import Turn, park
from harness.records import Block


def dealt(examples: int, users: int, worker: int, workers: int) -> Iterator[int]:
    """The positions of this worker; user number u, of all, is at worker u modulo workers."""
    return (position for position in range(examples) if position % users % workers == worker)


class Rota:
    """One per worker: a `gate.Turns`. Who asks for a turn has done the one before.

    wake        lets a parked user go on
    worked_off  hears of a block when all that was dealt has been done; of one that was closed before, never
    """

    is_idle = True  # nobody has to be waited for who has not begun

    def __init__(self, wake: Callable[[Waiter], None], worked_off: Callable[[Block], None]) -> None:
        self._wake, self._worked_off = wake, worked_off
        self._block: Block | None = None
        self._users = 0
        self._positions: deque[int] = deque()
        self._busy: set[int] = set()
        self._parked: dict[int, Waiter] = {}

    def open(self, block: Block, users: int, positions: Iterable[int]) -> None:
        """Seats 0 .. users-1 begin at once."""
        self._block, self._users = block, users
        self._positions, self._busy = deque(positions), set()
        for seat in range(users):
            waiter = self._parked.pop(seat, None)
            if waiter is not None:
                self._wake(waiter)
        self._look()

    def turn(self, seat: int) -> Turn | None:
        self._busy.discard(seat)
        if self._block is None or seat >= self._users or not self._positions:
            self._look()
            return None
        self._busy.add(seat)
        return Turn(self._block, self._positions.popleft())

    def wait(self, seat: int) -> None:
        park(self._parked, seat)

    def close(self, _: int) -> None:
        """Nobody begins another example; what is in flight goes on."""
        self._block = None
        self._positions.clear()

    def _look(self) -> None:
        if self._block is not None and not self._positions and not self._busy:
            block, self._block = self._block, None
            self._worked_off(block)
