"""Conversations by turn, from attempts that are given by hand."""

import handmade
import msgspec
import pytest

from harness.journal_reader import Attempt
from harness.records import Usage
from harness.report import join, turns
from harness.report.cells import cells
from harness.report.figures import Conversations


def talk(*attempts: Attempt) -> Conversations | None:
    made = handmade.run(attempts)
    return turns.figures(next(cells(made, join.frame(made, {}, graded=False))))


def turn(conversation: str, number: int, attempt: Attempt, asked: int = 100, cached: int | None = 0) -> Attempt:
    start = msgspec.structs.replace(attempt.start, turn=number, turns=3, conversation=conversation)
    assert attempt.end is not None
    usage = Usage(input_tokens=asked, output_tokens=5, cached_read_tokens=cached)
    return Attempt(start, msgspec.structs.replace(attempt.end, usage=usage), 0)


def test_each_turn_has_its_size_and_its_cached_share() -> None:
    """Means over all attempts at it; the share is of tokens, and None where nobody tells."""
    found = talk(
        *(turn("t1", of, handmade.ok(1 + of), 100 + 100 * of, 80 * of) for of in range(3)),
        *(turn("t4", of, handmade.ok(4 + of), 200 + 100 * of, 40 * of) for of in range(2)),
    )
    assert found is not None
    assert [(0, 2, 150.0, 0.0), (1, 2, 250.0, 0.24), (2, 1, 300.0, pytest.approx(160 / 300))] == [
        (each.turn, each.n, each.input_tokens_mean, each.cached_ratio) for each in found.turns
    ]
    assert [2, 2, 1] == [each.ttft_s.n for each in found.turns]
    untold = talk(turn("t1", 0, handmade.ok(1), cached=None))
    assert untold is not None
    assert untold.turns[0].cached_ratio is None


def test_what_was_not_reached_is_counted_by_its_reason() -> None:
    """Two turns after a first that failed, one after a second that was ok when the block closed, three of a dropped arrival."""
    dropped = handmade.failed(4, "dropped")
    dropped = Attempt(msgspec.structs.replace(dropped.start, dispatched_ns=None, scheduled_ns=2_000_000_000), dropped.end, 0)
    found = talk(
        turn("t1", 0, handmade.failed(1, "http_server_error")),
        turn("t2", 0, handmade.ok(2)),
        turn("t2", 1, handmade.ok(3)),
        turn("t4", 0, dropped),
    )
    assert found is not None
    assert (3, 6, 5) == (found.n, found.not_reached, found.not_reached_after_failure)


def test_without_conversations_there_is_no_table() -> None:
    """None, and not zeros."""
    assert talk(handmade.ok(1)) is None
