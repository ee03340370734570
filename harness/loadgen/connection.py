"""One TCP or TLS connection in the drain, used by one user for one request at a time.

The socket is a bare `_socket.socket`: gevent's waits are never entered, whether the process is monkey-patched or not. TLS goes
through memory BIOs, so that the kernel's stamps stay readable.
"""

import _socket
import ssl
import time
from time import monotonic_ns

from harness.kernel_clock import ANCILLARY_BYTES
from harness.loadgen.drain import READ, WRITE, Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.network import Network
from harness.loadgen.opening import Opening, Origin, Session
from harness.loadgen.proxy import Proxy
from harness.loadgen.resolver import Resolver
from harness.records import Ending
from harness.wire.http1 import may_end
from harness.wire.limits import BODY_BYTES, HEAD_BYTES

READ_BYTES = 32_768
WAITING_BYTES = 131_072  # of one response that may wait: past it, reading pays for decoding
CLOCK_NOISE_NS = 20_000
BURST_BYTES = 2_048  # a read of more may hold three segments, which are as many as a hole leaves that is filled within a tick
EVENT, RECORD = b"data:", b"\x17\x03\x03"  # what begins an event in plain text, and what may hold one in TLS
LATE_NS = 2_000_000  # between two looks, of which there is one a millisecond: what was read after more may have come apart
PIECE_BYTES = 65_536  # of a request, encrypted and handed to the kernel at a time
TURN_BYTES = 1_048_576  # of a request, sent without looking at other sockets: 0.5 to 1 ms; a tick more would be in its TTFT
READS = 16  # of one socket, while each is full: half a MiB, so that a large answer is not slowed down to our ticks
_NOTHING = memoryview(b"")
# Subtle: all reads of the process land here, and what is kept is a copy of its own size. A buffer for each read, cut down to
# what came, tears the heap to pieces: 3 us more for each token of 500 paced streams, and 45 MB more memory.
_LANDING = memoryview(bytearray(READ_BYTES))
_BUFFERS = (_LANDING,)


