"""Reading every socket of this process: one epoll set of our own, drained by one hub timer a millisecond.

There is no wake-up, no greenlet switch and no epoll_ctl per chunk; the kernel's stamps keep the time meanwhile. Nothing is
decoded here but HTTP framing: what waits is decoded in slices between drains. User greenlets are woken from the hub only, and
an error inside the tick is kept for `bugs`, never printed and lost.
"""

import sys
import time
from array import array
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Protocol

from gevent import get_hub, monkey
from gevent.hub import Waiter

from harness.kernel_clock import KernelClock
from harness.loadgen.exchange import Exchange

TICK_S = 0.001
SLICE_NS = 400_000
WAKE_NS = 600_000
CROWD = 1_000
CHECK_NS = 20_000_000
EPOLL = sys.platform == "linux"
READ, WRITE = 0x001, 0x004  # EPOLLIN and EPOLLOUT; poll(2) uses the same numbers


class Socket(Protocol):
    """What the drain keeps: an `opening.Opening`, then a `connection.Connection`."""

    def on_ready(self, events: int, floor_ns: int) -> None: ...

    def on_bug(self, bug: BaseException) -> None: ...


class Sealed(Socket, Protocol):
    """One that speaks TLS, and decrypts after all have been read."""

    def unseal(self, stamp_ns: int, data: bytes) -> None: ...


