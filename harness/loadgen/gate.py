"""Where simulated users wait for their block: the first k are woken, the others stay parked and cost nothing."""

from gevent.event import Event

from harness.records import Block


class Gate:
    """One per worker. A user asks `admitted` before each request and calls `wait` when the answer is None."""

    def __init__(self) -> None:
        self._block: Block | None = None
        self._users = 0
        self._parked: dict[int, Event] = {}

    def admitted(self, seat: int) -> Block | None:
        """The block that this seat works on now."""
        return self._block if seat < self._users else None

    def wait(self, seat: int) -> None:
        event = self._parked.setdefault(seat, Event())
        event.wait()
        event.clear()

    def open(self, block: Block, users: int) -> None:
        """Seats 0 .. users-1 work on this block from now on."""
        self._block, self._users = block, users
        for seat in range(users):
            event = self._parked.get(seat)
            if event is not None:
                event.set()

    def close(self) -> None:
        """Nobody starts another request; those in flight go on."""
        self._block, self._users = None, 0
