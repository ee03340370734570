"""HTTP/1.1 framing: whole, bytewise and at every split, and what does not belong."""

import gc
import weakref

import pytest

from harness.wire.http1 import SURPLUS_BYTES, ProtocolError, ResponseParser, may_end
from harness.wire.limits import OversizeError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"
SIZED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nabcde"
CONTINUED = b"HTTP/1.1 100 Continue\r\nX-B: 2\r\n\r\n" + CHUNKED


def parsed(stream: bytes, cuts: list[int]) -> ResponseParser:
    parser = ResponseParser()
    for stamp, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(stream)], strict=True)):
        parser.feed(stamp, stream[start:end])
    return parser


PADDED = CHUNKED.replace(b"3\r\n", b"3 ;x\r\n").replace(b"2\r\nde", b"2 \r\nde").replace(b"0\r\n", b"0\t;q=1\r\n")


@pytest.mark.parametrize("stream", [CHUNKED, SIZED, CONTINUED, PADDED], ids=["chunked", "sized", "after a 100", "padded sizes"])
def test_every_split_gives_the_same_message(stream: bytes) -> None:
    """Status, body and completeness do not depend on how the bytes arrive; trailers never become headers."""
    whole = parsed(stream, [])
    assert whole.complete
    assert b"abcde" == b"".join(whole.body)
    for cuts in [list(range(1, len(stream)))] + [[cut] for cut in range(1, len(stream))]:
        again = parsed(stream, cuts)
        assert (whole.status, whole.headers, True) == (again.status, again.headers, again.complete)
        assert b"abcde" == b"".join(again.body)


def test_body_pieces_carry_the_stamp_of_their_read() -> None:
    """Each piece is stamped with the read that brought it."""
    cut = CHUNKED.index(b"2\r\nde")
    parser = parsed(CHUNKED, [cut])
    assert ([0, 1], [b"abc", b"de"]) == parser.take_body()


def test_close_delimited_body_is_complete_at_eof_only() -> None:
    """Without a length the body runs until the connection ends, and the connection cannot be kept."""
    parser = parsed(b"HTTP/1.0 200 OK\r\n\r\nhello", [])
    assert not parser.complete
    assert parser.eof()
    assert not parser.keep_alive


@pytest.mark.parametrize("stream", [CHUNKED[:-12], SIZED[:-1]])
def test_eof_inside_a_framed_message_is_no_completion(stream: bytes) -> None:
    """A message that says where it ends is not complete before."""
    assert not parsed(stream, []).eof()


@pytest.mark.parametrize(
    "junk",
    [b"SSH-2.0-x\r\n", *(CHUNKED.replace(b"3\r\nabc", size + b"\r\nabc") for size in (b"zz", b"3 3", b" 3"))],
    ids=["ssh", "chunk size", "two sizes", "blank first"],
)
def test_what_is_not_http_is_a_protocol_error(junk: bytes) -> None:
    """Garbage is refused where it stands."""
    with pytest.raises(ProtocolError):
        parsed(junk, [])


def test_switching_protocols_is_a_protocol_error() -> None:
    """A 101 that nobody asked for ends the attempt like any other breach."""
    with pytest.raises(ProtocolError):
        parsed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", [])


def test_header_flood_is_refused() -> None:
    """Headers past their limit end the attempt."""
    parser = ResponseParser()
    parser.feed(0, b"HTTP/1.1 200 OK\r\n")
    for number in range(800):
        parser.feed(0, b"X-%d: %b\r\n" % (number, b"v" * 64))
    with pytest.raises(OversizeError):
        parser.feed(0, b"X: y\r\n" * 3000)


def test_bytes_behind_the_response_spoil_the_connection_only() -> None:
    """The answer stays whole, the connection is marked."""
    parser = parsed(SIZED + b"HTTP/1.1 200 OK\r\n", [])
    assert parser.complete
    assert parser.unsolicited


STRAY = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\nX-Stray: y\r\nConnection: close\r\n\r\nabc"
BARE = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize("stream", [CHUNKED, SIZED, CONTINUED, BARE], ids=["chunked", "sized", "after a 100", "bodiless"])
@pytest.mark.parametrize("behind", [STRAY, STRAY[:-2], CHUNKED, b"x"], ids=["whole", "cut", "chunked too", "garbage"])
def test_a_second_message_changes_nothing(stream: bytes, behind: bytes) -> None:
    """Wherever the reads are cut, what follows the message marks the connection and leaves status, headers and body alone."""
    alone, both = parsed(stream, []), stream + behind
    for cuts in [[], list(range(1, len(both)))] + [[cut] for cut in range(1, len(both))]:
        parser = parsed(both, cuts)
        assert (alone.status, alone.headers, alone.keep_alive) == (parser.status, parser.headers, parser.keep_alive)
        assert b"".join(alone.body) == b"".join(parser.body)
        assert len(parser.body) == len(parser.body_ns)
        assert (True, True) == (parser.complete, parser.unsolicited)


EVENTS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n"
LONG = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 900\r\n\r\n" + b"." * 900


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"0;q=1\r\nX-T: t\r\n\r\n"], ids=["plain", "trailer"])
@pytest.mark.parametrize("behind", [b"", STRAY, STRAY[:-2], b"x", LONG], ids=["nothing", "whole", "cut", "garbage", "long"])
def test_no_read_that_ends_a_message_may_wait(end: bytes, behind: bytes) -> None:
    """However the end is cut into reads, and whatever follows in the same one: `may_end` says so of the read that completes."""
    stream = EVENTS + end + behind
    last = range(len(EVENTS) - 2, min(len(EVENTS + end) + 3, len(stream)))
    for cuts in [[len(EVENTS)], [*last]] + [sorted({one, other}) for one in last for other in last]:
        parser = ResponseParser()
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            parser.feed(1, stream[start:stop])
            if parser.complete:
                assert may_end(stream[start:stop])
                break
        assert parser.complete


def test_reads_inside_a_message_may_wait() -> None:
    """A chunk of events, several of them, and parts of a large one are only kept; so are short pieces of any."""
    event = b"9\r\ndata: x\n\n\r\n"
    assert [False] * 5 == [may_end(data) for data in (event, event * 4, event * 4096, b"x" * 32_768, b"9")]


def test_of_a_large_read_only_the_end_is_looked_at() -> None:
    """An empty line far from its end is of a body: 32 KB would take 16 us to search."""
    assert not may_end(b"9\r\n\r\n" + b"x" * SURPLUS_BYTES)
    assert may_end(b"9\r\n\r\n" + b"x" * (SURPLUS_BYTES - 4))


def test_an_answer_to_head_has_no_body() -> None:
    """It ends with its headers, whatever they say about a length; bytes behind it are nobody's."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    parser = ResponseParser("HEAD")
    parser.feed(1, head)
    assert (True, True, False) == (parser.complete, parser.keep_alive, parser.unsolicited)
    parser = ResponseParser("HEAD")
    parser.feed(1, head + b"abcde")
    assert (True, True, []) == (parser.complete, parser.unsolicited, parser.body)


@pytest.mark.parametrize(("method", "behind"), [("POST", b""), ("POST", b"HTTP/1.1 4"), ("HEAD", b"")])
def test_a_closed_parser_needs_no_collector(method: str, behind: bytes) -> None:
    """Parser and callbacks hold each other until `close`; then the last reference frees both."""
    parser = ResponseParser(method)
    parser.feed(1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" + behind)
    gone = weakref.ref(parser)
    gc.disable()
    try:
        parser.close()
        del parser
        assert gone() is None
    finally:
        gc.enable()
