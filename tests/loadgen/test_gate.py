"""Users of a closed loop, before and behind the gate."""

from gevent.hub import Waiter

from harness.loadgen.gate import Gate, Turn
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
