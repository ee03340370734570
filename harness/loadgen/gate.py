"""Closed loops: where simulated users wait for their block. The first k are woken, the others stay parked and cost nothing."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from gevent.hub import Waiter

from harness.records import Block


class Turn(NamedTuple):
    """What a user is to do: one request of this block, in its place among all where that is known.

    The rest is of open loops: see `dispatcher`.
    """

    block: Block
    number: int | None = None
    scheduled_ns: int | None = None
    waited_ns: int = 0


def park(parked: dict[int, Waiter], seat: int) -> None:
    """Wait, in the hub's keeping, until somebody takes this seat's waiter out and wakes it."""
    waiter = parked[seat] = Waiter()
    try:
        waiter.get()
    finally:
        parked.pop(seat, None)


class Turns(Protocol):
    """A `Gate`, or a `dispatcher.Dispatcher`: where users get their turns from."""

    @property
    def is_idle(self) -> bool: ...

    def turn(self, seat: int) -> Turn | None: ...

    def wait(self, seat: int) -> None: ...

    def close(self, now_ns: int) -> None: ...


class Gate:
    """One per worker and lane. A user asks for its `turn` before each request and calls `wait` when the answer is None.

    wake        lets a waiting greenlet go on: thousands at once must not keep the sockets from being read
    worked_off  hears of a block when each seat has done all its numbers; of one that was closed before, or has none, never
    """

    is_idle = True  # nobody has to be waited for who has not begun

    def __init__(self, wake: Callable[[Waiter], None], worked_off: Callable[[Block], None] = lambda _: None) -> None:
        self._wake, self._worked_off = wake, worked_off
        self._turn: Turn | None = None
        self._users = 0
        self._parked: dict[int, Waiter] = {}
        self._starts_ns: deque[int] = deque()  # of the seats that have not begun yet, in their order
        self._numbers: Sequence[Iterator[int] | None] = ()
        self._at_work: set[int] = set()  # seats that have numbers left, or do their last one

    def turn(self, seat: int) -> Turn | None:
        """As often as the user likes, while its block is open and there are numbers left for it."""
        if self._turn is None or seat >= self._users:
            return None
        numbers = self._numbers[seat] if self._numbers else None
        if numbers is None:
            return self._turn
        number = next(numbers, None)
        if number is not None:
            return self._turn._replace(number=number)
        self._at_work.discard(seat)
        self._look()
        return None

    def wait(self, seat: int) -> None:
        """Until a block admits this seat, as far as that may have changed."""
        park(self._parked, seat)

    def open(self, block: Block, starts_ns: Iterable[int], numbers: Sequence[Iterator[int] | None] = ()) -> None:
        """One seat after the other works on this block, each from its moment on; these moments rise.

        numbers  of the requests of each seat; it makes no other ones
        """
        self._turn, self._users = Turn(block), 0
        self._starts_ns, self._numbers = deque(starts_ns), numbers
        self._at_work = {seat for seat, each in enumerate(numbers) if each is not None}
        if block.requests is not None:
            self._look()

    def tick(self, now_ns: int) -> bool:
        """Let those begin whose moment has come; True while more are to come. Called in the hub."""
        while self._starts_ns and self._starts_ns[0] <= now_ns:
            self._starts_ns.popleft()
            waiter = self._parked.pop(self._users, None)
            self._users += 1
            if waiter is not None:
                self._wake(waiter)
        return bool(self._starts_ns)

    def close(self, _: int) -> None:
        """Nobody starts another request; those in flight go on."""
        self._turn, self._users = None, 0
        self._starts_ns.clear()

    def _look(self) -> None:
        """Whether nothing is left to do: said once."""
        if self._turn is not None and not self._at_work:
            block, self._turn = self._turn.block, None
            self._worked_off(block)
