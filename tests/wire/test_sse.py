"""The SSE decoder against the specification's cases, every cut, and httpx-sse as an independent reader."""

import pytest
from httpx_sse._decoders import SSEDecoder
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.limits import OversizeError
from harness.wire.sse import Event, SseDecoder

CASES = {
    "lf": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    "cr": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "mixed line ends": (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
    "no space": (b"data:a\n\n", [b"a"]),
    "only one space is optional": (b"data:  a\n\n", [b" a"]),
    "several data lines": (b"data: a\ndata: b\ndata:\n\n", [b"a\nb\n"]),
    "data without colon": (b"data\n\n", [b""]),
    "comments": (b": ping\n\n:\ndata: a\n\n", [b"a"]),
    "other fields": (b"id: 1\nretry: 5\nevent: x\ndata: a\n\n", [b"a"]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "U+2028 is no line end": ("data: a\u2028b\n\n".encode(), ["a\u2028b".encode()]),
    "no final blank line": (b"data: a\n\ndata: b", [b"a", b"b"]),
    "no final line end": (b"data: a\n\ndata: b\n", [b"a", b"b"]),
    "empty": (b"", []),
    "event without data": (b"event: ping\n\ndata: a\n\n", [b"a"]),
}


def decoded(stream: bytes, cuts: list[int]) -> list[Event]:
    decoder, events = SseDecoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += decoder.feed(stream[start:end])
    return events + decoder.finish()


@pytest.mark.parametrize(("stream", "expected"), CASES.values(), ids=CASES.keys())
def test_whole_bytewise_and_every_split(stream: bytes, expected: list[bytes]) -> None:
    """However the bytes are cut, the same events come out."""
    cuts = [[], list(range(1, len(stream)))] + [[cut] for cut in range(1, len(stream))]
    for cut in cuts:
        assert expected == [data for _, data in decoded(stream, cut)]


def test_event_names() -> None:
    """The event field names the event it stands in and no later one."""
    events = decoded(b"event: error\ndata: a\n\ndata: b\n\n", [])
    assert [(b"error", b"a"), (b"", b"b")] == events


LINES = st.sampled_from(["data: x", "data:y", "data", ": note", "event: e", "id: 7", "retry: 3", "junk", "", ""])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.tuples(LINES, ENDS)), st.data())
def test_agrees_with_httpx_sse(lines: list[tuple[str, str]], data: st.DataObject) -> None:
    """Another implementation of the same specification, fed line by line, dispatches the same data."""
    text = "".join(line + end for line, end in lines)
    stream = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(stream) - 1)), max_size=4)) if len(stream) > 1 else set())
    theirs = SSEDecoder()
    found = [theirs.decode(line.decode()) for line in [*stream.splitlines(), b""]]
    expected = [event.data for event in found if event is not None and event.data]
    assert expected == [data.decode() for _, data in decoded(stream, cuts) if data]


def test_oversize_event_is_refused() -> None:
    """An event past its limit is an error, not memory."""
    decoder = SseDecoder(event_limit=1000)
    for _ in range(9):
        decoder.feed(b"x" * 100)
    with pytest.raises(OversizeError):
        decoder.feed(b"x" * 101)


def test_long_line_in_small_pieces_is_linear() -> None:
    """A 4 MB line in 1 KB pieces is kept as pieces and joined once."""
    decoder = SseDecoder()
    assert [] == decoder.feed(b"data: ")
    for _ in range(4000):
        assert [] == decoder.feed(b"x" * 1000)
    ((_, data),) = decoder.feed(b"\n\n")
    assert 4_000_000 == len(data)


def test_stray_lines_are_kept_for_the_reader() -> None:
    """A JSON error outside any event is not lost."""
    decoder = SseDecoder()
    decoder.feed(b'{"error": "overloaded"}\n')
    assert b'{"error": "overloaded"}\n' == bytes(decoder.stray)
