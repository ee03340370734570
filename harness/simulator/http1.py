"""HTTP/1.1 as a server sees it: bytes in, whole requests out; and the framing of responses. Pure: no socket, no clock."""

from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import httptools

REQUEST_BYTES = 32 << 20  # a request that is longer by more than one read is refused with 413
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Request(NamedTuple):
    """`received_ns` is the stamp of the bytes that completed it. `problem` (status, why) is for what is no good HTTP/1.1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    received_ns: int
    keep_alive: bool
    problem: tuple[int, str] | None = None


class RequestParser:
    """Feeds one connection's bytes to llhttp. Whole requests queue up in `requests`: several where a client pipelines.

    `expecting` is True while a client waits for `100 Continue`; whoever sends it clears it. What follows a problem is ignored.
    """

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.expecting = False
        self._deaf = False
        self._stamp_ns = 0
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def feed(self, stamp_ns: int, data: bytes) -> None:
        if self._deaf:
            return
        self._stamp_ns = stamp_ns
        self._size += len(data)
        if self._size > REQUEST_BYTES:
            self._refuse(413, f"the request is larger than {REQUEST_BYTES} bytes")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the request is whole and is answered as HTTP/1.1; what follows would be another protocol
        except httptools.HttpParserCallbackError:
            raise  # a bug of ours
        except httptools.HttpParserError as broken:
            self._refuse(400, f"not HTTP/1.1: {broken}")

    def close(self) -> None:
        """Ends the reference cycle with the C parser: the process runs without the garbage collector."""
        del self._parser

    def _refuse(self, status: int, why: str) -> None:
        self._deaf = True
        self.requests.append(Request("", "", {}, b"", self._stamp_ns, keep_alive=False, problem=(status, why)))

    # llhttp calls these ----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._in_head = True
        self._body: list[bytes] = []
        self._size = 0

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer is no header
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self.expecting = self._headers.get("expect", "").lower() == "100-continue"

    def on_body(self, data: bytes) -> None:
        self.expecting = False
        self._body.append(data)

    def on_message_complete(self) -> None:
        parser = self._parser
        self.expecting = False
        if parser.get_http_version() != "1.1":
            self._refuse(505, f"HTTP/{parser.get_http_version()} is not served, only HTTP/1.1")
            return
        path = self._url.partition(b"?")[0].decode("latin-1")
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        method = parser.get_method().decode("ascii")
        self.requests.append(Request(method, path, self._headers, b"".join(self._body), self._stamp_ns, keep_alive))


def head(request: Request, status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers of the response to a request."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "server: signoff-simulator"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [] if request.keep_alive else ["connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def document(request: Request, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole response of JSON; to HEAD without its body."""
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    return head(request, status, fields) + (b"" if request.method == "HEAD" else body)


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
