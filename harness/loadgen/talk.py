"""Conversations under load: one user holds each, from the first turn to the last, and waits for what each turn needs.

The rule: an answer that is not ok, or says nothing, ends the conversation; and where the block has closed no new turn begins.
So a conversation is of one block, and the turns that it did not come to are counted.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

from gevent.hub import Waiter

from harness.loadgen.attempt import Asked
from harness.loadgen.exchange import Exchange
from harness.measure.recorder import OK
from harness.records import AttemptEnd, AttemptStart, Call
from harness.wire.transcript import Transcript
from harness.workload.conversation import continued


class Place(NamedTuple):
    """Of an attempt in its conversation: which of how many turns, and the id of the first attempt, None where it is that."""

    turn: int
    turns: int
    conversation: str | None = None

    @property
    def is_last(self) -> bool:
        return self.turn + 1 == self.turns


class Said(NamedTuple):
    """An answer that can be answered: its text as it is kept, and when it had ended."""

    conversation: str
    text: str
    done_ns: int


class Sent(NamedTuple):
    """An attempt whose response has ended, and may not have been decoded yet."""

    start: AttemptStart
    exchange: Exchange
    transcript: Transcript
    asked: Asked


def said(sent: Sent, end: AttemptEnd) -> Said | None:
    """None where nothing more can be said to it."""
    text = sent.asked.clean(sent.transcript.text) if end.kind == OK else None
    done_ns = sent.exchange.done_ns or sent.exchange.begun_ns
    return Said(sent.start.conversation or sent.start.id, text, done_ns) if text else None


def first_of(call: Call) -> Place | None:
    """None for a call that is no conversation."""
    return None if call.later is None else Place(0, 1 + len(call.later))


def hold(call: Call, ask: Callable[[Call, Place], Said | None], goes_on: Callable[[int, int], bool]) -> None:
    """A whole conversation.

    ask      one turn; None where nothing more can be said to what came of it
    goes_on  after thinking: whether the turn of this number may begin, where the answer before had ended at this moment
    """
    place = first_of(call)
    assert place is not None, "only conversations are held"
    for text in call.later or ():
        said = ask(call, place)
        if said is None or not goes_on(place.turn + 1, said.done_ns):
            return
        call = continued(call, said.text, text)
        place = Place(place.turn + 1, place.turns, said.conversation)
    ask(call, place)


class _Heard:
    """What an attempt came to, once somebody has told."""

    def __init__(self) -> None:
        self.waiter = Waiter()
        self.end: AttemptEnd | None = None


class Waits:
    """What the users of one worker wait for: that an answer has been decoded, and that they have thought.

    In an evaluation they wait before they ask again as if they thought. `wake` lets a waiting greenlet go on, and `start` calls
    `tick` in each tick while somebody thinks.
    """

    def __init__(self, wake: Callable[[Waiter], None], start: Callable[[Callable[[int], bool]], None]) -> None:
        self._wake, self._start = wake, start
        self._heard: dict[str, _Heard] = {}
        self._thinking: list[tuple[int, int, Waiter]] = []  # a heap, by when they have thought
        self._numbers = itertools.count()

    def end(self, attempt: str) -> AttemptEnd:
        """Sleep until `ended` tells what this attempt came to. To be called before anybody else had a chance to run."""
        heard = self._heard[attempt] = _Heard()
        try:
            heard.waiter.get()
        finally:
            del self._heard[attempt]
        assert heard.end is not None, "nobody else wakes who waits here"
        return heard.end

    def ended(self, end: AttemptEnd) -> None:
        """An attempt has been decoded, and its end is in the journal. Called in the hub."""
        heard = self._heard.get(end.id)
        if heard is not None:
            heard.end = end
            self._wake(heard.waiter)

    def think(self, until_ns: int) -> None:
        """Sleep until then, or until all are interrupted."""
        if until_ns <= time.monotonic_ns():
            return
        waiter = Waiter()
        heapq.heappush(self._thinking, (until_ns, next(self._numbers), waiter))
        self._start(self.tick)
        waiter.get()

    def tick(self, now_ns: int) -> bool:
        """Let go who has thought; True while others think. Called in the hub."""
        while self._thinking and self._thinking[0][0] <= now_ns:
            self._wake(heapq.heappop(self._thinking)[2])
        return bool(self._thinking)

    def interrupt(self) -> None:
        """Whoever thinks goes on at once."""
        thinking, self._thinking = self._thinking, []
        for _, _, waiter in thinking:
            self._wake(waiter)
