"""Arrivals on their way to users: conservation, order, lateness."""

from collections.abc import Iterator

import gevent
import pytest
from gevent.hub import Waiter
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.loadgen import dispatcher
from harness.loadgen.dispatcher import Arrival, Dispatcher
from harness.loadgen.gate import Turn
from harness.records import Block, Phase

MS = 1_000_000
BEGAN = 5_000 * MS


def block(seconds: float = 1.0, number: int = 0) -> Block:
    return Block(
        id=number,
        cell=0,
        endpoint="a",
        level="5rps",
        concurrency=4,
        phase=Phase.MEASURE,
        seconds=seconds,
        rate=5.0,
    )


class Users:
    """Greenlets that take turns of a dispatcher, each busy until `free` is called; `took` is who took what and when."""

    def __init__(self, count: int) -> None:
        self.refused: list[Arrival] = []
        self.now_ns = BEGAN
        self._woken: list[Waiter] = []
        self.dispatcher = Dispatcher(self._woken.append, self.refused.append)
        self.took: list[tuple[int, Turn]] = []
        self._busy: dict[int, gevent.event.Event] = {}
        self._greenlets = [gevent.spawn(self._work, seat) for seat in range(count)]
        self.run()

    def _work(self, seat: int) -> None:
        while True:
            turn = self.dispatcher.turn(seat)
            if turn is None:
                self.dispatcher.wait(seat)
                continue
            self.took.append((seat, turn))
            busy = self._busy[seat] = gevent.event.Event()
            busy.wait()

    def run(self) -> None:
        """All greenlets that can go on do so."""
        for _ in range(3):
            woken, self._woken[:] = self._woken[:], []
            for waiter in woken:
                gevent.get_hub().loop.run_callback(waiter.switch, None)
            gevent.sleep(0)

    def tick(self, at_ms: float) -> bool:
        self.now_ns = BEGAN + round(at_ms * MS)
        more = self.dispatcher.tick(self.now_ns)
        self.run()
        return more

    def free(self, seat: int) -> None:
        self._busy.pop(seat).set()
        self.run()

    def end(self) -> None:
        gevent.killall(self._greenlets)


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Iterator[Users]:
    four = Users(4)
    monkeypatch.setattr(dispatcher.time, "monotonic_ns", lambda: four.now_ns)
    yield four
    four.end()


def numbered(*at_s: float) -> Iterator[tuple[int, float]]:
    return iter(list(enumerate(at_s)))


def test_an_arrival_is_dispatched_by_the_first_tick_after_it_is_due(users: Users) -> None:
    """Not before; with its intended time, and without a wait where a user was free."""
    users.dispatcher.open(block(), BEGAN, 4, numbered(0.010, 0.0125))
    assert users.tick(9.9)
    assert [] == users.took
    assert users.tick(10.4)
    assert users.tick(12.4)
    assert users.tick(12.6)
    assert not users.tick(13.6)
    assert [(0, BEGAN + 10 * MS, 0), (1, BEGAN + 12.5 * MS, 0)] == [
        (turn.number, turn.scheduled_ns, turn.waited_ns) for _, turn in users.took
    ]


