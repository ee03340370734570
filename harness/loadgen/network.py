"""What the kernel knows of one connection, attempt by attempt: round trips and loss, holes, and segments that a read joined.

A connection outlives its attempts and the kernel counts for the whole of it, so each attempt is told what came since the last.
"""

import _socket

from harness.loadgen import tcp_info
from harness.loadgen.exchange import Exchange
from harness.loadgen.tcp_info import FRESH


class Network:
    """Of a connected socket. `begin` and `note` stand around each attempt; `reads` are those since segments were counted."""

    __slots__ = ("_before", "_holey", "_segments", "_socket", "reads")

    def __init__(self, sock: _socket.socket) -> None:
        self.reads = 0
        self._socket = sock
        self._before = FRESH  # when the attempt before this one ended
        self._holey = False
        self._segments: int | None = None  # that had come when they were counted last

    def begin(self) -> None:
        """A request goes out now."""
        fresh = self._before is FRESH
        self._segments = tcp_info.data_segments(self._socket) if fresh else self._before.data_segments
        self._holey, self.reads = False, 0

    def note(self, exchange: Exchange) -> None:
        """Into the exchange that ends here."""
        before, self._before = self._before, tcp_info.read(self._socket)
        now = self._before
        exchange.rtt_ns, exchange.min_rtt_ns = now.rtt_ns, now.min_rtt_ns
        exchange.retransmits = _since(before.retransmits, now.retransmits)
        exchange.out_of_order = _since(before.out_of_order, now.out_of_order)

    def count(self, exchange: Exchange, stamp_ns: int, empty_ns: int) -> None:
        """A read of several events in one segment came as it was sent; in several, looking may have joined them.

        Subtle: the first read is counted so that its head, often a segment of its own, is not taken for one of the next read.
        Segments that come between the read and this are taken for its own, and missed in the next: their number stays right.
        """
        if self._segments is None or (now := tcp_info.data_segments(self._socket)) is None:
            return
        more, self._segments, self.reads = now - self._segments - self.reads, now, 0
        if more > 0:
            exchange.apart.extend((stamp_ns, max(0, stamp_ns - empty_ns), more))

    def had_holes(self) -> bool:
        """Whether segments have come out of order in this attempt; so it may be where the kernel does not say."""
        if not self._holey:
            before, now = self._before.out_of_order, tcp_info.out_of_order(self._socket)
            self._holey = before is None or now is None or now > before
        return self._holey


def _since(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before
