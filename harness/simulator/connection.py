"""One connection of a client: reads its requests and plays the replies, one after the other, each piece when it is due.

A request has the stamp of its arrival in the kernel, so that what it waited to be read is a part of the time to first token, as
it is for a client; what is sent has that of just before the send.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from socket import socket
from typing import NamedTuple

from harness.kernel_clock import ANCILLARY_BYTES
from harness.simulator import http1
from harness.simulator.arrivals import Arrivals
from harness.simulator.http1 import Request, RequestParser
from harness.simulator.loop import Loop
from harness.simulator.plan import Piece
from harness.simulator.tls import BrokenError, Session
from harness.simulator.truth import Sending

READ_BYTES = 64 << 10


class Reply(NamedTuple):
    """`ended` is called once, when the kernel has the last byte or the client has gone (then `done_ns` is None).

    `takes_turn`: a request that is pipelined behind it is timed from its end. Not so where it is TLS or HTTP that speaks.
    """

    pieces: Iterator[Piece]
    keep_alive: bool
    ended: Callable[[Sending], None]
    takes_turn: bool = True


class Connection:
    """`respond` makes a reply from a request; `closed` is told when the connection is gone; `tls` is None for plain HTTP."""

    def __init__(
        self,
        sock: socket,
        loop: Loop,
        respond: Callable[[Request], Reply],
        closed: Callable[["Connection"], None],
        arrivals: Arrivals,
        tls: Session | None = None,
    ) -> None:
        self._sock, self._loop, self._respond, self._closed, self._arrivals = sock, loop, respond, closed, arrivals
        self._tls = tls
        self._fd = sock.fileno()
        self._parser = RequestParser()
        self._reply: Reply | None = None
        self._piece: Piece | None = None  # the next one of the reply, or what the kernel did not take of the last
        self._sending = Sending()
        self._free_ns = 0  # when the last reply ended
        loop.watch(self._fd, self._ready)

    def close(self) -> None:
        """A reply that is being played ends as aborted."""
        self._loop.unwatch(self._fd)
        self._sock.close()
        self._parser.close()
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.ended(self._sending)
        self._closed(self)

    def _ready(self, readable: bool, writable: bool) -> None:
        if writable:
            self._loop.watch_writing(self._fd, on=False)
            self._send()
        elif readable:
            self._read()

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(READ_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError:  # reset, timed out: whatever it was, nobody listens any more
            data, ancillary = b"", []
        arrived_ns = self._arrivals.of(ancillary)
        if not data:
            self.close()
            return
        if self._tls is not None:
            try:
                data = self._tls.open(data)
            except BrokenError:
                self._hang_up(self._tls.seal(b""))
                return
        self._parser.feed(arrived_ns, data)
        self._turn()
        if self._tls is not None and self._tls.ended:
            self.close()

    def _turn(self) -> None:
        """Begins the next reply, unless one is being played: a request that was pipelined waits for its turn."""
        if self._reply is not None:
            return
        if self._tls is not None and self._tls.pending:
            self._reply = _aside(b"")  # sealing adds what is pending
        elif self._parser.requests:
            request = self._parser.requests.popleft()
            self._reply = self._respond(request._replace(received_ns=max(request.received_ns, self._free_ns)))
        elif self._parser.expecting:
            self._parser.expecting = False
            self._reply = _aside(http1.CONTINUE)
        else:
            return
        self._sending = Sending()
        self._proceed(self._reply, 0)

    def _proceed(self, reply: Reply, now_ns: int) -> None:
        """The kernel has all that was due: waits for the next piece, or ends the reply."""
        piece = next(reply.pieces, None)
        if piece is not None:
            if self._tls is not None:  # ciphertext is of use when a record is whole: a client has all its events or none
                piece = Piece(piece.due_ns, self._tls.seal(piece.data), piece.tokens)
            self._piece = piece
            # What is overdue queues behind whoever waits already: connections that are always due take turns.
            self._loop.at(max(piece.due_ns, now_ns), self._send)
            return
        self._piece = None
        self._reply = None
        self._sending.done_ns = time.monotonic_ns()
        if reply.takes_turn:
            self._free_ns = self._sending.done_ns
        reply.ended(self._sending)
        if reply.keep_alive:
            self._turn()
        else:
            self._hang_up(b"" if self._tls is None else self._tls.farewell())

    def _hang_up(self, last: bytes) -> None:
        """Says as much of the last word as there is room for, and closes."""
        if last:
            with contextlib.suppress(OSError):
                self._sock.send(last)
        self.close()

    def _send(self) -> None:
        reply, piece = self._reply, self._piece
        if reply is None or piece is None:
            return  # aborted since this was planned
        stamp_ns = time.monotonic_ns()
        try:
            taken = self._sock.send(piece.data)
        except BlockingIOError:
            taken = 0
        except OSError:  # the client has gone
            self.close()
            return
        if taken == len(piece.data):
            if piece.tokens:
                self._sending.note(stamp_ns, piece.due_ns, piece.tokens)
            self._proceed(reply, stamp_ns)
        else:
            self._wait_for_room(piece, taken, stamp_ns)

    def _wait_for_room(self, piece: Piece, taken: int, stamp_ns: int) -> None:
        """The client does not read. A token is stamped when the first byte of its event is taken; the others go on waiting."""
        begun, self._piece = piece.split(taken)
        if begun:
            self._sending.note(stamp_ns, piece.due_ns, begun)
        self._sending.blocked += 1
        self._loop.watch_writing(self._fd, on=True)


def _aside(data: bytes) -> Reply:
    """What is no answer to a request, but belongs to TLS or HTTP."""
    return Reply(iter([Piece(0, data, 0)]), keep_alive=True, ended=unrecorded, takes_turn=False)


def unrecorded(_: Sending) -> None:
    """The `ended` of a reply that is no answer: it leaves no truth."""
