"""One request and its response on the wire: stamps, deadlines, ending. A user greenlet waits on it; the drain ends it."""

import itertools
from array import array
from collections.abc import Mapping, Sequence
from typing import Protocol

from gevent import get_hub
from gevent.hub import Waiter

from harness.records import Deadlines, Ending
from harness.wire.http1 import ProtocolError, ResponseParser
from harness.wire.limits import OversizeError

NS = 1_000_000_000
QUEUE_BYTES = 16_384  # received before a slice is asked for
STEP_BYTES = 32_768  # of body, decoded at a time: 0.3 ms of a stream of short chunks


class Sink(Protocol):
    """What becomes of the body: a `wire.transcript.Transcript`, or `Bytes` where nobody needs tokens."""

    @property
    def first_token_ns(self) -> int | None: ...

    @property
    def last_token_ns(self) -> int | None: ...

    def begin(self, status: int, headers: dict[str, str]) -> None: ...

    def feed_all(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


class Bytes:
    """A sink that keeps the body; any byte counts as progress."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.first_token_ns: int | None = None
        self.last_token_ns: int | None = None

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Nothing to prepare."""

    def feed_all(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> None:
        if pieces:
            self.pieces += pieces
            self.first_token_ns = self.first_token_ns or stamps_ns[0]
            self.last_token_ns = stamps_ns[-1]

    def close(self) -> None:
        """Nothing to finish."""


class Exchange:
    """Mutable on purpose: filled in by connection and drain while it runs, read once it has ended.

    Stamps are monotonic ns; `check_ns` is when to look at the deadlines next. `reads` and their `stamps_ns` wait for framing,
    as they may where the message cannot end with them (`may_wait`). Of `received` bytes, `decoded` wait for nothing any more;
    at `decode_at` decoding has to be seen to. `late` has pairs: the stamp of a read that came late, and the ns since its socket
    was last found empty; `apart` has triples: these two of a read that held several segments, and how many but one. Where the
    connection was closed before a response, that was not before `open_ns`. `waiting_for` names the step of opening the
    connection, and `address` is where that led. `turn_ns` is since when opening it has waited for us and not for the peer, as
    it does when it begins, and None else. `bug` is an exception of ours, to be raised in the user's greenlet; it is never the
    endpoint's fault.
    """

    __slots__ = (
        "__weakref__",
        "_began",
        "_finished",
        "_first_sent_ns",
        "_method",
        "_waiter",
        "address",
        "apart",
        "begun_ns",
        "bug",
        "check_ns",
        "clamps",
        "connect_ns",
        "deadlines",
        "decode_at",
        "decoded",
        "detail",
        "dns_ns",
        "done_ns",
        "ending",
        "first_byte_ns",
        "is_queued",
        "lag_max_ns",
        "late",
        "limited_ns",
        "may_wait",
        "min_rtt_ns",
        "on_wire",
        "open_ns",
        "out_of_order",
        "parser",
        "proxy_ns",
        "read_ns",
        "reads",
        "received",
        "retransmits",
        "reused",
        "rtt_ns",
        "sent_ns",
        "sink",
        "stale_retry",
        "stamps_ns",
        "tls_ns",
        "turn_ns",
        "unstamped",
        "waiting_for",
        "waker",
    )

    def __init__(self, sink: Sink, deadlines: Deadlines, now_ns: int, method: str = "POST") -> None:
        self.sink, self.deadlines, self.begun_ns = sink, deadlines, now_ns
        self.turn_ns: int | None = now_ns
        self.parser = ResponseParser(method)
        self._method = method
        self.check_ns = now_ns
        self.reads: list[bytes] = []  # and not pairs: thousands of tuples at a time would keep the garbage collector busy
        self.stamps_ns: list[int] = []
        self.late = array("q")
        self.apart = array("q")
        self.read_ns = 0  # stamp of the last read
        self.sent_ns: int | None = None
        self._first_sent_ns: int | None = None  # where it was sent twice
        self.open_ns: int | None = None
        self.first_byte_ns: int | None = None
        self.done_ns: int | None = None
        self.limited_ns: int | None = None
        self.dns_ns: int | None = None
        self.connect_ns: int | None = None
        self.proxy_ns: int | None = None
        self.tls_ns: int | None = None
        self.rtt_ns: int | None = None
        self.min_rtt_ns: int | None = None
        self.retransmits: int | None = None
        self.out_of_order: int | None = None
        self.address: str | None = None
        self.waiting_for: str | None = None
        self.lag_max_ns = -1  # of no read
        self.ending: Ending | None = None
        self.detail: str | None = None
        self.bug: BaseException | None = None
        self.reused = self.stale_retry = self.on_wire = False
        self.received = self.decoded = self.unstamped = 0
        self.clamps: tuple[int, ...] = ()
        self.decode_at = QUEUE_BYTES
        self.is_queued = self.may_wait = False
        self._began = self._finished = False
        self.waker = _soon
        self._waiter: Waiter | None = None

    # the user's side -------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Sleep until `wake`. Callers loop on their own condition: a wake says only that something changed."""
        self._waiter = waiter = Waiter()
        try:
            waiter.get()
        finally:
            self._waiter = None

    def their_turn(self, now_ns: int) -> None:
        """The peer has to act: the connect deadline goes on, and none of it is used up by what we took."""
        if self.turn_ns is not None:
            self.begun_ns += max(0, now_ns - self.turn_ns)
            self.turn_ns = None

    def decode(self) -> None:
        """Hand to the sink all that has been read; after the ending, also that there is no more."""
        while self.decode_some():
            pass
        self.is_queued = False
        if self.ending is not None and self._began and not self._finished:
            self._finished = True
            self.sink.close()

    def decode_some(self) -> bool:
        """Hand some reads to the sink, about `STEP_BYTES`; True while there are more. So it fits between two drains."""
        self.frame()
        parser = self.parser
        if not self._began and parser.status is not None:
            self.sink.begin(parser.status, dict(parser.headers))
            self._began = True
        number = self._step(parser.body)
        if number < len(parser.body):
            self.sink.feed_all(parser.body_ns[:number], parser.body[:number])
            self.decoded += sum(map(len, parser.body[:number]))
            del parser.body[:number], parser.body_ns[:number]
            return True
        self.sink.feed_all(*parser.take_body())
        self.decoded = self.received
        self.decode_at = self.decoded + QUEUE_BYTES
        self.is_queued = False
        return False

    def _step(self, body: list[bytes]) -> int:
        """How many of these pieces are one step's work."""
        if self.received - self.decoded <= STEP_BYTES:
            return len(body)
        sizes = itertools.accumulate(map(len, body))
        return next((number for number, size in enumerate(sizes, 1) if size >= STEP_BYTES), len(body))

    def frame(self) -> None:
        """Let the parser see what has been read. The exchange ends where the message does, or where it breaks."""
        if not self.reads:
            return
        parser, reads, stamps_ns = self.parser, self.reads, self.stamps_ns
        self.reads, self.stamps_ns = [], []
        try:
            if self.may_wait:
                parser.feed_all(stamps_ns, reads)
            else:
                for stamp_ns, data in zip(stamps_ns, reads, strict=True):
                    parser.feed(stamp_ns, data)
        except OversizeError as too_much:  # of the head: a server that floods headers does not speak HTTP with us
            self.end(Ending.PROTOCOL, parser.fed_ns, str(too_much))
        except ProtocolError as broken:
            self.end(Ending.NO_RESPONSE if parser.head_ns is None else Ending.PROTOCOL, parser.fed_ns, str(broken))
        if parser.complete:
            self.end(Ending.COMPLETE, parser.fed_ns)
        self.may_wait = parser.is_chunked

    def late_reads(self) -> dict[int, int]:
        """How many ns before its stamp the first byte of a late read may have come, by that stamp."""
        return dict(zip(self.late[::2], self.late[1::2], strict=True))

    def reads_apart(self) -> dict[int, tuple[int, int]]:
        """Of reads of several segments: how many ns before its stamp the first may have come, and how many but one."""
        triples = zip(self.apart[::3], self.apart[1::3], self.apart[2::3], strict=True)
        return {stamp_ns: (wait_ns, more) for stamp_ns, wait_ns, more in triples}

    def restamp(self, moved: Mapping[int, int]) -> None:
        """Reads whose bytes could be had only later than was believed: old stamp to new."""
        self.first_byte_ns, self.done_ns, self.parser.head_ns = (
            None if stamp_ns is None else moved.get(stamp_ns, stamp_ns)
            for stamp_ns in (self.first_byte_ns, self.done_ns, self.parser.head_ns)
        )

    def restart(self, now_ns: int) -> None:
        """Begin again on a fresh connection, once. `total` still runs from the first sending."""
        self.parser = ResponseParser(self._method)
        self.stale_retry, self.reused, self.on_wire = True, False, False
        self._first_sent_ns = self.sent_ns
        self.ending = self.done_ns = self.detail = self.sent_ns = self.open_ns = None
        self.may_wait = False
        self.begun_ns = self.turn_ns = now_ns

    # the drain's side ------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Let the waiting greenlet go on. Safe from the hub and from other greenlets: the switch itself is the hub's."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self.waker(waiter)

    def our_turn(self, at_ns: int) -> None:
        """The peer has done its part of the opening: until `their_turn` the connect deadline stands still. Wakes the user."""
        if self.turn_ns is None:
            self.turn_ns = at_ns
        self.wake()

    def end(self, ending: Ending, now_ns: int, detail: str | None = None) -> None:
        """The first ending counts; one that has been read already comes before what is only noticed now."""
        if self.reads:
            self.frame()
        if self.ending is None:
            self.ending, self.done_ns, self.detail = ending, now_ns, detail
            self.parser.close()
            self.wake()

    def crash(self, bug: BaseException, now_ns: int) -> None:
        """A bug of ours met this exchange: it ends here and raises in the user's greenlet."""
        self.bug = self.bug or bug
        self.end(Ending.CANCELLED, now_ns, f"internal error: {bug!r}")

    def due(self, now_ns: int) -> tuple[int, Ending]:
        """The deadline that holds as far as what has been decoded tells, and what the exchange ends in when it has passed."""
        limits, first_ns = self.deadlines, self._first_sent_ns or self.sent_ns
        if self.sent_ns is None:
            ours_ns = 0 if self.turn_ns is None else max(0, now_ns - self.turn_ns)
            connect = self.begun_ns + ours_ns + _ns(limits.connect), Ending.TIMEOUT_CONNECT
            return connect if first_ns is None else min(connect, (first_ns + _ns(limits.total), Ending.TIMEOUT_TOTAL))
        assert first_ns is not None, "that of this sending, if of no other"
        total = first_ns + _ns(limits.total), Ending.TIMEOUT_TOTAL
        if self.parser.head_ns is None:
            return min((self.sent_ns + _ns(limits.headers), Ending.TIMEOUT_HEADERS), total)
        if self.sink.last_token_ns is None:
            self.decode()  # a token may wait in there, and then the limit of idleness holds, which may be nearer
        last = self.sink.last_token_ns
        if last is None:
            return min((self.sent_ns + _ns(limits.first_token), Ending.TIMEOUT_FIRST_TOKEN), total)
        return min((last + _ns(limits.idle), Ending.TIMEOUT_IDLE), total)

    def check(self, now_ns: int) -> None:
        """End the exchange if a deadline has passed; else `check_ns` says when to look again."""
        if self.ending is not None:
            return
        due_ns, ending = self.due(now_ns)
        if due_ns <= now_ns:
            self.decode()  # a later token may wait in there
            due_ns, ending = self.due(now_ns)
        if due_ns <= now_ns:
            awaited = f": waited for {self.waiting_for}" if ending is Ending.TIMEOUT_CONNECT and self.waiting_for else ""
            self.end(ending, now_ns, f"no progress within {ending.removeprefix('timeout_')} deadline{awaited}")
        self.check_ns = min(due_ns, now_ns + self.shortest_ns)

    @property
    def shortest_ns(self) -> int:
        """No deadline can begin and pass within less than this."""
        limits = self.deadlines
        return _ns(min(limits.connect, limits.headers, limits.first_token, limits.idle, limits.total))


def _soon(waiter: Waiter) -> None:
    """Of an exchange that no drain knows yet."""
    get_hub().loop.run_callback(waiter.switch, None)


def _ns(seconds: float) -> int:
    return int(seconds * NS)
