"""Where simulated users wait for their block: the first k are woken, the others stay parked and cost nothing."""

from collections.abc import Callable

from gevent.hub import Waiter

from harness.records import Block


class Gate:
    """One per worker. A user asks `admitted` before each request and calls `wait` when the answer is None.

    `wake` lets a waiting greenlet go on: thousands at once must not keep the sockets from being read.
    """

    def __init__(self, wake: Callable[[Waiter], None]) -> None:
        self._wake = wake
        self._block: Block | None = None
        self._users = 0
        self._parked: dict[int, Waiter] = {}

    def admitted(self, seat: int) -> Block | None:
        """The block that this seat works on now."""
        return self._block if seat < self._users else None

    def wait(self, seat: int) -> None:
        """Until a block admits this seat, as far as that may have changed."""
        waiter = self._parked[seat] = Waiter()
        try:
            waiter.get()
        finally:
            self._parked.pop(seat, None)

    def open(self, block: Block, users: int) -> None:
        """Seats 0 .. users-1 work on this block from now on."""
        self._block, self._users = block, users
        for seat in range(users):
            waiter = self._parked.pop(seat, None)
            if waiter is not None:
                self._wake(waiter)

    def close(self) -> None:
        """Nobody starts another request; those in flight go on."""
        self._block, self._users = None, 0