class Drain:
    """One per process, made after any fork. The timer runs while a socket or deadline is registered."""

    def __init__(self) -> None:
        self.clock = KernelClock()
        self.bugs: list[BaseException] = []
        self.shortages: list[str] = []  # why a socket could not be had, once for each
        self.exchanges: set[Exchange] = set()
        self._poller = monkey.get_original("select", "epoll")() if EPOLL else monkey.get_original("select", "poll")()
        self._sockets: dict[int, Socket] = {}
        self._work: deque[Callable[[], object]] = deque()
        self._due: defaultdict[int, set[Exchange]] = defaultdict(set)  # by the 20 ms in which to look at them
        self._polled_ns = self._checked = 0
        self._tick_gaps_ns = array("q")
        self.sealed: list[tuple[Sealed, int, bytes]] = []  # read in this tick: whose, its stamp, and ciphertext
        self.read_lags_ns = array("q")  # one per read, appended by the connection
        self._most_work = 0
        self._waking: deque[Waiter] = deque()
        self._ticking: list[Callable[[int], bool]] = []
        self._timer = get_hub().loop.timer(TICK_S, repeat=TICK_S)

    def register(self, fd: int, owner: Socket, events: int) -> None:
        self._poller.register(fd, events)
        self._sockets[fd] = owner
        self._run()

    def hand_over(self, fd: int, owner: Socket) -> None:
        """From now on this one is told."""
        self._sockets[fd] = owner

    def watch(self, fd: int, events: int) -> None:
        self._poller.modify(fd, events)

    def unregister(self, fd: int) -> None:
        if self._sockets.pop(fd, None) is not None:
            self._poller.unregister(fd)

    def begin(self, exchange: Exchange) -> None:
        """Keep this exchange's deadlines until it ends."""
        self.finished(exchange)  # when it has begun before, on a connection that was stale
        self.exchanges.add(exchange)
        exchange.waker = self.wake
        self._run()
        # Of one that begins again a deadline runs already, and may have passed.
        soonest_ns = min(self.clock.now_ns + exchange.shortest_ns, exchange.due(self.clock.now_ns)[0])
        exchange.check_ns = max(soonest_ns, self._checked * CHECK_NS)
        self._due[exchange.check_ns // CHECK_NS].add(exchange)

    def finished(self, exchange: Exchange) -> None:
        self.exchanges.discard(exchange)
        self._due.get(exchange.check_ns // CHECK_NS, set()).discard(exchange)

    def later(self, work: Callable[[], object]) -> None:
        """Do this in a slice between drains, in order. While it returns True it is done again: long work comes in steps."""
        self._work.append(work)
        self._run()

    def each_tick(self, work: Callable[[int], bool]) -> None:
        """Call this in every tick, with the time, while it returns True."""
        if work not in self._ticking:
            self._ticking.append(work)
        self._run()

    @property
    def backlog(self) -> int:
        """Pieces of work that wait for a slice."""
        return len(self._work)

    @property
    def open_sockets(self) -> int:
        return len(self._sockets)

    def wake(self, waiter: Waiter) -> None:
        """Let a greenlet go on, soon. Many at once would send and connect for as long as nobody looks at the sockets."""
        self._waking.append(waiter)
        self._run()

    def take_lags(self) -> "tuple[array[int], array[int]]":
        """Since the last call, in ns: the time between successive polls, and how long the bytes of each read had waited."""
        taken = self._tick_gaps_ns, self.read_lags_ns
        self._tick_gaps_ns, self.read_lags_ns = array("q"), array("q")
        return taken

    def take_backlog(self) -> int:
        """The most pieces of work that waited since the last call."""
        most, self._most_work = max(self._most_work, len(self._work)), 0
        return most

    def run_backlog(self) -> None:
        """Do all that waits, now: at the end, when no socket needs reading."""
        while self._work:
            work = self._work.popleft()
            while work() is True:
                pass

    def close(self) -> None:
        self._timer.stop()
        self._timer.close()
        self.clock.close()
        if hasattr(self._poller, "close"):
            self._poller.close()

    def _run(self) -> None:
        if not self._timer.active:
            self._polled_ns = self.clock.tick()
            self._checked = self._polled_ns // CHECK_NS
            self._due.clear()
            self._timer.start(self._tick)

    def _tick(self) -> None:
        """Read, check deadlines, decode a slice. Runs in the hub: nothing here may block or raise."""
        floor_ns, self._polled_ns = self._polled_ns, self.clock.tick()
        self._tick_gaps_ns.append(self._polled_ns - floor_ns)
        owner_of = self._sockets.get
        for fd, events in self._ready():
            owner = owner_of(fd)
            if owner is None:
                continue  # closed by an earlier event of this very drain
            try:
                owner.on_ready(events, floor_ns)
            except Exception as bug:  # noqa: BLE001 - kept, and raised in the user's greenlet; the others go on
                self.bugs.append(bug)
                owner.on_bug(bug)
        for sealed, stamp_ns, data in self._take_sealed():
            try:
                sealed.unseal(stamp_ns, data)
            except Exception as bug:  # noqa: BLE001 - as above
                self.bugs.append(bug)
                sealed.on_bug(bug)
        self._check_deadlines()
        self._tell_time()
        self._wake_some()
        self._slice()
        if not (self._sockets or self.exchanges or self._work or self._waking or self._ticking):
            self._timer.stop()

    def _take_sealed(self) -> list[tuple[Sealed, int, bytes]]:
        sealed, self.sealed = self.sealed, []
        return sealed

    def _ready(self) -> list[tuple[int, int]]:
        """All that is ready, never a part of it: a socket that is not in the list was empty at `_polled_ns`."""
        return self._poller.poll(0, len(self._sockets) + 1) if EPOLL else self._poller.poll(0)  # type: ignore[no-any-return]

    def _check_deadlines(self) -> None:
        """Look at those whose time to be looked at has come. They are kept by 20 ms of it, so that nobody else is touched."""
        now_ns = self.clock.now_ns
        while self._checked < now_ns // CHECK_NS:
            for exchange in self._due.pop(self._checked, ()):
                self._check(exchange, now_ns)
            self._checked += 1

    def _check(self, exchange: Exchange, now_ns: int) -> None:
        try:
            exchange.check(now_ns)
        except Exception as bug:  # noqa: BLE001 - as above
            self.bugs.append(bug)
            exchange.crash(bug, now_ns)
        if exchange.ending is None:
            exchange.check_ns = max(exchange.check_ns, (self._checked + 1) * CHECK_NS)
            self._due[exchange.check_ns // CHECK_NS].add(exchange)

    def _tell_time(self) -> None:
        """Before users are woken: what is due is dispatched in this very tick."""
        if self._ticking:
            now_ns = time.monotonic_ns()
            self._ticking = [work for work in self._ticking if self._goes_on(work, now_ns)]

    def _goes_on(self, work: Callable[[int], bool], now_ns: int) -> bool:
        try:
            return work(now_ns)
        except Exception as bug:  # noqa: BLE001 - as above
            self.bugs.append(bug)
            return False

    def _wake_some(self) -> None:
        """Before the slice: a user's next request goes out first, then its last answer is decoded.

        Subtle: a switch comes back when the greenlet waits again, so its work counts against the limit.
        """
        if not self._waking:
            return
        until_ns = time.monotonic_ns() + WAKE_NS
        while self._waking and time.monotonic_ns() < until_ns:
            self._waking.popleft().switch(None)

    def _slice(self) -> None:
        """Longer where a crowd waits: a queue that grew for ever would be memory, and then pauses of the garbage collector."""
        work = self._work
        if not work:
            return
        self._most_work = max(self._most_work, len(work))
        until_ns = time.monotonic_ns() + SLICE_NS * (1 + len(work) // CROWD)
        while work and time.monotonic_ns() < until_ns:
            step = work.popleft()
            try:
                if step() is True:
                    work.appendleft(step)
            except Exception as bug:  # noqa: BLE001 - as above: it makes the run INVALID(internal)
                self.bugs.append(bug)
