"""Who asks which example of an evaluation."""

from collections import Counter

import pytest
from gevent.hub import Waiter

from harness.loadgen import plan
from harness.loadgen.gate import Turn
from harness.loadgen.rota import Rota, dealt
from harness.records import Block, Phase

BLOCK = Block(id=4, cell=2, endpoint="a", level="3", concurrency=3, phase=Phase.MEASURE, seconds=0)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("users", [1, 2, 3, 8])
@pytest.mark.parametrize("examples", [1, 7, 40])
def test_each_example_is_dealt_once_to_somebody_with_users(examples: int, users: int, workers: int) -> None:
    """Also where there are fewer users than workers, or fewer examples than users."""
    hands = [list(dealt(examples, users, worker, workers)) for worker in range(workers)]
    assert Counter(range(examples)) == Counter(position for hand in hands for position in hand)
    assert [] == [hand for worker, hand in enumerate(hands) if hand and not plan.share(users, worker, workers)]


def test_shares_are_as_large_as_the_users_are_many() -> None:
    """Of three users at two workers two have two thirds: all end at about the same time."""
    assert [8, 4] == [len(list(dealt(12, 3, worker, 2))) for worker in range(2)]


def test_all_is_handed_out_once_and_told_when_the_last_one_is_done() -> None:
    """Who asks again has done what it had; the end is not when nothing is left to begin."""
    done: list[Block] = []
    rota = Rota(lambda waiter: None, done.append)
    rota.open(BLOCK, 2, [5, 6, 7])
    assert [Turn(BLOCK, 5), Turn(BLOCK, 6)] == [rota.turn(0), rota.turn(1)]
    assert Turn(BLOCK, 7) == rota.turn(1)
    assert None is rota.turn(1)
    assert [] == done
    assert None is rota.turn(0)
    assert [BLOCK] == done
    assert None is rota.turn(1)
    assert [BLOCK] == done


def test_who_has_nothing_to_do_says_so_at_once() -> None:
    """A worker without a user, or with more users than examples."""
    done: list[Block] = []
    rota = Rota(lambda waiter: None, done.append)
    rota.open(BLOCK, 0, [])
    assert [BLOCK] == done


def test_a_closed_block_hands_out_nothing_and_is_never_done() -> None:
    """What was cut has not been worked off; the next block begins anew."""
    done: list[Block] = []
    rota = Rota(lambda waiter: None, done.append)
    rota.open(BLOCK, 1, [0, 1])
    rota.turn(0)
    rota.close(0)
    assert None is rota.turn(0)
    assert [] == done
    rota.open(BLOCK, 1, [9])
    assert Turn(BLOCK, 9) == rota.turn(0)


def test_parked_users_are_woken_as_far_as_they_are_wanted() -> None:
    """Seats 0 and 1 of three."""
    woken: list[Waiter] = []
    rota = Rota(woken.append, lambda block: None)
    waiters = [Waiter() for _ in range(3)]
    rota._parked = dict(enumerate(waiters))
    rota.open(BLOCK, 2, [0, 1, 2, 3])
    assert waiters[:2] == woken
    assert [2] == list(rota._parked)
