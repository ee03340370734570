"""HTTP/1.1 requests: whole, bytewise and at every split, and what is no good HTTP."""

import pytest

from harness.simulator import http1
from harness.simulator.http1 import Request, RequestParser

SIZED = b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: h\r\nX-A: b\r\nContent-Length: 5\r\n\r\nabcde"
CHUNKED = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-A: trailer\r\n\r\n"
)
BARE = b"GET /health HTTP/1.1\r\nHost: h\r\nX-A: b\r\nConnection: close\r\n\r\n"
EXPECTING = SIZED.replace(b"X-A: b", b"X-A: b\r\nExpect: 100-continue")


def parsed(stream: bytes, cuts: list[int]) -> list[Request]:
    parser = RequestParser()
    for stamp_ns, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(stream)], strict=True)):
        parser.feed(stamp_ns, stream[start:end])
    return list(parser.requests)


@pytest.mark.parametrize("stream", [SIZED, CHUNKED, BARE, EXPECTING], ids=["sized", "chunked", "bare", "expecting"])
def test_every_split_gives_the_same_request(stream: bytes) -> None:
    """How the bytes arrive does not matter, the stamp is that of the last read, and trailers are no headers."""
    [whole] = parsed(stream, [])
    assert "b" == whole.headers["x-a"]
    assert (b"" if stream is BARE else b"abcde") == whole.body
    for cuts in [list(range(1, len(stream))), *([cut] for cut in range(1, len(stream)))]:
        assert [whole._replace(received_ns=len(cuts))] == parsed(stream, cuts)


def test_what_a_request_says() -> None:
    """Method, path without its query, and whether the connection stays."""
    [post], [get] = parsed(SIZED, []), parsed(BARE, [])
    assert ("POST", "/v1/chat/completions", True) == (post.method, post.path, post.keep_alive)
    assert ("GET", "/health", False) == (get.method, get.path, get.keep_alive)


def test_pipelined_requests_come_out_in_order() -> None:
    """Several requests in one read are several requests."""
    assert ["/v1/chat/completions", "/v1/chat/completions", "/health"] == [r.path for r in parsed(SIZED + CHUNKED + BARE, [])]


def test_expecting_ends_with_the_body() -> None:
    """A client waits for `100 Continue` from the end of its head until it sends its body all the same."""
    parser = RequestParser()
    head, body = EXPECTING[:-5], EXPECTING[-5:]
    parser.feed(0, head[:-1])
    assert not parser.expecting
    parser.feed(0, head[-1:])
    assert parser.expecting
    parser.feed(0, body[:1])
    assert not parser.expecting


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET /health HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /health HTTP/1.0\r\nHost: h\r\n\r\n", 505),
    ],
    ids=["tls", "header", "chunk size", "1.0"],
)
def test_bad_http_is_a_problem_and_the_end(stream: bytes, status: int) -> None:
    """It is refused once, the connection is not kept, and what follows is ignored."""
    parser = RequestParser()
    for data in (stream, stream, BARE):
        parser.feed(0, data)
    [refused] = parser.requests
    assert (status, False) == (refused.problem[0], refused.keep_alive)


def test_a_request_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, in the head and in the body; the bound is for each request, not for the connection."""
    monkeypatch.setattr(http1, "REQUEST_BYTES", len(SIZED) + 10)
    assert [None, None, None] == [r.problem for r in parsed(SIZED * 3, [len(SIZED), 2 * len(SIZED)])]
    endless = b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * len(SIZED)
    assert [413] == [r.problem[0] for r in parsed(endless, [10, 20])]


def test_an_upgrade_is_answered_as_http1() -> None:
    """The request counts, the connection ends after it, and the other protocol's bytes are not looked at."""
    [request] = parsed(
        b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n", []
    )
    assert (None, False) == (request.problem, request.keep_alive)


def test_response_framing() -> None:
    """Status line, headers, the end of a connection; HEAD gets no body; chunks have their length in hex."""
    [post], [get] = parsed(SIZED, []), parsed(BARE, [])
    assert b"HTTP/1.1 200 OK\r\nserver: signoff-simulator\r\na: b\r\n\r\n" == http1.head(post, 200, {"a": "b"})
    assert b"connection: close\r\n\r\n" == http1.head(get, 200, {})[-21:]
    assert http1.document(get, 404, b"{}").endswith(b"content-length: 2\r\nconnection: close\r\n\r\n{}")
    assert http1.document(get._replace(method="HEAD"), 404, b"{}").endswith(b"content-length: 2\r\nconnection: close\r\n\r\n")
    assert b"10\r\n0123456789abcdef\r\n" == http1.chunk(b"0123456789abcdef")
