"""Plans: which bytes are due when, without a clock."""

import json

import pytest

from harness.records import Message
from harness.simulator import plan
from harness.simulator.answer import Answer, Ask
from harness.simulator.candidate import Candidate, Draws, Lognormal
from harness.simulator.dialects import openai_chat
from harness.simulator.http1 import Request

MS = 1_000_000
REQUEST = Request("POST", "/", {}, b"", received_ns=1_000 * MS, keep_alive=True)
OWN = {"x-request-id": "a-1"}
ASK = Ask(model="m", messages=(Message("user", "Hi"),))
EXACT = Candidate(name="a", model="m", ttft=Lognormal(0.1), itl=Lognormal(0.01))


def spoken(reasoning: list[str], content: list[str]) -> Answer:
    return Answer("e", True, reasoning, content, "stop", prompt_tokens=1, cached_tokens=0)


def streamed(answer: Answer, tokens_per_chunk: int) -> list[plan.Piece]:
    script = openai_chat.stream(ASK, answer, "a-1", 0)
    return list(plan.streamed(REQUEST, OWN, script, answer, Draws(EXACT, 1, 1), tokens_per_chunk))


def due_ms(pieces: list[plan.Piece]) -> list[tuple[float, int]]:
    return [(piece.due_ns / MS - 1_000, piece.tokens) for piece in pieces]


def test_each_token_is_due_one_gap_after_the_one_before() -> None:
    """The head at once, the first token at ttft, and the end together with the last token."""
    assert [(0, 0), (100, 1), (110, 1), (120, 1), (120, 0)] == due_ms(streamed(spoken(["r"], ["a", "b"]), 1))


def test_an_event_of_several_tokens_takes_the_sum_of_their_gaps() -> None:
    """Reasoning and content never share an event, and a rest takes only its own gaps."""
    pieces = streamed(spoken(["r"] * 3, ["a"] * 5), 2)
    assert [(0, 0), (100, 2), (110, 1), (130, 2), (150, 2), (160, 1), (160, 0)] == due_ms(pieces)


def test_an_answer_without_tokens_still_begins_and_ends() -> None:
    """Its role and its finish are due at ttft."""
    pieces = streamed(spoken([], []), 1)
    assert [(0, 0), (100, 0)] == due_ms(pieces)
    assert b'"role":"assistant"' in pieces[-1].data


def test_the_pieces_are_one_chunked_body() -> None:
    """Each token travels in a chunk of its own; the role comes with the first one."""
    pieces = streamed(spoken([], ["a", "b"]), 1)
    assert pieces[0].data.endswith(b"x-request-id: a-1\r\n\r\n")
    assert [2, 1, 2] == [piece.data.count(b"\r\ndata: ") + piece.data.count(b"0\r\n\r\n") for piece in pieces[1:]]
    assert pieces[-1].data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_a_whole_answer_is_due_with_the_last_token_of_the_stream() -> None:
    """Streaming changes when one sees tokens, not when the last one is there."""
    profile = Candidate(name="a", model="m")
    answer = spoken(["r"] * 3, ["a"] * 5)
    script, body = openai_chat.stream(ASK, answer, "a-1", 0), openai_chat.document(ASK, answer, "a-1", 0)
    *_, last = plan.streamed(REQUEST, OWN, script, answer, Draws(profile, 1, 1), 2)
    [piece] = plan.whole(REQUEST, OWN, body, answer, Draws(profile, 1, 1), 2)
    assert (last.due_ns, 8) == (piece.due_ns, piece.tokens)
    assert answer.completion_tokens == json.loads(piece.data.partition(b"\r\n\r\n")[2])["usage"]["completion_tokens"]


def joined(reasoning: list[str], content: list[str], tokens_per_chunk: int) -> list[plan.Piece]:
    answer = spoken(reasoning, content)
    candidate = Candidate(name="a", model="m", ttft=Lognormal(0.1), itl=Lognormal(0.0))
    script = openai_chat.stream(ASK, answer, "a-1", 0)
    return list(plan.streamed(REQUEST, OWN, script, answer, Draws(candidate, 1, 1), tokens_per_chunk, joined=True))


@pytest.mark.parametrize("tokens_per_chunk", [1, 3])
def test_joined_pieces_are_the_same_bytes_in_fewer_sends(tokens_per_chunk: int) -> None:
    """The first event is alone, then a block of events goes in one piece, whose list of events adds up to it."""
    reasoning, content = [" r"] * 5, [" a"] * 200
    pieces = joined(reasoning, content, tokens_per_chunk)
    alone = streamed(spoken(reasoning, content), tokens_per_chunk)
    assert b"".join(piece.data for piece in alone) == b"".join(piece.data for piece in pieces)
    assert [0, tokens_per_chunk, 5 - tokens_per_chunk] == [piece.tokens for piece in pieces[:3]]
    assert 205 == sum(piece.tokens for piece in pieces)
    assert max(len(piece.events) for piece in pieces) == plan.BLOCK
    for piece in pieces:
        if piece.events:
            assert (len(piece.data), piece.tokens) == tuple(map(sum, zip(*piece.events, strict=True)))


def test_a_piece_that_is_taken_in_parts_counts_each_event_when_it_begins() -> None:
    """At every split, and at every second one: bytes and tokens add up, and a token counts with its event's first byte."""
    data = b"aaabbccccc"
    whole = plan.Piece(1, data, 6, [(3, 1), (2, 2), (5, 3)])
    begins = {0: 1, 3: 2, 5: 3}
    for first in range(1, len(data)):
        begun, rest = whole.split(first)
        assert (data[first:], sum(tokens for at, tokens in begins.items() if at < first)) == (rest.data, begun)
        assert 6 == begun + rest.tokens
        for second in range(1, len(rest.data)):
            more, last = rest.split(second)
            assert data[first + second :] == last.data
            assert sum(tokens for at, tokens in begins.items() if at < first + second) == begun + more
    assert (0, whole) == whole.split(0)
    assert (1, plan.Piece(1, b"b", 0, [(1, 0)])) == plan.Piece(1, b"ab", 1).split(1)


def test_long_events_are_made_one_by_one() -> None:
    """A block holds no more than about 64 KB of text: what is made ahead stays small where one event is large."""
    pieces = joined([], [" " + "w" * 60_000] * 5, 1)
    assert [1] * 5 == [piece.tokens for piece in pieces if piece.tokens]
