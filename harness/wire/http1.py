"""HTTP/1.1 framing of one response: stamped bytes in, status, headers and stamped body pieces out (llhttp through httptools).

Chunk sizes may be padded (`5 ;x`); blanks further inside a chunk extension are refused, for llhttp has no switch for them.
The rule: the parser alone says where a message ends. `may_end` only tells reads behind which it cannot, so that these may wait.
"""

from collections.abc import Callable, Iterable

import httptools

from harness.wire.limits import HEAD_BYTES, OversizeError

BODILESS = frozenset({204, 304})
SURPLUS_BYTES = 1_024  # behind a message, with its own empty line: a stray response, such as the 408 of an idle time-out


class ProtocolError(Exception):
    """The bytes are not HTTP/1.1, or break their own framing."""


def may_end(data: bytes) -> bool:
    """Whether a chunked message may end in these bytes, however it was cut into reads.

    It ends in an empty line: the last of them, one that began in an earlier read, or one that surplus bytes follow. Subtle: a
    read that ends as a chunk of events does is not searched, for each token of a paced stream would pay for that. Behind a
    message that ends in it would have to come events too, or a lot; then a deadline finds the end, and its stamp is the same.
    """
    return not data.endswith(b"\n\n\r\n") and (
        data.endswith(b"\r\n\r\n") or data[0] in b"\r\n" or b"\r\n\r\n" in data[-SURPLUS_BYTES:]
    )


class ResponseParser:
    """One response. After `complete`, any further byte is `unsolicited` and the connection must not be used again."""

    __slots__ = (
        "__weakref__",
        "_delimited",
        "_head_bytes",
        "_method",
        "_parser",
        "body",
        "body_ns",
        "complete",
        "fed_ns",
        "head_ns",
        "headers",
        "is_chunked",
        "keep_alive",
        "on_body",
        "status",
        "unsolicited",
    )

    def __init__(self, method: str = "POST") -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.head_ns: int | None = None
        self.body_ns: list[int] = []
        self.body: list[bytes] = []
        self.complete = False
        self.keep_alive = False
        self.is_chunked = False
        self.unsolicited = False
        self._method = method
        self.fed_ns = 0
        self._head_bytes = 0
        self._delimited = False
        # As it is: a function of ours would cost a frame for each chunk.
        self.on_body: Callable[[bytes], None] | None = self.body.append if method != "HEAD" else self._surplus
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)  # RFC 9112, 7.1.1: must be tolerated

    def feed(self, stamp_ns: int, data: bytes) -> None:
        """Bytes of one read. Raises `ProtocolError` and `OversizeError`."""
        if self.head_ns is None:
            self.fed_ns = stamp_ns
            self._head_bytes += len(data)
        self.feed_all((stamp_ns,), (data,))
        if self.head_ns is None and self._head_bytes > HEAD_BYTES:
            raise OversizeError(f"headers are larger than {HEAD_BYTES} bytes")

    def feed_all(self, stamps_ns: Iterable[int], reads: Iterable[bytes]) -> None:
        """Bytes of several reads behind the head, up to the one that ends or breaks the message; `fed_ns` is its stamp.

        What each brings of the body is one entry of `body`, in step with `body_ns`. Raises `ProtocolError`.
        """
        feed, body, body_ns = self._parser.feed_data, self.body, self.body_ns
        for stamp_ns, data in zip(stamps_ns, reads, strict=True):
            if self.complete:
                self.unsolicited = True
                return
            self.fed_ns = stamp_ns
            try:
                feed(data)
            except httptools.HttpParserUpgrade as switched:
                raise ProtocolError("the server switched protocols, which nobody asked it to") from switched
            except httptools.HttpParserError as broken:
                self._spoil(broken)
            finally:
                before = len(body_ns)
                if len(body) > before:
                    if len(body) > before + 1:
                        body[before:] = [b"".join(body[before:])]
                    body_ns.append(stamp_ns)

    def take_body(self) -> tuple[list[int], list[bytes]]:
        """What has come of the body since the last call: stamps and pieces, in step."""
        taken = self.body_ns[:], self.body[:]
        self.body_ns.clear()
        self.body.clear()
        return taken

    def eof(self) -> bool:
        """The peer closed. True when that completes the message: a body without length runs until here."""
        if self.head_ns is not None and not self.complete and not self._delimited:
            self.complete = True
        return self.complete

    def close(self) -> None:
        """No further byte comes. Subtle: parser and callbacks hold each other, and no response must wait for the collector."""
        self._parser = self.on_body = None

    def _spoil(self, broken: httptools.HttpParserError) -> None:
        if not self.complete:
            raise ProtocolError(str(broken)) from broken
        self.unsolicited = True  # garbage behind a whole response spoils the connection, not the response

    def _surplus(self, _: bytes) -> None:
        """llhttp does not know that the answer to a HEAD has no body."""
        self.unsolicited = True

    # llhttp calls these ----------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_ns is not None:
            return  # a trailer: it must not change what the headers said
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers.clear()
            return
        self.status, self.head_ns = status, self.fed_ns
        fields = dict(self.headers)
        self.is_chunked = "transfer-encoding" in fields
        self._delimited = self.is_chunked or "content-length" in fields or status in BODILESS
        self.keep_alive = self._parser.should_keep_alive()
        if self._method == "HEAD":
            self.complete = True

    def on_message_begin(self) -> None:
        if self.complete:
            raise ProtocolError("a second message")  # stops llhttp, before it tells us anything of that message

    def on_message_complete(self) -> None:
        if self.head_ns is not None:  # else it was an informational 1xx
            self.complete = True
