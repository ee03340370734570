"""Who is there, who is gone, and what those that are gone owe: known answers, no process and no clock."""

from collections import Counter

import msgspec
import pytest

from harness.loadgen.messages import Bye, Hello, Interval
from harness.loadgen.roster import LOOK_S, SILENT_S, Roster
from harness.loss import Loss
from harness.measure import recorder

HERE = ("a", "b", "c")


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def counts(**kinds: int) -> bytes:
    """One flush of a recorder, of one cell."""
    interval = recorder.Interval("e", "1", "measure", kinds, 0, 0, 0, 0, 0, {})
    return msgspec.msgpack.encode([interval])


def report(index: int, number: int = 0, started: int = 0, ended: int = 0, ceiling: int = 0, **kinds: int) -> Interval:
    return Interval(index, counts(**kinds), started - ended, started, ended, number=number, ceiling=ceiling)


def bye(index: int, reports: int, started: int, **kinds: int) -> Bye:
    return Bye(index, started, sum(kinds.values()), reports=reports, by_kind=kinds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roster(clock: Clock) -> Roster:
    """Three workers that are ready."""
    made = Roster(3, clock)
    for number, client in enumerate(HERE):
        assert number == made.enter(Hello(client))
        made.ready(number)
    return made


def look(roster: Roster, clock: Clock, seconds: float, clients: tuple[str, ...] = HERE) -> list[tuple[int, str]]:
    """Look each half second for so long, and what the last look found."""
    found: list[tuple[int, str]] = []
    for _ in range(round(2 * seconds)):
        clock.now_s += 0.5
        found = list(roster.missing(clients))
    return found


def test_a_worker_keeps_its_number_and_a_fourth_one_has_none() -> None:
    """Hellos come again and again until they are answered."""
    roster = Roster(2, Clock())
    assert [0, 1, 0, None, None] == [roster.enter(Hello(client)) for client in ("x", "y", "x", "z", "z")]
    roster.ready(0)
    assert not roster.is_ready
    roster.ready(1)
    assert roster.is_ready


def test_who_is_silent_is_found_and_who_reports_is_not(roster: Roster, clock: Clock) -> None:
    """Not before it is three reports late."""
    assert [] == look(roster, clock, SILENT_S)
    roster.report(report(0))
    roster.report(report(2))
    assert [(1, "has been silent for 4 s")] == look(roster, clock, 0.5)


def test_a_master_that_stood_still_has_heard_nobody_be_silent(roster: Roster, clock: Clock) -> None:
    """Their reports wait in its sockets."""
    clock.now_s += 10 * LOOK_S
    assert [] == list(roster.missing(HERE))
    assert 3 == len(look(roster, clock, SILENT_S + 0.5))


def test_who_left_locust_is_gone_at_once(roster: Roster, clock: Clock) -> None:
    """And so is one whose process is known to have ended."""
    assert [(0, "ended before its last word")] == look(roster, clock, 0.5, ("b", "c"))
    ended = Roster(1, clock, lambda pid, host: (7, "here") == (pid, host))
    ended.enter(Hello("x", 7, "here"))
    assert [(0, "ended before its last word")] == list(ended.missing(["x"]))


def test_who_has_said_goodbye_may_be_silent(roster: Roster, clock: Clock) -> None:
    """It is not missed, and it cannot be lost any more."""
    for index in range(3):
        roster.bye(bye(index, 0, 0))
    assert [] == look(roster, clock, 10, ())
    assert not roster.lose(1, "ended")
    assert () == roster.losses


def test_what_a_lost_worker_owes_is_bounded_by_what_it_said(roster: Roster) -> None:
    """It had said that it would not begin its 130th attempt unheard, and that 40 had ended."""
    roster.opened()
    roster.report(report(1, started=52, ended=40, ceiling=130, ok=40))
    assert roster.lose(1, "ended", (5,))
    assert not roster.lose(1, "has been silent")
    assert (Loss(1, "ended", 90, (5,)),) == roster.losses
    assert (0, 2) == roster.members
    (found,) = roster.findings()
    assert ("worker_lost", True) == (found.code, found.invalid)
    assert "worker 1 ended; at most 90 of its requests have no end" == found.what


def test_who_had_nothing_in_flight_owes_nothing(roster: Roster) -> None:
    """After the drain, until the next block is opened; an answer to an older drain does not count."""
    roster.opened()
    roster.report(report(1, started=52, ended=40, ceiling=130, ok=40))
    roster.idle(1, 1, current=2)
    assert roster.owes(1)
    roster.idle(1, 2, current=2)
    assert not roster.owes(1)
    roster.lose(1, "ended")
    assert (Loss(1, "ended", 0),) == roster.losses


def test_a_last_word_after_the_loss_settles_what_is_owed(roster: Roster) -> None:
    """It was told to leave, and cut what it had in flight: everything has its end."""
    roster.opened()
    roster.report(report(1, started=52, ended=40, ceiling=130, ok=40))
    roster.lose(1, "was told to end", (5,))
    roster.report(report(1, number=1, started=52, ended=52, cancelled=12))
    roster.bye(bye(1, 2, 52, ok=40, cancelled=12))
    assert (Loss(1, "was told to end", 0, (5,)),) == roster.losses
    assert None is roster.unflushed(Counter(ok=40, cancelled=12))


def test_nobody_waits_for_who_is_gone(roster: Roster) -> None:
    """The drain, the end of an evaluation's block and the goodbyes are those of who is there, or has said its last word."""
    for index in (0, 2):
        roster.idle(index, 4, current=4)
        roster.worked_off(index, 9)
    assert (False, False) == (roster.all_idle(4), roster.all_worked_off({9}))
    roster.lose(1, "ended")
    assert (True, True, False) == (roster.all_idle(4), roster.all_worked_off({9}), roster.all_worked_off({8, 9}))
    roster.bye(bye(0, 0, 0))
    assert (True, False) == (roster.all_idle(4), roster.all_said_bye)
    roster.bye(bye(2, 0, 0))
    assert (True, True) == (roster.all_idle(5), roster.all_said_bye)


def test_a_whole_flush(roster: Roster) -> None:
    """Reports 0 .. n-1 of each, and their sums are those of the last words; of a lost worker what came of it counts."""
    roster.report(report(0, 0, 5, 3, ok=3))
    roster.report(report(0, 1, 6, 6, ok=2, http_500=1))
    roster.report(report(1, 0, 4, 4, ok=4))
    roster.report(report(2, 0, 9, 2, ok=2))
    roster.bye(bye(0, 2, 6, ok=5, http_500=1))
    roster.bye(bye(1, 1, 4, ok=4))
    roster.lose(2, "ended")
    assert None is roster.unflushed(Counter(ok=11, http_500=1))


@pytest.mark.parametrize(
    ("reports", "said", "merged", "what"),
    [
        ([(1, 6)], bye(0, 2, 6, ok=6), 6, "worker 0 made 2 reports of 6 attempts, and 1 of 6 came"),  # the first one is missing
        ([(0, 3)], bye(0, 2, 6, ok=6), 3, "worker 0 made 2 reports of 6 attempts, and 1 of 3 came"),  # the last one
        ([(0, 3), (0, 6)], bye(0, 2, 6, ok=6), 6, "worker 0 made 2 reports of 6 attempts, and 2 of 6 came"),  # one came twice
        ([(0, 6)], bye(0, 1, 7, ok=6), 6, "worker 0 made 1 reports of 6 attempts, and 1 of 6 came"),  # one more was started
        ([(0, 6)], bye(0, 1, 6, ok=5, dns=1), 6, "worker 0 made 1 reports of 6 attempts, and 1 of 6 came"),  # of another kind
        ([(0, 6)], bye(0, 1, 6, ok=6), 5, "the workers ended 6 attempts, and 5 were counted"),  # lost in the merge
    ],
)
def test_a_flush_that_is_not_whole(reports: list[tuple[int, int]], said: Bye, merged: int, what: str) -> None:
    """Each way in which it may be."""
    roster = Roster(1, Clock())
    roster.enter(Hello("x"))
    before = 0
    for number, ended in reports:
        roster.report(report(0, number, ended, ended, ok=ended - before))
        before = ended
    roster.bye(said)
    found = roster.unflushed(Counter(ok=merged))
    assert found is not None
    assert ("flush_incomplete", what, True) == (found.code, found.what, found.invalid)
