"""From an ended exchange to the record: what is kept, what is not."""

import json
import time
from collections.abc import Iterable
from email.utils import formatdate

import httpx
import msgspec
import pytest
from scripted import Peer, serving

from harness.loadgen import attempt
from harness.loadgen.attempt import Asked, Window
from harness.loadgen.exchange import Exchange
from harness.loadgen.transport import Transport
from harness.measure import timing
from harness.measure.histogram import bucket_counts
from harness.quota import Allowance, Quota
from harness.records import Apart, AttemptEnd, AttemptStart, Deadlines, Ending, LateJoin, Phase
from harness.wire.dialects import openai_chat
from harness.wire.transcript import Transcript

KEY = 'sk-"CANARY\\0123456789'
HIDDEN = ("me:SECRET\\1", "bWU6U0VDUkVU")
ASKED = Asked(openai_chat, stream=True, model="m", key=KEY, hidden=HIDDEN)
START = AttemptStart("0-1", "e", "1", Phase.MEASURE, 0, "q", 0, 0)
HEAD = b"HTTP/1.1 %d OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"


def finished(
    body: bytes, status: int = 200, kind: bytes = b"text/event-stream", window: Window | None = None
) -> attempt.Finished:
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns = 1
    exchange.parser.feed(5, HEAD % (status, kind, len(body)) + body)
    exchange.end(Ending.COMPLETE, 9)
    return attempt.finish(START, exchange, transcript, ASKED, window)


