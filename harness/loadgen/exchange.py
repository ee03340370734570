"""One request and its response on the wire: stamps, deadlines, ending. A user greenlet waits on it; the drain ends it."""

from array import array
from typing import Protocol

from gevent import get_hub
from gevent.hub import Waiter

from harness.records import Deadlines, Ending
from harness.wire.http1 import ResponseParser

NS = 1_000_000_000


class Sink(Protocol):
    """What becomes of the body: a `wire.transcript.Transcript`, or `Bytes` where nobody needs tokens."""

    @property
    def first_token_ns(self) -> int | None: ...

    @property
    def last_token_ns(self) -> int | None: ...

    def begin(self, status: int, headers: dict[str, str]) -> None: ...

    def feed(self, stamp_ns: int, data: bytes) -> None: ...

    def close(self) -> None: ...


class Bytes:
    """A sink that keeps the body; any byte counts as progress."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.first_token_ns: int | None = None
        self.last_token_ns: int | None = None

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Nothing to prepare."""

    def feed(self, stamp_ns: int, data: bytes) -> None:
        self.pieces.append(data)
        self.first_token_ns = self.first_token_ns or stamp_ns
        self.last_token_ns = stamp_ns

    def close(self) -> None:
        """Nothing to finish."""


class Exchange:
    """Mutable on purpose: filled in by connection and drain while it runs, read once it has ended.

    Stamps are monotonic ns; `check_ns` is when to look at the deadlines next. `pending` counts body bytes that wait to be
    decoded. `bug` is an exception of ours, to be raised in the user's greenlet; it is never the endpoint's fault.
    """

    def __init__(self, sink: Sink, deadlines: Deadlines, now_ns: int, method: str = "POST") -> None:
        self.sink, self.deadlines, self.begun_ns = sink, deadlines, now_ns
        self.parser = ResponseParser(method)
        self._method = method
        self.check_ns = now_ns
        self.sent_ns: int | None = None
        self.first_byte_ns: int | None = None
        self.done_ns: int | None = None
        self.dns_ns: int | None = None
        self.connect_ns: int | None = None
        self.tls_ns: int | None = None
        self.lag_max_ns: int | None = None
        self.late = array("q")  # of reads that came late: stamp, and how long before it the socket had been empty, in turn
        self.ending: Ending | None = None
        self.detail: str | None = None
        self.bug: BaseException | None = None
        self.reused = self.stale_retry = self.on_wire = False
        self.received = self.pending = self.clamped = self.unstamped = 0
        self._began = self._decoded = False
        self._waiter: Waiter | None = None

    # the user's side -------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Sleep until `wake`. Callers loop on their own condition: a wake says only that something changed."""
        self._waiter = waiter = Waiter()
        try:
            waiter.get()
        finally:
            self._waiter = None

    def decode(self) -> None:
        """Hand to the sink what has been read; after the ending, also that there is no more."""
        if not self._began and self.parser.status is not None:
            self.sink.begin(self.parser.status, dict(self.parser.headers))
            self._began = True
        body, self.parser.body = self.parser.body, []
        self.pending = 0
        for stamp_ns, data in body:
            self.sink.feed(stamp_ns, data)
        if self.ending is not None and self._began and not self._decoded:
            self._decoded = True
            self.sink.close()

    def restart(self, now_ns: int) -> None:
        """Begin again on a fresh connection, once: the first one had been closed while idle."""
        self.parser = ResponseParser(self._method)
        self.stale_retry, self.reused, self.on_wire = True, False, False
        self.ending = self.done_ns = self.detail = self.sent_ns = None
        self.begun_ns = now_ns

    # the drain's side ------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Schedule the waiting greenlet. Safe from the hub and from other greenlets: the switch itself is the hub's."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            get_hub().loop.run_callback(waiter.switch, None)

    def end(self, ending: Ending, now_ns: int, detail: str | None = None) -> None:
        """The first ending counts."""
        if self.ending is None:
            self.ending, self.done_ns, self.detail = ending, now_ns, detail
            self.parser.close()
            self.wake()

    def crash(self, bug: BaseException, now_ns: int) -> None:
        """A bug of ours met this exchange: it ends here and raises in the user's greenlet."""
        self.bug = self.bug or bug
        self.end(Ending.CANCELLED, now_ns, f"internal error: {bug!r}")

    def due(self) -> tuple[int, Ending]:
        """The deadline that holds now, as far as what has been read tells, and what the exchange ends in when it has passed."""
        limits = self.deadlines
        if self.sent_ns is None:
            return self.begun_ns + _ns(limits.connect), Ending.TIMEOUT_CONNECT
        total = self.sent_ns + _ns(limits.total), Ending.TIMEOUT_TOTAL
        if self.parser.head_ns is None:
            return min((self.sent_ns + _ns(limits.headers), Ending.TIMEOUT_HEADERS), total)
        self.decode()
        last = self.sink.last_token_ns
        if last is None:
            return min((self.sent_ns + _ns(limits.first_token), Ending.TIMEOUT_FIRST_TOKEN), total)
        return min((last + _ns(limits.idle), Ending.TIMEOUT_IDLE), total)

    def check(self, now_ns: int) -> None:
        """End the exchange if a deadline has passed; else `check_ns` says when to look again."""
        if self.ending is not None:
            return
        due_ns, ending = self.due()
        if due_ns <= now_ns:
            self.end(ending, now_ns, f"no progress within {ending.removeprefix('timeout_')} deadline")
        self.check_ns = min(due_ns, now_ns + self.shortest_ns)

    @property
    def shortest_ns(self) -> int:
        """No deadline can begin and pass within less than this."""
        limits = self.deadlines
        return _ns(min(limits.connect, limits.headers, limits.first_token, limits.idle, limits.total))


def _ns(seconds: float) -> int:
    return int(seconds * NS)
