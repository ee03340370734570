"""A long answer goes to its line in steps: the same bytes as at once, no secret in them, and no line where it was stopped."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import results
from harness.errors import StorageError
from harness.journal_log import LineLog, read_lines
from harness.loadgen import attempt
from harness.loadgen.attempt import Asked, Finished
from harness.loadgen.exchange import STEP_BYTES, Exchange
from harness.records import Answer, AttemptStart, Deadlines, Ending, Phase
from harness.wire.dialects import openai_chat
from harness.wire.pieces import PIECE_CHARS
from harness.wire.transcript import Transcript

KEY = 'sk-"CANARY\\0123456789'
ASKED = Asked(openai_chat, stream=True, model="m", key=KEY, hidden=("me:SECRET",))
START = AttemptStart("0-1", "e", "1", Phase.MEASURE, 0, "q", 0, 0)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
LONG = 'é\u4e2d"\\\n\x01\U0001f600</ \u2028' * 10_000


def ended(texts: list[str], kind: bytes = b"text/event-stream") -> tuple[Exchange, Transcript]:
    """An exchange that has been answered with these texts, an event each; or as one document."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns = 1
    said = [{"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]} for text in texts]
    events = kind == b"text/event-stream"
    body = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in said) if events else json.dumps(said[0]).encode()
    exchange.parser.feed(5, HEAD % (kind, len(body)) + body)
    exchange.end(Ending.COMPLETE, 9)
    return exchange, transcript


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LineLog]:
    log = LineLog(tmp_path / "answers-000.jsonl")
    yield log
    log.close()


def in_steps(texts: list[str], log: LineLog, kind: bytes = b"text/event-stream") -> tuple[int, Finished]:
    """How many steps it took, and what came of it. A failure to write is none here."""
    steps = attempt.steps(START, *ended(texts, kind), ASKED, lambda: None, log, lambda failed: None)
    number = 1
    while True:
        try:
            assert next(steps) is True
        except StopIteration as done:
            return number, done.value
        number += 1


def at_once(texts: list[str], path: Path, kind: bytes = b"text/event-stream") -> tuple[bytes, Finished]:
    """The line and the outcome of the same answer in one go."""
    done = attempt.finish(START, *ended(texts, kind), ASKED, None)
    whole = LineLog(path)
    whole.write(done.answer or Answer("", "", "", ""))
    whole.close()
    return path.read_bytes(), done


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/json"])
@pytest.mark.parametrize(
    "text",
    [
        "short",
        LONG,
        "x" * (STEP_BYTES // 2 - 1),
        "x" * STEP_BYTES,
        "\U0001f600" * (2 * PIECE_CHARS),
        f"{KEY} me:SECRET " * 20_000,
    ],
    ids=["short", "of all kinds", "half a step", "a step", "emoji", "secrets"],
)
def test_in_steps_as_at_once(text: str, kind: bytes, log: LineLog, tmp_path: Path) -> None:
    """Line, hash and length are the same; a short answer takes one step, a long one one for each piece of it."""
    number, done = in_steps([text], log, kind)
    line, whole = at_once([text], tmp_path / "whole.jsonl", kind)
    assert line == (tmp_path / "answers-000.jsonl").read_bytes()
    assert whole.end == done.end
    (answer,) = results.read_answers(tmp_path)
    assert answer == whole.answer
    assert (number == 1) == (len(text) < STEP_BYTES // 2)
    assert number >= len(text) // (2 * PIECE_CHARS)


def test_halves_of_a_character_in_two_pieces(log: LineLog, tmp_path: Path) -> None:
    """An emoji whose halves came in two events, on either side of a piece's end, is that emoji."""
    in_steps(["x" * (PIECE_CHARS - 1) + "\ud83d", "\ude00y"], log)
    (answer,) = results.read_answers(tmp_path)
    assert "x" * (PIECE_CHARS - 1) + "\U0001f600y" == answer.text


@pytest.mark.parametrize("spelled", [KEY, json.dumps(KEY)[1:-1], repr(KEY)[1:-1], "me:SECRET"])
def test_a_secret_across_pieces_is_not_written(spelled: str, log: LineLog, tmp_path: Path) -> None:
    """Wherever the end of a piece cuts it."""
    for cut in range(len(spelled) + 1):
        text = "x" * (PIECE_CHARS - cut) + spelled + "y" * PIECE_CHARS
        in_steps([text], log)
    expected = ["x" * (PIECE_CHARS - cut) + "[key]" + "y" * PIECE_CHARS for cut in range(len(spelled) + 1)]
    assert expected == [answer.text for answer in results.read_answers(tmp_path)]


def test_killed_between_two_steps(log: LineLog, tmp_path: Path) -> None:
    """At whatever step: the answers before it are there, its own line is torn and counted, and nothing is made up."""
    in_steps(["before"], log)
    steps = attempt.steps(START, *ended([LONG]), ASKED, lambda: None, log, lambda failed: None)
    torn = []
    for _ in steps:
        lines = list(read_lines(tmp_path / "answers-000.jsonl", Answer))
        assert "before" == lines[0].text
        assert {None} >= set(lines[1:])
        torn.append(len(lines) - 1)
    assert [1] * 5 == torn[-5:]
    assert [LONG] == [answer.text for answer in results.read_answers(tmp_path)][1:]


def test_a_line_that_was_given_up_spoils_no_other(log: LineLog, tmp_path: Path) -> None:
    """A bug of ours ends a line in its middle: the next ones are whole, and one is torn."""
    steps = attempt.steps(START, *ended([LONG]), ASKED, lambda: None, log, lambda failed: None)
    for _ in range(4):
        next(steps)
    steps.close()
    in_steps(["next"], log)
    in_steps([LONG], log)
    lines = list(read_lines(tmp_path / "answers-000.jsonl", Answer))
    assert [None, "next", LONG] == [line and line.text for line in lines]


def test_where_the_disk_is_full_the_end_record_is_whole(log: LineLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is told once, hash and length are those of the answer, and what is written later can be read."""
    _, whole = at_once([LONG], tmp_path / "whole.jsonl")
    write, failures = os.write, []
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:1000]))
    steps = attempt.steps(START, *ended([LONG]), ASKED, lambda: None, log, failures.append)
    done = None
    while done is None:
        try:
            next(steps)
        except StopIteration as end:
            done = end.value
    monkeypatch.undo()
    assert [StorageError] == list(map(type, failures))
    assert whole.end == done.end
    in_steps(["next"], log)
    lines = list(read_lines(tmp_path / "answers-000.jsonl", Answer))
    assert [None, "next"] == [line and line.text for line in lines]


def test_without_text_there_is_no_line(log: LineLog, tmp_path: Path) -> None:
    """An answer that has no text has no line, no hash and no length."""
    _, done = in_steps([""], log)
    assert (None, None) == (done.end.answer_sha256, done.end.answer_chars)
    assert b"" == (tmp_path / "answers-000.jsonl").read_bytes()


def test_only_a_text_at_the_end_can_come_in_pieces(log: LineLog) -> None:
    """Any other record is refused before a byte of it is written."""
    with pytest.raises(ValueError, match="last field"):
        next(log.write_long(START, ["x"]))