def test_a_late_tick_loses_nothing(users: Users) -> None:
    """What was due meanwhile goes out at once, and how late that is can be told from the intended times."""
    users.dispatcher.open(block(), BEGAN, 4, numbered(0.001, 0.002, 0.050))
    users.tick(100)
    assert [1, 2, 50] == [((turn.scheduled_ns or 0) - BEGAN) // MS for _, turn in users.took]


def test_who_finds_all_busy_waits_in_line(users: Users) -> None:
    """Oldest first; the wait is counted from the tick that found it due."""
    users.dispatcher.open(block(), BEGAN, 2, numbered(0, 0, 0.010, 0.020))
    users.tick(0)
    users.tick(10.5)
    users.tick(20)
    assert [0, 1] == [turn.number for _, turn in users.took]
    users.now_ns = BEGAN + 30 * MS
    users.free(users.took[0][0])
    assert (2, 19_500_000) == users.took[2][1][1::2]
    assert not users.dispatcher.is_idle
    users.free(users.took[1][0])
    assert (3, 10 * MS) == users.took[3][1][1::2]
    assert users.dispatcher.is_idle


def test_the_user_that_was_busy_last_is_taken_first(users: Users) -> None:
    """Its connection is the warmest, and the fewest connections are opened."""
    users.dispatcher.open(block(), BEGAN, 4, numbered(0, 0.001, 0.002, 0.003))
    for at_ms in range(4):
        users.tick(at_ms)
        users.free(users.took[-1][0])
    assert 1 == len({seat for seat, _ in users.took})


def test_users_beyond_the_blocks_are_never_asked(users: Users) -> None:
    """Two users for four arrivals: two wait."""
    users.dispatcher.open(block(), BEGAN, 2, numbered(0, 0, 0, 0))
    users.tick(0)
    assert {0, 1} == {seat for seat, _ in users.took}
    assert [2, 3] == [arrival.number for arrival in users.dispatcher.drop()]
    assert users.dispatcher.is_idle


def test_the_last_arrivals_of_a_block_outlive_its_end(users: Users) -> None:
    """The end is a message, and may come before what was due in the last milliseconds; the next block does not lose it."""
    users.dispatcher.open(block(1.0), BEGAN, 4, numbered(0.9995))
    users.dispatcher.close(BEGAN + 999 * MS)
    users.dispatcher.open(block(1.0, 1), BEGAN + 1_000 * MS, 4, numbered(0.0))
    users.tick(1_000.5)
    assert [0, 1] == [turn.block.id for _, turn in users.took]


def test_a_stopped_block_offers_nothing_more(users: Users) -> None:
    """What would have been due after an early end is not part of what was offered; what was due goes on."""
    users.dispatcher.open(block(60.0), BEGAN, 1, numbered(0, 0.001, 30))
    users.tick(1.5)
    users.dispatcher.close(BEGAN + 2 * MS)
    assert [1] == [arrival.number for arrival in users.dispatcher.drop()]
    assert users.dispatcher.is_idle


def test_nothing_comes_after_the_cut(users: Users) -> None:
    """A block that is cut before its last moments leaves no schedule: what was to come in it is dropped, and counted."""
    users.dispatcher.open(block(1.0), BEGAN, 4, numbered(0.9, 0.95, 0.99))
    users.tick(920)
    users.dispatcher.close(BEGAN + 930 * MS)
    assert [(1, BEGAN + 950 * MS), (2, BEGAN + 990 * MS)] == [each[1:3] for each in users.dispatcher.drop()]
    assert users.dispatcher.is_idle
    users.tick(1_000)
    assert [0] == [turn.number for _, turn in users.took]


def test_a_full_line_refuses_whoever_comes(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and nobody is lost without a word."""
    monkeypatch.setattr(dispatcher, "LINE", 2)
    users.dispatcher.open(block(), BEGAN, 0, numbered(0, 0, 0))
    users.tick(1)
    assert [2] == [arrival.number for arrival in users.refused]
    assert [0, 1] == [arrival.number for arrival in users.dispatcher.drop()]


@settings(max_examples=60, deadline=None)
@given(
    due_ms=st.lists(st.integers(0, 999), max_size=40),
    ticks=st.lists(st.integers(0, 1_200), max_size=30),
    count=st.integers(1, 4),
    frees=st.lists(st.integers(0, 3), max_size=40),
)
def test_every_arrival_is_dispatched_or_dropped(due_ms: list[int], ticks: list[int], count: int, frees: list[int]) -> None:
    """However ticks and users fall: each number once, never before it was due, in order."""
    users = Users(4)
    try:
        users.dispatcher.open(block(), BEGAN, count, numbered(*(at / 1_000 for at in sorted(due_ms))))
        for at_ms, seat in zip(sorted([*ticks, 1_300]), [*frees, *[0] * len(ticks)], strict=False):
            users.tick(at_ms)
            assert all((turn.scheduled_ns or 0) <= users.now_ns for _, turn in users.took)
            if seat in users._busy:
                users.free(seat)
        users.tick(1_300)
        numbers = [turn.number for _, turn in users.took] + [arrival.number for arrival in users.dispatcher.drop()]
        assert list(range(len(due_ms))) == numbers
        assert users.dispatcher.is_idle
    finally:
        users.end()