class Connection:
    """Open it, then `send` requests one after the other; `usable` says whether another may follow."""

    __slots__ = (
        "_alert",
        "_blocked",
        "_drain",
        "_exchange",
        "_full_ns",
        "_incoming",
        "_mark",
        "_network",
        "_out",
        "_outgoing",
        "_proxy",
        "_socket",
        "_tls",
        "_unsent",
        "closed",
        "origin",
    )

    def __init__(self, drain: Drain, origin: Origin, tls: ssl.SSLContext | None, proxy: Proxy | None = None) -> None:
        self.origin = origin
        self._proxy = proxy
        self.closed = False
        self._drain = drain
        self._socket: _socket.socket | None = None
        self._exchange: Exchange | None = None
        self._alert: str | None = None  # what the peer's TLS, or ours, said when it broke off
        self._blocked = False
        self._network: Network | None = None
        self._full_ns = 0  # the drain whose read may have left bytes in the kernel: those are older than the next floor
        self._mark = EVENT if tls is None else RECORD
        self._out = self._unsent = _NOTHING
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=origin.host) if tls else None

    # the user's side -------------------------------------------------------------------------------------------------

    def open(self, exchange: Exchange, resolver: Resolver) -> bool:
        """False when the exchange ended instead, with the reason in it."""
        self._exchange = exchange
        session = None if self._tls is None else Session(self._tls, self._incoming, self._outgoing)
        self._socket = Opening(self._drain, self.origin, session, exchange, self._proxy).run(resolver)
        if self._socket is not None:
            self._network = Network(self._socket)
            self._drain.hand_over(self._socket.fileno(), self)
        return self._socket is not None

    @property
    def is_open(self) -> bool:
        return self._socket is not None and not self.closed

    def send(self, exchange: Exchange, data: bytes) -> None:
        """Stamp `sent` and hand the request to the kernel; what does not fit follows from the drain."""
        assert self._network is not None, "only an open connection sends"
        self._exchange = exchange
        self._network.begin()
        self._unsent = memoryview(data)
        self._fill()
        exchange.on_wire = True
        exchange.sent_ns = exchange.read_ns = time.monotonic_ns()  # no answer comes before it
        self._flush()

    def release(self) -> bool:
        """The exchange is over. True when the connection may carry another one; else it is closed."""
        self._note_network()
        exchange, self._exchange = self._exchange, None
        parser = exchange.parser if exchange else None
        clean = parser is not None and parser.complete and parser.keep_alive and not parser.unsolicited and not self._out
        if self.closed or not clean:
            self.close()
        return not self.closed

    def close(self) -> None:
        if self.closed:
            return
        self._note_network()
        self.closed = True
        if self._socket is not None:
            self._drain.unregister(self._socket.fileno())
            self._socket.close()

    def _note_network(self) -> None:
        if self._exchange is not None and self._network is not None and not self.closed:
            self._network.note(self._exchange)

    # the drain's side ------------------------------------------------------------------------------------------------

    def on_ready(self, events: int, floor_ns: int) -> None:
        """The socket has something: called by the drain, in the hub. Hot: once for each token of a paced stream."""
        if events & WRITE and self._blocked:
            self._flush()
        if events & ~WRITE and self._read(floor_ns):
            self._read_on(floor_ns)

    def _read_on(self, floor_ns: int) -> None:
        """The first read was full: there may be more."""
        for _ in range(READS - 1):
            if not self._read(floor_ns):
                return
        self._full_ns = self._drain.clock.now_ns

    def on_bug(self, bug: BaseException) -> None:
        """A bug of ours met this connection: it is closed, and the user's greenlet gets to see the bug."""
        if self._exchange is not None:
            self._exchange.crash(bug, time.monotonic_ns())
        self.close()

    def _read(self, floor_ns: int) -> bool:
        """True when there may be more at once: the read was full."""
        exchange, network = self._exchange, self._network
        assert self._socket is not None, "only an open connection is registered"
        assert network is not None, "made when it was opened"
        try:
            size, ancillary, _, _ = self._socket.recvmsg_into(_BUFFERS, ANCILLARY_BYTES)
            data = _LANDING[:size].tobytes()
        except BlockingIOError:
            return False
        except OSError as failed:
            self._lost(exchange, Ending.RESET, failed.strerror, floor_ns)
            return False
        if exchange is None:
            if not data or self._tls is None or self._decrypt(data) != b"":
                self.close()  # closed by the server while idle, or speaking out of turn
        elif not data:
            self._lost(exchange, Ending.EOF, None, floor_ns)
        else:
            before_ns = exchange.read_ns
            stamp_ns = self._stamp(exchange, ancillary, floor_ns, len(data))
            network.reads += size < READ_BYTES
            events = data.count(self._mark)
            if events > 1 or (events and exchange.first_byte_ns is None):
                network.count(exchange, stamp_ns, before_ns if floor_ns == self._full_ns else max(floor_ns, before_ns))
            if self._tls is None:
                self._hear(exchange, stamp_ns, data)
            else:
                self._drain.sealed.append((self, stamp_ns, data))
        return size == READ_BYTES and not self.closed

    def unseal(self, stamp_ns: int, data: bytes) -> None:
        """Decrypt what was read. Called when all have been read: in turns, OpenSSL and recvmsg would displace each other."""
        exchange = self._exchange
        if exchange is None or self.closed:
            return
        plain = self._decrypt(data)
        if plain:
            self._hear(exchange, stamp_ns, plain)
        elif plain is None:
            self._lost(exchange, Ending.EOF, None, stamp_ns)

    def _hear(self, exchange: Exchange, stamp_ns: int, data: bytes) -> None:
        if exchange.may_wait and exchange.ending is None and not may_end(data):
            exchange.reads.append(data)
            exchange.stamps_ns.append(stamp_ns)
            exchange.received += len(data)
            if exchange.received > exchange.decode_at:
                self._see_to_decoding(exchange, stamp_ns)
        else:
            self._take(exchange, stamp_ns, data)

    def _stamp(self, exchange: Exchange, ancillary: list[tuple[int, int, bytes]], floor_ns: int, size: int) -> int:
        """The kernel's stamp, or the time of the read where that stamp is earlier than its bytes could be had.

        Subtle: it is the arrival of the last segment, which may have waited behind a hole. A drain has found the socket empty
        since, or else the hole was filled in this very tick: a large read asks for it here, see `measure/holes.py` for others.
        """
        drain = self._drain
        now_ns = monotonic_ns()
        stamp_ns = drain.clock.stamp(ancillary)
        if stamp_ns is None:
            exchange.unstamped += 1
            stamp_ns = now_ns
        elif stamp_ns < floor_ns and floor_ns != self._full_ns:
            waited = stamp_ns < floor_ns - CLOCK_NOISE_NS
            stamp_ns = self._at_read(exchange, now_ns) if waited else floor_ns
        elif size > BURST_BYTES and self._network is not None and self._network.had_holes():
            stamp_ns = self._at_read(exchange, now_ns)
        if stamp_ns < exchange.read_ns:  # noqa: PLR1730 - a call of max() for each token
            stamp_ns = exchange.read_ns
        lag_ns = now_ns - stamp_ns
        if lag_ns < 0:  # the wall clock was put back since this tick began
            stamp_ns, lag_ns = self._at_read(exchange, now_ns), 0
        drain.read_lags_ns.append(lag_ns)
        if lag_ns > exchange.lag_max_ns:  # noqa: PLR1730 - as above
            exchange.lag_max_ns = lag_ns
        if stamp_ns - floor_ns > LATE_NS:
            exchange.late.extend((stamp_ns, stamp_ns - max(floor_ns, exchange.read_ns)))
        exchange.read_ns = stamp_ns
        return stamp_ns

    @staticmethod
    def _at_read(exchange: Exchange, now_ns: int) -> int:
        exchange.clamps += (now_ns,)
        return now_ns

    def _take(self, exchange: Exchange, stamp_ns: int, data: bytes) -> None:
        """A read that may end the message, or come before its framing is known: the parser sees it at once."""
        if exchange.ending is not None:
            exchange.parser.unsolicited = True  # the user has not released the connection yet: this comes too late to count
            return
        if exchange.first_byte_ns is None:
            exchange.first_byte_ns = stamp_ns
        exchange.reads.append(data)
        exchange.stamps_ns.append(stamp_ns)
        exchange.received += len(data)
        exchange.frame()
        if exchange.received > exchange.decode_at and exchange.ending is None:
            self._see_to_decoding(exchange, stamp_ns)

    def _see_to_decoding(self, exchange: Exchange, stamp_ns: int) -> None:
        """In a slice between drains; or now, where so much waits that decoding is behind."""
        if exchange.received > BODY_BYTES + HEAD_BYTES:
            exchange.end(Ending.OVERSIZE, stamp_ns, f"the response is larger than {BODY_BYTES} bytes")
        elif exchange.is_queued:
            exchange.decode_some()
        else:
            exchange.is_queued = True
            exchange.decode_at += WAITING_BYTES
            self._drain.later(exchange.decode_some)

    def _lost(self, exchange: Exchange | None, ending: Ending, why: str | None, open_ns: int) -> None:
        """Closed by the peer, not before `open_ns`: only a close of the TLS session has a stamp, any other is merely found."""
        self.close()
        if exchange is None or exchange.ending is not None:
            return
        now_ns, why = time.monotonic_ns(), why or self._alert
        exchange.frame()
        if ending is Ending.EOF and exchange.ending is None and exchange.parser.eof():
            exchange.end(Ending.COMPLETE, now_ns)
        elif exchange.parser.head_ns is None:
            # Subtle: TLS 1.3 tells a client that its certificate will not do only after the client's handshake is over.
            turned_away = self._alert is not None and not exchange.reused
            words = why or "the connection was closed before a response"
            exchange.open_ns = open_ns
            exchange.end(Ending.TLS if turned_away else Ending.NO_RESPONSE, now_ns, words)
        else:
            exchange.end(ending, now_ns, why)

    def _decrypt(self, data: bytes) -> bytes | None:
        """Plain bytes that these records complete; None when the peer closed the TLS session."""
        tls, incoming = self._tls, self._incoming
        assert tls is not None, "called for TLS only"
        incoming.write(data)
        pieces: list[bytes] = []
        try:
            while incoming.pending or tls.pending():
                piece = tls.read(len(data))  # not more: a buffer of that size is made for it
                if not piece:
                    return b"".join(pieces) or None
                pieces.append(piece)
        except ssl.SSLWantReadError:  # a part of a record is left for later
            pass
        except ssl.SSLError as broken:  # closed, properly or not: what was whole before it still counts
            self._alert = None if isinstance(broken, ssl.SSLZeroReturnError) else str(broken)
            return b"".join(pieces) or None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _flush(self) -> None:
        assert self._socket is not None, "only an open connection sends"
        left = TURN_BYTES
        try:
            while left > 0 and self._out:
                sent = self._socket.send(self._out)
                self._out = self._out[sent:]
                left -= sent
                if not self._out:
                    self._fill()
        except BlockingIOError:
            pass
        except OSError:
            self._out = self._unsent = (
                _NOTHING  # reading tells what happened: a server may answer and close before it has read all
            )
        self._block(bool(self._out))

    def _fill(self) -> None:
        """The next piece of the request, encrypted where it must be: 1 MB at once would keep everybody else waiting."""
        piece, self._unsent = self._unsent[:PIECE_BYTES], self._unsent[PIECE_BYTES:]
        if self._tls is not None and piece:
            self._tls.write(piece)
            piece = memoryview(self._outgoing.read())
        self._out = piece

    def _block(self, blocked: bool) -> None:
        """Ask for writability only while the kernel's buffer is full."""
        if blocked != self._blocked and self._socket is not None:
            self._blocked = blocked
            self._drain.watch(self._socket.fileno(), READ | WRITE if blocked else READ)
