"""The event loop: calls back at absolute times and when sockets are ready, in one thread.

What is due goes first, in order of due time, also between two sockets that are ready; but never so long that requests are left
unread.
"""

import heapq
import itertools
import time
from collections.abc import Callable

from harness.simulator.poller import Poller

FIRED = 32  # callbacks between two looks at the sockets: about 0.5 ms of sending
IDLE_NS = 1_000_000  # with nothing due for so long, the moment is idle


class Loop:
    """`idle` is called when nothing is due soon, and again soon after while it returns True."""

    def __init__(self, poller: Poller, idle: Callable[[], bool]) -> None:
        self._poller = poller
        self._idle = idle
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()  # keeps callbacks that are due together in the order they came
        self._ready: dict[int, Callable[[bool, bool], None]] = {}
        self._stopped = False

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Calls back once, as soon after `due_ns` (monotonic) as can be and never before."""
        heapq.heappush(self._due, (due_ns, next(self._order), callback))

    def watch(self, fd: int, callback: Callable[[bool, bool], None]) -> None:
        """Calls back with (readable, writable) whenever the socket is ready."""
        self._ready[fd] = callback
        self._poller.watch(fd)

    def watch_writing(self, fd: int, on: bool) -> None:
        self._poller.watch_writing(fd, on)

    def unwatch(self, fd: int) -> None:
        self._poller.unwatch(fd)
        del self._ready[fd]

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopped:
            self._wait()
            self.fire()

    def _wait(self) -> None:
        due_ns = self._due[0][0] if self._due else None
        if (due_ns is None or due_ns > time.monotonic_ns() + IDLE_NS) and self._idle():
            due_ns = 0  # more of it is left: only look at the sockets
        for fd, readable, writable in self._poller.wait(due_ns):
            callback = self._ready.get(fd)
            if callback is not None:  # else what was fired since has closed it
                callback(readable, writable)
                self.fire()

    def fire(self) -> None:
        """Calls back what is due now. Also for a callback that takes long, in between: then it may be met in mid work."""
        due = self._due
        for _ in range(FIRED):
            if not due or due[0][0] > time.monotonic_ns():
                return
            heapq.heappop(due)[2]()