def chunk(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


@pytest.mark.parametrize("padding", ["", "x" * 470, "x" * 490])
def test_the_key_is_in_no_field(padding: str) -> None:
    """A provider that echoes the key, in its error, code, model, finish reason or answer, finds it nowhere in the record."""
    words = f"{padding} bad key {KEY}"
    error = json.dumps({"error": {"message": words, "code": KEY}}).encode()
    answer = chunk(model=KEY, choices=[{"delta": {"content": f"your key is {KEY}"}, "finish_reason": KEY}])
    for done in (finished(error, 401, b"application/json"), finished(error), finished(answer), finished(words.encode(), 500)):
        written = repr(done)
        assert "CANARY" not in written
        assert "0123456789" not in written


def test_what_was_read_late_and_together_is_told() -> None:
    """Two first chunks in a read that came 5 ms after the last look, then one that was late and alone, then two in time."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns = 1
    word = chunk(choices=[{"delta": {"content": "x"}}])
    last = chunk(choices=[{"delta": {}, "finish_reason": "stop"}], usage={"completion_tokens": 5})
    body = word * 5 + last
    exchange.parser.feed(1_000_000, HEAD % (200, b"text/event-stream", len(body)))
    for stamp_ns, data, wait_ns in ((6_000_000, word * 2, 5_000_000), (9_000_000, word, 3_000_000), (9_500_000, word * 2, 0)):
        exchange.parser.feed(stamp_ns, data)
        if wait_ns:
            exchange.late.extend((stamp_ns, wait_ns))
    exchange.parser.feed(9_500_000, last)
    exchange.end(Ending.COMPLETE, 9_500_000)
    end = attempt.finish(START, exchange, transcript, Asked(openai_chat, stream=True, model="m", key=None), None).end
    assert ((LateJoin(None, 5_000_000, 1),), 2, 1) == (end.late_joins, end.coalesced, end.late_coalesced)
    assert "late_first_token" in end.flags
    assert "late_first_token" not in finished(word * 5 + last).end.flags  # in one read, but a read in time


@pytest.mark.parametrize("secret", HIDDEN)
def test_secrets_beside_the_key_are_hidden_like_it(secret: str) -> None:
    """A proxy that echoes user and password, as given or as sent, finds them nowhere in the record either."""
    error = json.dumps({"error": {"message": f"not {secret}", "code": secret}}).encode()
    for done in (finished(error, 502, b"application/json"), finished(f"<p>not {secret}".encode(), 502)):
        assert "SECRET" not in repr(done)
        assert HIDDEN[1] not in repr(done)
        assert "[key]" in done.end.error


@pytest.mark.parametrize(("out_of_order", "later_ns"), [(0, 0), (2, 200_000)])
def test_what_came_in_several_segments_is_told(out_of_order: int, later_ns: int) -> None:
    """Two first chunks in two segments, three in two, two in one; a late read is told as late. A hole moves them."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns, exchange.lag_max_ns, exchange.out_of_order = 1, 200_000, out_of_order
    word = chunk(choices=[{"delta": {"content": "x"}}])
    last = chunk(choices=[{"delta": {}, "finish_reason": "stop"}])
    exchange.parser.feed(1_000_000, HEAD % (200, b"text/event-stream", len(word * 9 + last)))
    for stamp_ns, number in ((6_000_000, 2), (7_000_000, 3), (8_000_000, 2), (12_000_000, 2)):
        exchange.parser.feed(stamp_ns, word * number)
    exchange.apart.extend((6_000_000, 300_000, 1, 7_000_000, 400_000, 1, 12_000_000, 900_000, 1))
    exchange.late.extend((12_000_000, 3_000_000))
    exchange.parser.feed(13_000_000, last)
    exchange.end(Ending.COMPLETE, 13_000_000)
    end = attempt.finish(START, exchange, transcript, ASKED, None).end
    assert Apart(bucket_counts([1_000_000]), 2, 400_000 + later_ns, 300_000 + later_ns) == end.apart
    assert 1 == len(end.late_joins)


def test_one_token_chunks_that_were_read_together_still_tell_itl() -> None:
    """As many tokens as chunks: each chunk was one token, so a read of two shares its gap among them."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns = 1
    word = chunk(choices=[{"delta": {"content": "x"}}])
    last = chunk(choices=[{"delta": {}, "finish_reason": "stop"}], usage={"completion_tokens": 3})
    body = word * 3 + last
    exchange.parser.feed(1_000_000, HEAD % (200, b"text/event-stream", len(body)) + word)
    exchange.parser.feed(9_000_000, word * 2)
    exchange.parser.feed(9_500_000, last)
    exchange.end(Ending.COMPLETE, 9_500_000)
    end = attempt.finish(START, exchange, transcript, Asked(openai_chat, stream=True, model="m", key=None), None).end
    assert (1, [1], [2]) == (end.coalesced, [count for _, count in end.icl], [count for _, count in end.itl])


def four_at_a_time(**usage: object) -> attempt.Finished:
    """Six reads of four chunks, 20 ms apart; what the server counts beside."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns = 1
    word = chunk(choices=[{"delta": {"content": "x"}}])
    last = chunk(choices=[{"delta": {}, "finish_reason": "stop"}], usage=usage)
    exchange.parser.feed(1_000_000, HEAD % (200, b"text/event-stream", len(word * 24 + last)))
    for number in range(1, 7):
        exchange.parser.feed(20_000_000 * number, word * 4)
    exchange.parser.feed(121_000_000, last)
    exchange.end(Ending.COMPLETE, 121_000_000)
    return attempt.finish(START, exchange, transcript, ASKED, Window(50_000_000, None))


@pytest.mark.parametrize(
    ("tokens", "first_read_tokens", "expected_ns"), [(24, 4, 5_000_000), (48, None, 100_000_000 / 44), (None, None, None)]
)
def test_tokens_of_the_first_read_came_in_no_time(
    tokens: int | None, first_read_tokens: int | None, expected_ns: float | None
) -> None:
    """Its stamp is that of all four: 20 tokens came in the 100 ms after it, or as many as are left after one for each chunk."""
    end = four_at_a_time(completion_tokens=tokens).end
    assert (4, first_read_tokens, expected_ns) == (end.first_read_chunks, end.first_read_tokens, timing.tpot_ns(end))


@pytest.mark.parametrize(
    ("completion", "reasoning", "total", "hidden"),
    [(424, 400, 429, True), (424, 400, None, True), (424, 400, 829, False), (24, 400, 429, False), (24, 0, 29, False)],
)
def test_reasoning_that_was_counted_and_not_streamed_is_hidden(
    completion: int, reasoning: int, total: int | None, hidden: bool
) -> None:
    """Not where it is counted beside the output, as the sum or a larger count shows; each chunk may then be a token."""
    details = {"reasoning_tokens": reasoning}
    counts = {"prompt_tokens": 5, "completion_tokens": completion, "total_tokens": total, "completion_tokens_details": details}
    end = four_at_a_time(**counts).end
    assert hidden == (timing.HIDDEN_REASONING in end.flags)
    assert (4 if hidden or completion == 24 else None) == end.first_read_tokens
    if hidden:
        assert (5_000_000, 16) == (timing.tpot_ns(end), timing.window_tokens(end))


def test_reasoning_that_was_streamed_is_not_hidden() -> None:
    """Its chunks are tokens like any other."""
    thought = chunk(choices=[{"delta": {"reasoning_content": "hm"}}])
    usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}
    said = chunk(choices=[{"delta": {"content": "x"}, "finish_reason": "stop"}], usage=usage)
    end = finished(thought + said).end
    assert timing.HIDDEN_REASONING not in end.flags
    assert 9 == timing.arrived_tokens(end)


