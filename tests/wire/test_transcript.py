"""A response of OpenAI's dialect, replayed whole, bytewise and at every split, to text, stamps, usage and kind."""

import gzip
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records import Ending
from harness.wire.dialects import openai_chat
from harness.wire.outcome import classify
from harness.wire.transcript import Transcript

SSE = {"content-type": "text/event-stream"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}


def event(delta: dict | None = None, finish: str | None = None, **more: object) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices, **more}, ensure_ascii=False).encode() + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
WORDS = [event({"content": "Grüße"}), event({"content": ",\u2028"}), event({"content": " Welt"})]
STOP = event({}, "stop")
LAST = event(None, usage=USAGE)
DONE = b"data: [DONE]\n\n"
STREAM = b"".join([ROLE, *WORDS, STOP, LAST, DONE])


def heard(body: bytes, cuts: list[int] = [], headers: dict[str, str] = SSE, status: int = 200) -> Transcript:  # noqa: B006
    transcript = Transcript(openai_chat)
    transcript.begin(status, headers)
    for stamp, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(body)], strict=True)):
        transcript.feed(stamp, body[start:end])
    transcript.close()
    return transcript


def kind(transcript: Transcript, ending: Ending = Ending.COMPLETE, status: int = 200) -> tuple[str, tuple[str, ...]]:
    outcome = classify(ending, status, transcript, openai_chat, asked_stream=True, asked_model="model-1")
    return outcome.kind, outcome.flags


def test_text_and_usage_at_every_split() -> None:
    """However the bytes are cut, the transcript says the same; a character cut in two is whole again."""
    for cuts in [[], list(range(1, len(STREAM)))] + [[cut] for cut in range(1, len(STREAM))]:
        transcript = heard(STREAM, cuts)
        assert "Grüße,\u2028 Welt" == transcript.text
        assert 3 == transcript.chunks
        assert (9, 4, 3) == (
            transcript.usage.input_tokens,
            transcript.usage.cached_read_tokens,
            transcript.usage.output_tokens,
        )
        assert "ok" == kind(transcript)[0]


def test_first_token_is_not_the_role_chunk() -> None:
    """The role chunk carries no token: the first stamp is that of the first content."""
    first = len(ROLE)
    second = first + len(WORDS[0])
    transcript = heard(STREAM, [first, second])
    assert [1, 2, 2] == list(transcript.stamps_ns)
    assert [] == transcript.tokens
    assert 1 == transcript.first_token_ns


def test_first_output_comes_after_reasoning() -> None:
    """Reasoning is a token but no output: TTFT and TTFO part."""
    thinking = event({"reasoning_content": "hm"})
    body = thinking + WORDS[0] + STOP + DONE
    transcript = heard(body, [len(thinking)])
    assert (0, 1) == (transcript.first_token_ns, transcript.first_output_ns)
    assert ("hm", "Grüße") == (transcript.reasoning, transcript.text)


