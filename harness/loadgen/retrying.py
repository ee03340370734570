"""Evaluation mode at a worker: what failed by accident is asked again, until an answer comes or its attempts are used up.

The rule: each attempt is one of its own in the journal. No other load comes here, and none asks again.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from harness.load import EvaluationLoad
from harness.loadgen.gate import Turn
from harness.loadgen.seat import Seat
from harness.loadgen.talk import Place, Said, Waits
from harness.records import AttemptEnd, AttemptStart, Block, Call
from harness.trial import Trial
from harness.workload.backoff import Backoff


class Tried(NamedTuple):
    """One attempt, decoded; `said` as in `talk`."""

    start: AttemptStart
    end: AttemptEnd
    said: Said | None


Try = Callable[[Seat, Turn, Call, Place | None, Trial], Tried]


class Retrying:
    """Asks as `Worker` does. `attempt` makes one attempt and returns when it is decoded; `is_open` looks at a block."""

    def __init__(self, load: EvaluationLoad, attempt: Try, waits: Waits, is_open: Callable[[Block], bool]) -> None:
        self._backoff = Backoff(load.attempts_most, load.backoff_s, load.backoff_most_s)
        self._seed, self._attempt, self._waits, self._is_open = load.seed, attempt, waits, is_open

    def ask(self, seat: Seat, turn: Turn, call: Call, place: Place | None = None) -> Said | None:
        """One answer; of a conversation that of one turn. What has been asked when the block closes is not asked again."""
        trial = Trial()
        while True:
            tried = self._attempt(seat, turn, call, place, trial)
            made = trial.number + 1
            if not self._backoff.may_retry(tried.end.kind, made) or not self._is_open(turn.block):
                return tried.said
            now_ns = time.monotonic_ns()
            self._waits.think(now_ns + round(self._wait_s(turn, place, made, tried.end) * 1e9))
            if not self._is_open(turn.block):
                return None
            ended_ns = tried.end.done_ns or now_ns
            trial = Trial(made, trial.first or tried.start.id, time.monotonic_ns() - ended_ns)
            place = place and place._replace(conversation=tried.start.conversation)

    def _wait_s(self, turn: Turn, place: Place | None, made: int, end: AttemptEnd) -> float:
        """The same draw at every endpoint."""
        told_s = None if end.quota is None else end.quota.wait_s
        which = 0 if place is None else place.turn
        return self._backoff.wait_s(made, told_s, f"{self._seed}/{turn.block.repetition}/{turn.number}/{which}")
