"""The loop on both pollers: order, times, sockets, and idle moments."""

import socket
import time
from collections.abc import Callable

import pytest

from harness.simulator.loop import FIRED, IDLE_NS, Loop
from harness.simulator.poller import Poller, SelectorPoller, TimerfdPoller, best

MS = 1_000_000

no_timerfd = pytest.mark.skipif(best().name != "timerfd", reason="this platform has no timerfd")
every_poller = pytest.mark.parametrize("poller", [pytest.param(TimerfdPoller, marks=no_timerfd), SelectorPoller])


def nothing_to_do() -> bool:
    return False


@every_poller
def test_callbacks_come_in_order_and_never_early(poller: Callable[[], Poller]) -> None:
    """By due time, then by arrival, each at its moment or after it; the same moment twice is no trap."""
    loop = Loop(poller(), nothing_to_do)
    fired: list[tuple[str, int]] = []
    begin_ns = time.monotonic_ns()
    due_ns = {"c": 30 * MS, "a": 10 * MS, "b": 10 * MS + 1, "past": -MS, "twin": 30 * MS}
    for name, after_ns in due_ns.items():
        loop.at(begin_ns + after_ns, lambda name=name: fired.append((name, time.monotonic_ns() - begin_ns)))
    loop.at(begin_ns + 30 * MS, loop.stop)
    loop.run()
    assert ["past", "a", "b", "c", "twin"] == [name for name, _ in fired]
    assert all(due_ns[name] <= at_ns for name, at_ns in fired)


@every_poller
def test_requests_are_read_while_much_is_due(poller: Callable[[], Poller]) -> None:
    """However many callbacks are overdue, sockets get their turn after FIRED of them."""
    loop = Loop(poller(), nothing_to_do)
    turns: list[str] = []
    ours, theirs = socket.socketpair()

    def read(readable: bool, writable: bool) -> None:
        turns.append(f"{readable} {writable}")
        loop.unwatch(ours.fileno())

    with ours, theirs:
        loop.watch(ours.fileno(), read)
        loop.at(0, lambda: theirs.send(b"x"))
        for _ in range(3 * FIRED):
            loop.at(0, lambda: turns.append("due"))
        loop.at(1, loop.stop)
        loop.run()
    assert (3 * FIRED + 1, "True False") == (len(turns), turns[FIRED - 1])


@every_poller
def test_room_to_write_is_reported_only_while_wanted(poller: Callable[[], Poller]) -> None:
    """An empty socket is always writable, so nobody watches for it but who waits for room."""
    loop = Loop(poller(), nothing_to_do)
    turns: list[tuple[bool, bool]] = []
    ours, theirs = socket.socketpair()

    def write(readable: bool, writable: bool) -> None:
        turns.append((readable, writable))
        loop.watch_writing(ours.fileno(), on=False)
        loop.at(time.monotonic_ns() + 5 * MS, loop.stop)

    with ours, theirs:
        loop.watch(ours.fileno(), write)
        loop.watch_writing(ours.fileno(), on=True)
        loop.run()
    assert [(False, True)] == turns


@every_poller
def test_idle_work_is_done_when_nothing_is_due_soon(poller: Callable[[], Poller]) -> None:
    """Again and again while there is more of it, and the next callback still comes in time; not while something is due."""
    left, busy = [1, 2, 3], []

    def work() -> bool:
        left.pop()
        return bool(left)

    loop = Loop(poller(), work)
    for _ in range(3 * FIRED):
        loop.at(0, lambda: busy.append(len(left)))
    loop.at(time.monotonic_ns() + 20 * IDLE_NS, lambda: busy.append(len(left)))
    loop.at(time.monotonic_ns() + 20 * IDLE_NS, loop.stop)
    loop.run()
    assert [3] * 3 * FIRED + [0] == busy
