"""What an evaluation does after each attempt, without a wire."""

import time
from collections.abc import Sequence

import pytest

from harness.load import EvaluationLoad
from harness.loadgen.gate import Gate, Turn
from harness.loadgen.retrying import Retrying, Tried
from harness.loadgen.seat import Seat
from harness.loadgen.talk import Place, Said
from harness.quota import Quota
from harness.records import AttemptEnd, AttemptStart, Block, Call, Phase
from harness.trial import Trial

BLOCK = Block(id=0, cell=0, endpoint="a", level="1", concurrency=1, phase=Phase.MEASURE, seconds=0)
CALL = Call("e", ())
TURN = Turn(BLOCK, 3)


class Played:
    """An endpoint that fails in this order, and then is ok; nobody really waits, and waiting may close the block."""

    def __init__(self, *kinds: str, told_s: float | None = None, closes: bool = False) -> None:
        self._kinds, self._quota = list(kinds), None if told_s is None else Quota(retry_after_s=told_s)
        self.trials: list[Trial] = []
        self.places: list[Place | None] = []
        self.waits_s: list[float] = []
        self._closes, self._open = closes, True

    def attempt(self, _: Seat, turn: Turn, call: Call, place: Place | None, trial: Trial) -> Tried:
        id_ = f"0-{len(self.trials)}"
        self.trials.append(trial)
        self.places.append(place)
        kind = self._kinds.pop(0) if self._kinds else "ok"
        start = AttemptStart(id_, "a", "1", Phase.MEASURE, 0, call.example, 0, 1, conversation=place and id_)
        if place is not None and place.conversation:
            start = AttemptStart(id_, "a", "1", Phase.MEASURE, 0, call.example, 0, 1, conversation=place.conversation)
        end = AttemptEnd(id=id_, kind=kind, done_ns=time.monotonic_ns(), quota=self._quota)
        return Tried(start, end, Said(start.conversation or id_, "text", 1) if kind == "ok" else None)

    def think(self, until_ns: int) -> None:
        self.waits_s.append((until_ns - time.monotonic_ns()) / 1e9)
        self._open = not self._closes

    def is_open(self, _: Block) -> bool:
        return self._open


def asked(played: Played, place: Place | None = None, **load: object) -> Said | None:
    config = EvaluationLoad.model_validate({"kind": "evaluation", **load})
    retrying = Retrying(config, played.attempt, played, played.is_open)  # type: ignore[arg-type]
    return retrying.ask(Seat(0, Gate(lambda waiter: None)), TURN, CALL, place)


def first_ids(trials: Sequence[Trial]) -> list[tuple[int, str | None]]:
    return [(each.number, each.first) for each in trials]


def test_an_answer_is_asked_for_once() -> None:
    """What comes at once has one trial, the first."""
    played = Played()
    said = asked(played)
    assert said is not None
    assert ([Trial()], []) == (played.trials, played.waits_s)


def test_each_further_attempt_knows_the_first() -> None:
    """Two failures, then the answer."""
    played = Played("http_rate_limited", "timeout_idle")
    assert asked(played) is not None
    assert [(0, None), (1, "0-0"), (2, "0-0")] == first_ids(played.trials)
    assert all(0 <= wait_s <= longest for wait_s, longest in zip(played.waits_s, (1.0, 2.0), strict=True))


def test_attempts_are_used_up_and_no_more() -> None:
    """Three of three, and there is nothing to say to it."""
    played = Played(*["http_server_error"] * 9)
    assert None is asked(played, attempts_most=3)
    assert 3 == len(played.trials)


@pytest.mark.parametrize("kind", ["refused", "http_auth", "stream_error", "empty_output"])
def test_what_would_only_be_repeated_is_not_asked_again(kind: str) -> None:
    """One attempt."""
    played = Played(kind)
    assert None is asked(played)
    assert 1 == len(played.trials)


def test_what_the_endpoint_asks_for_is_waited() -> None:
    """90 s by its Retry-After, where the backoff is at most one."""
    played = Played("http_rate_limited", told_s=90.0)
    asked(played)
    assert [pytest.approx(90.0, abs=0.5)] == played.waits_s


def test_a_block_that_closes_meanwhile_ends_it() -> None:
    """The attempt that failed stays the last one."""
    played = Played("http_rate_limited", closes=True)
    assert None is asked(played)
    assert 1 == len(played.trials)


def test_a_turn_that_is_asked_again_stays_in_its_conversation() -> None:
    """Which is named after the first attempt of its first turn, whether that came to something or not."""
    played = Played("conn_lost")
    said = asked(played, Place(0, 3))
    assert said is not None
    assert "0-0" == said.conversation
    assert [Place(0, 3), Place(0, 3, "0-0")] == played.places