def test_chunks_in_the_window_are_counted() -> None:
    """Only what arrived while the window was open counts for its throughput."""
    body = chunk(choices=[{"delta": {"content": "x"}, "finish_reason": "stop"}])
    assert 1 == finished(body, window=Window(0, None)).end.window_chunks
    assert 0 == finished(body, window=Window(0, 5)).end.window_chunks


@pytest.mark.parametrize(
    ("out_of_order", "clamps", "last_ns"),
    [(0, (), 9_000_000), (None, (), 9_000_000), (3, (), 9_400_000), (3, (9_000_000,), 9_000_000)],
)
def test_reads_behind_a_hole_are_put_right(out_of_order: int | None, clamps: tuple[int, ...], last_ns: int) -> None:
    """Where segments came out of order, what came together is stamped as late as it may have been readable, its end too."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), 0)
    exchange.sent_ns, exchange.lag_max_ns, exchange.out_of_order, exchange.clamps = 1, 400_000, out_of_order, clamps
    word = chunk(choices=[{"delta": {"content": "x"}}])
    last = chunk(choices=[{"delta": {}, "finish_reason": "stop"}])
    body = word * 3 + last
    exchange.parser.feed(1_000_000, HEAD % (200, b"text/event-stream", len(body)) + word)
    exchange.parser.feed(9_000_000, word * 2 + last)
    exchange.end(Ending.COMPLETE, 9_000_000)
    done = attempt.finish(START, exchange, transcript, ASKED, Window(9_200_000, None))
    assert (1_000_000, 1_000_000, last_ns) == (done.end.headers_ns, done.end.first_token_ns, done.end.last_token_ns)
    assert (last_ns, [last_ns - 1_000_000]) == (done.end.done_ns, list(done.icl_ns))
    assert 2 * (last_ns > 9_200_000) == done.end.window_chunks


def answered(transport: Transport, lines: Iterable[str], status: str) -> AttemptEnd:
    """The end record of a real response with this status and these header lines."""
    head = "\r\n".join((f"HTTP/1.1 {status}", "Content-Type: application/json", "Content-Length: 2", *lines, "", "{}"))

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(head.encode())

    transcript = Transcript(openai_chat)
    with serving(script) as (port, _):
        exchange = Exchange(transcript, Deadlines(), time.monotonic_ns())
        transport.perform(httpx.Request("POST", f"http://127.0.0.1:{port}/v1", content=b"{}"), exchange)
    return attempt.finish(START, exchange, transcript, ASKED, None).end


def test_what_a_response_tells_of_its_limits_is_kept(transport: Transport) -> None:
    """A refusal over a socket: rests, resets and Retry-After are in the record, and are read back from its line."""
    lines = (
        "X-RateLimit-Limit-Requests: 500",
        "X-RateLimit-Remaining-Requests: 0",
        "X-RateLimit-Reset-Requests: 1m12.5s",
        "X-RateLimit-Remaining-Tokens: lots",
        "Retry-After: 20",
    )
    end = answered(transport, lines, "429 Too Many Requests")
    expected = Quota(requests=Allowance(500, 0, 72.5), retry_after_s=20.0, unreadable=("x-ratelimit-remaining-tokens",))
    assert ("http_rate_limited", expected) == (end.kind, end.quota)
    assert end == msgspec.json.decode(msgspec.json.encode(end), type=AttemptEnd)


def test_a_response_without_a_date_is_held_against_our_clock(transport: Transport) -> None:
    """A date in Retry-After is so far from the moment at which the head came, however late the record is made."""
    end = answered(transport, [f"Retry-After: {formatdate(time.time() + 1_000, usegmt=True)}"], "503 Service Unavailable")
    assert 900 < end.quota.retry_after_s <= 1_000


def test_a_response_that_tells_no_limits_has_none() -> None:
    """The field is not in the line at all."""
    end = finished(b"{}", 429, b"application/json").end
    assert end.quota is None
    assert b"quota" not in msgspec.json.encode(end)