def test_usage_in_every_chunk_counts_tokens_and_is_never_summed() -> None:
    """vLLM's continuous usage: the last one counts, and differences are tokens per chunk."""
    counts = [2, 3, 6]
    chunks = [event({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": count}) for count in counts]
    body = b"".join(chunks) + event({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 6}) + DONE
    cuts = [len(chunks[0]), len(chunks[0]) + len(chunks[1])]
    transcript = heard(body, cuts)
    assert [0, 1, 2] == list(transcript.stamps_ns)
    assert [2, 1, 3] == transcript.tokens
    assert (1, 2, 6) == (transcript.first_read_chunks, transcript.first_read_tokens, transcript.usage.output_tokens)
    together = heard(body, cuts[1:])
    assert (2, 3) == (together.first_read_chunks, together.first_read_tokens)
    assert ("ok", ()) == kind(transcript)


TROUBLE = {
    "refusal": (event({"refusal": "I cannot"}) + STOP + DONE, "refused"),
    "content filter": (WORDS[0] + event({}, "content_filter") + DONE, "blocked_output"),
    "nothing said": (ROLE + STOP + DONE, "empty_output"),
    "error in the stream": (WORDS[0] + b'data: {"error": {"message": "no", "code": "overloaded"}}\n\n' + DONE, "stream_error"),
    "error event": (WORDS[0] + b'event: error\ndata: {"message": "no"}\n\n', "stream_error"),
    "error object": (WORDS[0] + b'data: {"object": "error", "message": "no"}\n\n' + DONE, "stream_error"),
    "error as a string": (WORDS[0] + b'data: {"error": "no"}\n\n', "stream_error"),
    "no finish reason": (WORDS[0] + DONE, "stream_truncated"),
    "unknown finish reason": (WORDS[0] + event({}, "weird") + DONE, "stream_error"),
    "malformed event": (WORDS[0] + b"data: {oops\n\n" + STOP + DONE, "malformed_event"),
    "cut inside the last event": (WORDS[0] + b'data: {"choices": [{"del', "stream_truncated"),
    "a bare JSON error between the events": (WORDS[0] + b'{"error": {"message": "overloaded"}}\n', "stream_error"),
    "an event past the limit": (b"data: " + b"x" * 9_000_000, "oversize"),
    "no body": (b"", "empty_body"),
    "stray text": (b"<html>login</html>", "unexpected_content"),
}


@pytest.mark.parametrize(("body", "expected"), TROUBLE.values(), ids=TROUBLE.keys())
def test_nothing_bad_counts_as_success(body: bytes, expected: str) -> None:
    """Each way to fail inside a 200 has its own kind."""
    assert expected == kind(heard(body))[0]


FINE = {
    "no [DONE]": (WORDS[0] + STOP + LAST, ()),
    "no usage": (WORDS[0] + STOP + DONE, ("no_usage",)),
    "cut at max_tokens": (WORDS[0] + event({}, "length") + LAST + DONE, ("length",)),
    "tools only": (event({"tool_calls": [{"index": 0}]}) + event({}, "tool_calls") + LAST + DONE, ("tool_calls",)),
    "events after [DONE]": (WORDS[0] + STOP + LAST + DONE + WORDS[1], ()),
    "two usages that differ": (
        WORDS[0] + STOP + LAST + event(None, usage={"completion_tokens": 8}) + DONE,
        ("usage_conflict",),
    ),
    "negative usage": (WORDS[0] + STOP + event(None, usage={"completion_tokens": -1}) + DONE, ("bad_usage",)),
    "a sum that does not add up": (
        WORDS[0] + STOP + event(None, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}) + DONE,
        ("bad_usage",),
    ),
    "a count that is no number": (
        WORDS[0] + STOP + b'data: {"choices": [], "usage": {"completion_tokens": "3"}}\n\n' + DONE,
        ("bad_usage",),
    ),
    "NaN for a count": (
        WORDS[0] + STOP + b'data: {"choices": [], "usage": {"completion_tokens": NaN}}\n\n' + DONE,
        ("bad_usage",),
    ),
    "a whole number with a point": (WORDS[0] + STOP + event(None, usage={"completion_tokens": 3.0}) + DONE, ()),
    "a blank behind [DONE]": (WORDS[0] + STOP + LAST + b"data: [DONE] \n\n", ()),
    "empty events that keep alive": (WORDS[0] + b"data:\n\n" + STOP + LAST + DONE, ()),
    "an empty finish reason in between": (event({"content": "x"}, "") + STOP + LAST + DONE, ()),
    "an empty error object": (event({"content": "x"}, error={}) + STOP + LAST + DONE, ()),
    "another model answers": (event({"content": "x"}, "stop", model="other", usage=USAGE) + DONE, ("model_mismatch",)),
    "an empty choices list first": (event(None) + WORDS[0] + STOP + LAST + DONE, ()),
}


@pytest.mark.parametrize(("body", "flags"), FINE.values(), ids=FINE.keys())
def test_oddities_are_flags(body: bytes, flags: tuple[str, ...]) -> None:
    """What is odd but does not decide is a flag of an ok attempt."""
    assert ("ok", flags) == kind(heard(body))


def test_halves_of_a_character_in_two_chunks() -> None:
    """JavaScript servers cut an emoji into lone surrogates: the text is whole all the same."""
    halves = b"".join(b'data: {"choices": [{"delta": {"content": "\\u%s"}}]}\n\n' % half for half in (b"d83d", b"de00"))
    transcript = heard(halves + STOP + LAST + DONE)
    assert "\U0001f600" == transcript.text
    assert "ok" == kind(transcript)[0]


def test_an_error_status_outlives_its_body() -> None:
    """What the server said with its status is the verdict, though the body never ends."""
    transcript = heard(b"", status=503)
    assert "http_unavailable" == kind(transcript, Ending.TIMEOUT_FIRST_TOKEN, status=503)[0]


def test_cut_after_the_head_is_truncated_or_reset() -> None:
    """The transport's word decides when the stream just stops."""
    partial = heard(WORDS[0])
    assert "stream_truncated" == kind(partial, Ending.EOF)[0]
    assert "stream_reset" == kind(partial, Ending.RESET)[0]
    assert "timeout_idle" == kind(partial, Ending.TIMEOUT_IDLE)[0]


def test_json_answer_to_a_streaming_request_has_no_first_token() -> None:
    """A whole document is a good answer, flagged, from which no TTFT is made."""
    body = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": USAGE}).encode()
    transcript = heard(body, [5], {"content-type": "application/json"})
    assert transcript.whole
    assert ("ok", ("not_streamed",)) == kind(transcript)
    assert "hi" == transcript.text


def test_json_error_with_status_200() -> None:
    """An error object in a 200 is the provider's error."""
    body = b'{"error": {"message": "quota", "code": "insufficient_quota"}}'
    transcript = heard(body, headers={"content-type": "application/json"})
    assert "stream_error" == kind(transcript)[0]


def test_all_chunks_in_one_read_is_flagged() -> None:
    """A proxy that buffers gives no timings: E2E only."""
    assert ("ok", ("buffered",)) == kind(heard(STREAM))


def test_stream_without_content_type_is_recognised() -> None:
    """Some gateways forget the header; the first byte tells."""
    assert "ok" == kind(heard(STREAM, headers={}))[0]


def test_compressed_stream_is_read_within_bounds() -> None:
    """gzip is inflated, and a bomb stops at the cap."""
    assert "ok" == kind(heard(gzip.compress(STREAM), headers=SSE | {"content-encoding": "gzip"}))[0]
    members = b"".join(gzip.compress(part) for part in (ROLE, *WORDS, STOP, LAST, DONE))
    assert "Grüße,\u2028 Welt" == heard(members, headers=SSE | {"content-encoding": "gzip"}).text
    bomb = gzip.compress(b"data: " + b"x" * 40_000_000)
    assert "oversize" == kind(heard(bomb, headers=SSE | {"content-encoding": "gzip"}))[0]


STATUSES = [
    (400, "context_length_exceeded", "context_length"),
    (400, "content_filter", "blocked_input"),
    (400, "bad", "http_bad_request"),
    (401, None, "http_auth"),
    (404, "model_not_found", "model_not_found"),
    (404, None, "http_not_found"),
    (429, None, "http_rate_limited"),
    (429, "insufficient_quota", "quota_exhausted"),
    (500, None, "http_server_error"),
    (503, None, "http_unavailable"),
    (529, None, "http_overloaded"),
    (599, None, "http_5xx"),
    (302, None, "http_redirect"),
]


@pytest.mark.parametrize(("status", "code", "expected"), STATUSES)
def test_error_statuses(status: int, code: str | None, expected: str) -> None:
    """Status and code name the kind; the provider's words are kept."""
    body = json.dumps({"error": {"message": "words", "code": code}}).encode()
    transcript = heard(body, headers={"content-type": "application/json"}, status=status)
    outcome = classify(Ending.COMPLETE, status, transcript, openai_chat, asked_stream=True)
    assert expected == outcome.kind
    assert "words" in (outcome.error or "")


@pytest.mark.parametrize("body", [b'{"detail": "Not Found"}', b"Internal Server Error", b"\xff\xfe", b"[" * 100_000])
def test_error_bodies_of_other_shapes_are_quoted(body: bytes) -> None:
    """What is not OpenAI's error object is shown as it came, and the status alone names the kind."""
    transcript = heard(body, headers={"content-type": "application/json"}, status=404)
    outcome = classify(Ending.COMPLETE, 404, transcript, openai_chat, asked_stream=True)
    assert "http_not_found" == outcome.kind
    assert body[:300].decode("utf-8", "replace") in (outcome.error or "")


def test_request_overrides_and_secrets() -> None:
    """Parameters and extra body lie over the body; the key is a header and nowhere else."""
    from harness.records import Call, Message, Target

    call = Call("e1", (Message("user", "hi"),))
    target = Target(
        "http://h/v1/", "m", parameters={"temperature": 0}, extra_body={"stream_options": None}, headers={"X-A": "1"}
    )
    made = openai_chat.request(call, target, "sk-key")
    body = json.loads(made.body)
    assert "http://h/v1/chat/completions" == made.url
    assert (True, None, 0) == (body["stream"], body["stream_options"], body["temperature"])
    assert {"authorization": "Bearer sk-key", "x-a": "1"}.items() <= dict(made.headers).items()
    assert b"sk-key" not in made.body


def all_said(transcript: Transcript) -> dict[str, object]:
    """Everything that a transcript tells, and what follows from it."""
    names = ("text", "reasoning", "refusal", "tools", "chunks", "tokens", "events", "usage", "finish", "error", "model", "cut")
    names += ("malformed", "ended", "first_output_ns", "body_bytes", "last_byte_ns", "usages_differ", "document")
    said = {name: getattr(transcript, name) for name in names}
    return said | {"stamps": list(transcript.stamps_ns), "kind": kind(transcript)}


ODD = [
    ROLE,
    STOP,
    LAST,
    DONE,
    event({"content": ""}),
    event({"reasoning_content": "hm"}),
    event({"content": "x", "reasoning_content": None, "refusal": None, "tool_calls": None}),
    event({"content": "x"}, model="model-1"),
    event({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 2}),
    event({"content": [{"type": "text", "text": "part"}]}),
    event({"tool_calls": [{"function": {"arguments": "{"}}]}),
    event({"refusal": "no"}),
    event({"content": "x"}, "length"),
    b'data: {"choices":[{"index":1,"delta":{"content":"another choice"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
    b'data: {"error":{"message":"overloaded","code":"x"}}\n\n',
    b"data: {broken\n\n",
    b'data: {"choices":[{"delta":{"content":"a"}}]},{"choices":[{"delta":{"content":"b"}}]}\n\n',
    b"event: error\ndata: {}\n\n",
    b": ping\n\n",
    b"data:\n\n",
    b"data: \n\n",
    b'data: {"choices":\ndata: [{"delta":{"content":"two lines"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"crlf"}}]}\r\n\r\n',
    b'{"error": "stray"}\n',
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_many_reads_at_once_say_what_they_say_one_by_one(data: st.DataObject) -> None:
    """A stream of plain and odd events, cut anywhere and handed over in batches, gives the transcript of single reads."""
    plain = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30)
    parts = data.draw(st.lists(plain | st.lists(st.sampled_from(ODD), max_size=2), max_size=6))
    events = [each for part in parts for each in part]
    sizes = data.draw(st.lists(st.integers(1, 4) | st.just(50), min_size=len(events), max_size=len(events)))
    body = b"".join(events)
    cuts = [sum(map(len, events[:end])) for end in itertools.accumulate(sizes) if end < len(events)]
    cuts = sorted({*cuts, *data.draw(st.lists(st.integers(0, len(body)), max_size=2))} - {0, len(body)})
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    batched = Transcript(openai_chat)
    batched.begin(200, SSE)
    batch = data.draw(st.integers(1, 50))
    for start in range(0, len(pieces), batch):
        batched.feed_all(range(start, min(start + batch, len(pieces))), pieces[start : start + batch])
    batched.close()
    assert all_said(heard(body, cuts)) == all_said(batched)


def test_plain_text_takes_the_short_way() -> None:
    """The decode of many at once is used: with its `read` gone, a dialect still hears a run of text that has begun."""
    transcript = Transcript(openai_chat)
    transcript.begin(200, SSE)
    transcript.feed(0, ROLE)
    transcript.feed(1, WORDS[0])
    transcript._read = None  # type: ignore[assignment]
    transcript.feed_all([2, 3, 4], [WORDS[1], WORDS[2], WORDS[0] + WORDS[1]])
    assert "Grüße,\u2028 WeltGrüße,\u2028" == transcript.text
    assert [1, 2, 3, 4, 4] == list(transcript.stamps_ns)


def test_a_large_read_takes_the_short_way_but_for_its_odd_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """One read may hold a whole answer: what begins and ends it, event by event, must not make the rest go so, too."""
    slow: list[bytes] = []
    monkeypatch.setattr(openai_chat, "read", lambda name, data, read=openai_chat.read: slow.append(data) or read(name, data))
    transcript = Transcript(openai_chat)
    transcript.begin(200, SSE)
    transcript.feed(7, b"".join([ROLE, *WORDS * 100, STOP, LAST, DONE]))
    assert [7] * len(WORDS) * 100 == list(transcript.stamps_ns)
    assert 3 < len(slow) < 40


def test_large_reads_of_something_else_are_tried_a_few_times() -> None:
    """A stream of reasoning must not be decoded twice for ever."""
    tried: list[bytes] = []
    transcript = Transcript(openai_chat)
    transcript.begin(200, SSE)
    transcript._plain = tried.append  # type: ignore[assignment]
    thought = event({"reasoning_content": "hm"})
    for stamp_ns in range(20):
        transcript.feed(stamp_ns, thought * 100)
    assert 2000 == transcript.chunks
    assert len(tried) < 20
