"""What one response said and when: stamped body bytes in, text, token stamps, usage and errors out.

The rule: `feed(stamp, bytes)` is all there is, so a recorded body replays to the same transcript. Nothing here decides whether
the attempt succeeded; `wire/outcome.py` does.
"""

import itertools
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from harness.records import Usage
from harness.wire.inflate import ENCODINGS, Inflater
from harness.wire.limits import BODY_BYTES, OversizeError
from harness.wire.pieces import PIECE_CHARS, cut, mended
from harness.wire.reading import Dialect, ProviderError, Reading
from harness.wire.sse import SseDecoder, plain_events

HALVED = 8  # reads: so many are tried again as two halves; fewer are read one by one, where each holds one event
PLAIN_TRIES = 4  # failures to read at once what cannot be halved: then this is a stream of something else, such as reasoning
SEVERAL_BYTES = 1_024  # a read that is longer holds several events
PIECES = 256  # texts of chunks that are kept apart: joined, 2,000 long answers cost their length and not an object per token
_SSE_FIRST_BYTES = b"deir:\xef"  # data, event, id, retry, a comment, a BOM: for servers that forget the content type


def _never(_: bytes) -> None:
    """The `plain` of a dialect that has none."""


class Transcript:
    """One response of one dialect.

    stamps_ns  one per chunk (an event that carries tokens): that of the read which brought it, so equal where read together
    tokens     one per chunk, where the server counts along; None for a chunk that was not counted
    cut        what the last event was, where the stream stopped inside it
    whole      the answer came as one JSON document, so there is no first token to speak of
    """

    __slots__ = (
        "_closing",
        "_counted",
        "_dialect",
        "_document",
        "_inflater",
        "_joined",
        "_may_be_plain",
        "_plain",
        "_read",
        "_reasoning",
        "_sse",
        "_status",
        "_text",
        "_undecided",
        "body_bytes",
        "cut",
        "ended",
        "error",
        "events",
        "finish",
        "first_output_ns",
        "last_byte_ns",
        "malformed",
        "model",
        "oversize",
        "refusal",
        "stamps_ns",
        "tokens",
        "tools",
        "usage",
        "usages_differ",
        "whole",
    )

    def __init__(self, dialect: Dialect) -> None:
        self.stamps_ns = array("q")
        self.tokens: list[int | None] = []
        self.first_output_ns: int | None = None
        self.usage: Usage | None = None
        self.usages_differ = False
        self.finish: str | None = None
        self.error: ProviderError | None = None
        self.malformed: str | None = None
        self.cut: str | None = None
        self.oversize: str | None = None
        self.model: str | None = None
        self.ended = False
        self.whole = False
        self.events = 0
        self.body_bytes = 0
        self.refusal = ""
        self.tools: list[str] = []
        self.last_byte_ns: int | None = None
        self._dialect = dialect
        self._read = dialect.read
        self._plain = getattr(dialect, "plain", _never)
        self._may_be_plain = PLAIN_TRIES
        self._text: list[str] = []
        self._joined: list[str] = []
        self._reasoning: list[str] = []
        self._sse: SseDecoder | None = None
        self._document: list[bytes] = []
        self._inflater: Inflater | None = None
        self._status: int | None = None
        self._counted = 0
        self._closing: tuple[int | None, int | None] | None = None
        self._undecided = False

    @property
    def text(self) -> str:
        """The visible answer."""
        whole = "".join((*self._joined, *self._text))
        return whole if whole.isascii() else "".join(mended((whole,)))

    @property
    def has_text(self) -> bool:
        return any(self._joined) or any(self._text)

    def pieces(self) -> Iterator[str]:
        """The visible answer by pieces, none of them empty: no step is long, and a long answer is not held twice."""
        short = sum(map(len, self._text)) < PIECE_CHARS  # as nearly always: joined, not looked at one by one
        return mended(cut((*self._joined, "".join(self._text)) if short else itertools.chain(self._joined, self._text)))

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def document(self) -> bytes:
        """The body where it is not an event stream: a JSON answer, an error, a login page."""
        return b"".join(self._document) or (bytes(self._sse.stray) if self._sse else b"")

    @property
    def chunks(self) -> int:
        return len(self.stamps_ns)

    @property
    def first_token_ns(self) -> int | None:
        return self.stamps_ns[0] if self.stamps_ns else None

    @property
    def last_token_ns(self) -> int | None:
        return self.stamps_ns[-1] if self.stamps_ns else None

    @property
    def first_read_chunks(self) -> int:
        """Chunks that came in the read which brought the first one."""
        return bisect_right(self.stamps_ns, self.stamps_ns[0]) if self.stamps_ns else 0

    @property
    def first_read_tokens(self) -> int | None:
        """Their tokens, where the server counts along from the first chunk on."""
        counts = [count for count in self.tokens[: self.first_read_chunks] if count is not None]
        return sum(counts) if counts and len(counts) == self.first_read_chunks else None

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the response: which framing to expect. Call once, before `feed`."""
        self._status = status
        if headers.get("content-encoding", "").lower() in ENCODINGS:
            self._inflater = Inflater()
        streams = status < 300 and self._dialect.FRAMING == "sse"
        if streams and "event-stream" in headers.get("content-type", "").lower():
            self._sse = SseDecoder()
        self._undecided = streams and self._sse is None

    def feed(self, stamp_ns: int, data: bytes) -> None:
        """Body bytes that were readable at this moment."""
        self.feed_all((stamp_ns,), (data,))

    def feed_all(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> None:
        """Body bytes of several reads, each with its stamp. Problems are kept, not raised: the first one wins."""
        try:
            self._feed_run(stamps_ns, pieces)
        except OversizeError as too_much:
            self.oversize = str(too_much)
        except zlib.error as broken:
            self._spoil(f"compressed body: {broken}")
        if len(self._text) > PIECES:
            self._joined.append("".join(self._text))
            self._text.clear()

    def _feed_run(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> None:
        """At once, if all of it is plain text; else in halves, so that the odd event at either end costs little."""
        n = len(pieces)
        in_the_clear = self._sse is not None and self._inflater is None
        if self._may_be_plain and in_the_clear and (n > 1 or (n and len(pieces[0]) > SEVERAL_BYTES)):
            done = self._feed_plain(stamps_ns, pieces)
            if done:
                return
            halves = _halves(stamps_ns, pieces)
            if halves:
                for half in halves:
                    self._feed_run(*half)
                return
            self._may_be_plain -= done is None
        for stamp_ns, data in zip(stamps_ns, pieces, strict=True):
            if self.oversize is None:
                self._feed(stamp_ns, data)

    def _feed_plain(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> bool | None:
        """Hot: what most of a stream is, whole events of visible text in whole reads. Nothing is done for all else.

        Then it is None where these are whole events and one of them is something else, and False where nobody has looked.
        """
        body = b"".join(pieces)
        size = self.body_bytes + len(body)
        if self._sse is None or not self._sse.at_rest or size > BODY_BYTES or not self.stamps_ns:
            return False
        events = plain_events(body)
        if events is None or self.ended or not all([piece.endswith(b"\n\n") for piece in pieces]):  # noqa: C419 - half the time
            return False
        data, number = events
        plain = self._plain(data)
        if plain is None or len(plain[0]) != number:
            return None
        texts, model = plain
        if model is not None:
            self.model = model
        if number > len(pieces):
            stamps_ns = [stamp for stamp, piece in zip(stamps_ns, pieces, strict=True) for _ in range(piece.count(b"\n") // 2)]
        if self.first_output_ns is None:
            self.first_output_ns = stamps_ns[0]
        self.stamps_ns.extend(stamps_ns)
        self.tokens += [None] * (number if self.tokens else 0)
        self._text += texts
        self.events += number
        self.body_bytes, self.last_byte_ns = size, stamps_ns[-1]
        return True

    def _feed(self, stamp_ns: int, data: bytes) -> None:
        self.body_bytes += len(data)
        self.last_byte_ns = stamp_ns
        if self.body_bytes > BODY_BYTES:
            raise OversizeError(f"the body is larger than {BODY_BYTES} bytes")
        if self._inflater is not None or self._undecided:
            data = self._unpack(data)
        if self._sse is None:
            self._document.append(data)
            return
        for name, event in self._sse.feed(data):
            self._event(stamp_ns, name, event)

    def _unpack(self, data: bytes) -> bytes:
        """The bytes without their compression, which may tell that this is an event stream."""
        if self._inflater is not None:
            data = self._inflater.feed(data)
        if self._undecided and data:
            self._undecided = False
            self._sse = SseDecoder() if data[0] in _SSE_FIRST_BYTES else None
        return data

    def close(self) -> None:
        """The body is over, by its framing or by the connection's end."""
        if self._sse is None:
            if self._document and self._status is not None and self._status < 300:
                self._read_document(b"".join(self._document))
            return
        before = self.malformed
        try:
            events = self._sse.finish()
        except OversizeError as too_much:
            self.oversize = self.oversize or str(too_much)
            return
        for name, event in events:
            assert self.last_byte_ns is not None, "an event has bytes, and bytes have a stamp"
            self._event(self.last_byte_ns, name, event)
        if self.malformed != before:  # the last event had no end and is no JSON: cut off, not malformed
            self.cut, self.malformed = self.malformed, None
        if self._sse.stray and not self.ended and self.error is None:
            self._read_stray(bytes(self._sse.stray))

    def restamp(self, moved: Mapping[int, int]) -> None:
        """Reads whose bytes could be had only later than was believed: old stamp to new, in the same order."""
        self.stamps_ns = array("q", [moved.get(stamp_ns, stamp_ns) for stamp_ns in self.stamps_ns])
        if self.first_output_ns is not None:
            self.first_output_ns = moved.get(self.first_output_ns, self.first_output_ns)

    def _read_stray(self, lines: bytes) -> None:
        """Some servers put an error between the events, as bare JSON. Other stray lines mean nothing."""
        try:
            self.error = self._dialect.read_whole(lines).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def _event(self, stamp_ns: int, name: bytes, data: bytes) -> None:
        if self.ended or not data or data.isspace():
            return  # an empty event keeps a connection alive and says nothing
        self.events += 1
        try:
            said = self._read(name, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
            self._spoil(f"event {self.events}: {broken}")
            return
        if said.model is not None:
            self.model = said.model
        if said.finish is not None or said.usage is not None or said.error is not None or said.end:
            self._take(said)
        if said.content or said.reasoning or said.refusal or said.tool:
            self._chunk(stamp_ns, said)

    def _read_document(self, body: bytes) -> None:
        try:
            said = self._dialect.read_whole(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # not this dialect's JSON: `outcome` calls it unexpected content
        self.events, self.whole, self.model = 1, True, said.model
        self._take(said)
        if said.content or said.reasoning or said.refusal or said.tool:
            assert self.last_byte_ns is not None, "a document has bytes, and bytes have a stamp"
            self._chunk(self.last_byte_ns, said)

    def _take(self, said: Reading) -> None:
        if said.finish is not None:
            self.finish = said.finish
        if said.usage is not None:
            self._take_usage(said.usage)
        if said.error is not None and self.error is None:
            self.error = said.error
        if said.end:
            self.ended = True

    def _take_usage(self, usage: Usage) -> None:
        """The last usage counts, and none is added up. Two closing counts that disagree are a conflict."""
        if self.finish is not None:
            closing = (usage.input_tokens, usage.output_tokens)
            self.usages_differ |= self._closing not in (None, closing)
            self._closing = closing
        self.usage = usage

    def _chunk(self, stamp_ns: int, said: Reading) -> None:
        self.stamps_ns.append(stamp_ns)
        if said.content:
            self._text.append(said.content)
        if said.reasoning:
            self._reasoning.append(said.reasoning)
        if said.tool:
            self.tools.append(said.tool)
        if said.refusal:
            self.refusal += said.refusal
        if self.first_output_ns is None and (said.content or said.refusal or said.tool):
            self.first_output_ns = stamp_ns
        if said.usage is not None or self.tokens:
            self._count_tokens(said.usage)

    def _count_tokens(self, usage: Usage | None) -> None:
        """Tokens of this chunk, where the server counts along (vLLM's continuous usage). None for those before it began to."""
        self.tokens += [None] * (len(self.stamps_ns) - 1 - len(self.tokens))
        if usage is None or usage.output_tokens is None:
            self.tokens.append(None)
            return
        tokens = usage.output_tokens - self._counted
        self._counted = usage.output_tokens
        self.tokens.append(tokens if tokens > 0 else None)

    def _spoil(self, why: str) -> None:
        if self.malformed is None:
            self.malformed = why


def _halves(stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> tuple[tuple[Sequence[int], Sequence[bytes]], ...]:
    """Two runs in place of one: some of the reads each, or of a large read some of its events; () for what is small already."""
    n = len(pieces)
    if n >= HALVED or (n > 1 and max(map(len, pieces)) > SEVERAL_BYTES):
        return (stamps_ns[: n // 2], pieces[: n // 2]), (stamps_ns[n // 2 :], pieces[n // 2 :])
    if n > 1 or len(pieces[0]) <= 2 * SEVERAL_BYTES:
        return ()
    cut = pieces[0].find(b"\n\n", len(pieces[0]) // 2) + 2
    if not 2 <= cut < len(pieces[0]):
        return ()
    return (stamps_ns, (pieces[0][:cut],)), (stamps_ns, (pieces[0][cut:],))
