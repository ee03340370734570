"""Users of a closed loop, before and behind the gate."""

from collections.abc import Iterator

import pytest
from gevent.hub import Waiter

from harness.loadgen import schedule
from harness.loadgen.gate import Gate, Turn
from harness.loadgen.lanes import Rank
from harness.records import Block, Phase

BLOCK = Block(id=3, cell=1, endpoint="a", level="3", concurrency=3, phase=Phase.MEASURE, seconds=1.0)


def test_users_begin_one_after_the_other() -> None:
    """Each from its moment on; the rest are not admitted, and nobody beyond the last one ever is."""
    gate = Gate(lambda _: None)
    gate.open(BLOCK, [100, 250, 250])
    assert [None] * 4 == [gate.turn(seat) for seat in range(4)]
    assert gate.tick(100)
    assert [Turn(BLOCK), None, None] == [gate.turn(seat) for seat in range(3)]
    assert gate.tick(249)
    assert not gate.tick(250)
    assert [Turn(BLOCK)] * 3 + [None] == [gate.turn(seat) for seat in range(4)]


def test_a_closed_gate_admits_nobody() -> None:
    """Not those who had begun, and not those whose moment was still to come."""
    gate = Gate(lambda _: None)
    gate.open(BLOCK, [0, 500])
    gate.tick(0)
    gate.close(10)
    assert not gate.tick(600)
    assert [None, None] == [gate.turn(seat) for seat in range(2)]


def test_whoever_waits_is_woken_when_its_moment_comes() -> None:
    """Only that one."""
    woken: list[Waiter] = []
    gate = Gate(woken.append)
    first, second = Waiter(), Waiter()
    gate._parked = {0: first, 1: second}
    gate.open(BLOCK, [5, 9])
    gate.tick(5)
    assert [first] == woken


BOUNDED = Block(id=3, cell=1, endpoint="a", level="3", concurrency=3, phase=Phase.MEASURE, seconds=9.0, requests=5)


def numbers(user: int) -> Iterator[int] | None:
    return schedule.numbers(BOUNDED, user)


def test_each_user_has_its_own_numbers_and_the_end_is_told_once() -> None:
    """Of five requests user 0 makes 0 and 3, and user 2 makes 2: the block is done when both have asked for more."""
    done: list[Block] = []
    gate = Gate(lambda _: None, done.append)
    gate.open(BOUNDED, [0, 0], [numbers(0), numbers(2)])
    gate.tick(0)
    assert [0, 2, 3] == [turn.number for turn in (gate.turn(0), gate.turn(1), gate.turn(0)) if turn is not None]
    assert None is gate.turn(0)
    assert [] == done
    assert [None, None, None] == [gate.turn(seat) for seat in (1, 0, 1)]
    assert [BOUNDED] == done


def test_a_user_that_has_not_begun_keeps_the_end_waiting() -> None:
    """Its moment comes later."""
    done: list[Block] = []
    gate = Gate(lambda _: None, done.append)
    gate.open(BOUNDED, [0, 500], [numbers(2), numbers(1)])
    gate.tick(0)
    assert (Turn(BOUNDED, 2), None) == (gate.turn(0), gate.turn(0))
    assert [] == done
    gate.tick(500)
    assert [1, 4] == [turn.number for turn in (gate.turn(1), gate.turn(1)) if turn is not None]
    gate.turn(1)
    assert [BOUNDED] == done


def test_a_bounded_block_without_users_here_is_done_at_once_and_a_closed_one_never() -> None:
    """What was closed has not been worked off."""
    done: list[Block] = []
    gate = Gate(lambda _: None, done.append)
    gate.open(BOUNDED, [], [])
    assert [BOUNDED] == done
    gate.open(BOUNDED, [0], [numbers(2)])
    gate.tick(0)
    gate.turn(0)
    gate.close(1)
    assert None is gate.turn(0)
    assert [BOUNDED] == done


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_all_numbers_are_somebodys_and_nobodys_twice(workers: int) -> None:
    """However many workers share the users, each user makes the same requests."""
    ranks = [Rank(place, workers) for place in range(workers)]
    users = sorted(rank.user(seat) for rank in ranks for seat in range(rank.share(BOUNDED.concurrency)))
    assert [0, 1, 2] == users
    assert [0, 1, 2, 3, 4] == sorted(number for user in users for number in numbers(user) or ())
