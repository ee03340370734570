"""One TCP or TLS connection in the drain, used by one user for one request at a time.

The socket is a bare `_socket.socket`: gevent's waits are never entered, whether the process is monkey-patched or not. TLS goes
through memory BIOs, so that the kernel's stamps stay readable.
"""

import _socket
import errno
import os
import socket
import ssl
import time
from time import monotonic_ns
from typing import NamedTuple

from harness.loadgen.clock import ANCILLARY_BYTES, KERNEL_STAMPS, SO_TIMESTAMPNS
from harness.loadgen.drain import READ, WRITE, Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.resolver import Address, Resolver
from harness.records import Ending
from harness.wire.http1 import may_end
from harness.wire.limits import BODY_BYTES, HEAD_BYTES

READ_BYTES = 32_768
WAITING_BYTES = 131_072  # of one response that may wait: past it, reading pays for decoding
CLAMP_NOTED_NS = 100_000
LATE_NS = 2_000_000  # between two looks, of which there is one a millisecond: what was read after more may have come apart
PIECE_BYTES = 65_536  # of a request, encrypted and handed to the kernel at a time
TURN_BYTES = 262_144  # of a request, sent without looking at other sockets: 0.3 ms
_CONNECTING, _HANDSHAKE, _OPEN = range(3)
_NOTHING = memoryview(b"")


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Connection:
    """Open it, then `send` requests one after the other; `usable` says whether another may follow."""

    __slots__ = (
        "_blocked",
        "_drain",
        "_exchange",
        "_incoming",
        "_out",
        "_outgoing",
        "_socket",
        "_stage",
        "_tls",
        "_unread",
        "_unsent",
        "closed",
        "origin",
    )

    def __init__(self, drain: Drain, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self.origin = origin
        self.closed = False
        self._drain = drain
        self._socket: _socket.socket | None = None
        self._exchange: Exchange | None = None
        self._stage = _CONNECTING
        self._blocked = False
        self._unread = True  # the last read may have left bytes in the kernel: an early stamp is then no surprise
        self._out = self._unsent = _NOTHING
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=origin.host) if tls else None

    # the user's side -------------------------------------------------------------------------------------------------

    def open(self, exchange: Exchange, resolver: Resolver) -> bool:
        """Resolve, connect, shake hands, each timed apart; False when the exchange ended instead, with the reason in it."""
        self._exchange = exchange
        addresses = self._resolve(exchange, resolver)
        started = time.monotonic_ns()
        failure = (Ending.CONNECT, "the name has no address")
        for address in addresses:
            code = self._connect(exchange, address)
            if exchange.ending is not None or code == 0:
                break
            failure = _failure(address, code)
        else:
            exchange.end(failure[0], time.monotonic_ns(), failure[1])
        if exchange.ending is not None:
            return False
        exchange.connect_ns = time.monotonic_ns() - started
        self._stage = _HANDSHAKE if self._tls is not None else _OPEN
        return self._tls is None or self._handshake(exchange, self._tls)

    @property
    def is_open(self) -> bool:
        return self._stage == _OPEN and not self.closed

    def send(self, exchange: Exchange, data: bytes) -> None:
        """Stamp `sent` and hand the request to the kernel; what does not fit follows from the drain."""
        self._exchange = exchange
        self._unsent = memoryview(data)
        self._fill()
        exchange.on_wire = True
        exchange.sent_ns = exchange.read_ns = time.monotonic_ns()  # no answer comes before it
        self._flush()

    def release(self) -> bool:
        """The exchange is over. True when the connection may carry another one; else it is closed."""
        exchange, self._exchange = self._exchange, None
        parser = exchange.parser if exchange else None
        clean = parser is not None and parser.complete and parser.keep_alive and not parser.unsolicited and not self._out
        if self.closed or not clean:
            self.close()
        return not self.closed

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._socket is not None:
            self._drain.unregister(self._socket.fileno())
            self._socket.close()

    # connecting ------------------------------------------------------------------------------------------------------

    def _resolve(self, exchange: Exchange, resolver: Resolver) -> list[Address]:
        started = time.monotonic_ns()
        result = resolver.lookup(self.origin.host, self.origin.port)
        if not result.ready():
            result.rawlink(lambda _: exchange.wake())
        while not result.ready() and exchange.ending is None:
            exchange.wait()
        if exchange.ending is not None:
            return []
        try:
            addresses = resolver.addresses(self.origin.host, self.origin.port)
        except OSError as failed:
            exchange.end(Ending.DNS, time.monotonic_ns(), f"{self.origin.host}: {failed.strerror or failed}")
            return []
        exchange.dns_ns = time.monotonic_ns() - started
        return addresses

    def _connect(self, exchange: Exchange, address: Address) -> int:
        """Try one address; 0 or the errno. When the exchange has ended meanwhile the code means nothing."""
        sock = self._socket = _socket.socket(address.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if KERNEL_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        code = sock.connect_ex(address.sockaddr)
        self._drain.register(sock.fileno(), self, READ | WRITE)
        if code == errno.EINPROGRESS:
            exchange.wait()
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            self._drain.watch(sock.fileno(), READ)
        else:
            self._drain.unregister(sock.fileno())
            sock.close()
        return code

    def _handshake(self, exchange: Exchange, tls: ssl.SSLObject) -> bool:
        started = time.monotonic_ns()
        while exchange.ending is None:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._push_out()
                exchange.wait()
                continue
            except (ssl.SSLError, ssl.CertificateError) as failed:
                self._push_out()
                exchange.end(Ending.TLS, time.monotonic_ns(), str(failed))
                return False
            self._push_out()
            self._stage = _OPEN
            exchange.tls_ns = time.monotonic_ns() - started
            return True
        return False

    def _push_out(self) -> None:
        self._out = memoryview(self._outgoing.read())
        self._flush()

    # the drain's side ------------------------------------------------------------------------------------------------

    def on_ready(self, events: int, floor_ns: int) -> None:
        """The socket has something: called by the drain, in the hub. Hot: once for each token of a paced stream."""
        if self._stage != _OPEN:
            self._go_on_opening()
            return
        if events & WRITE and self._blocked:
            self._flush()
        if events & ~WRITE:
            self._read(floor_ns)

    def _go_on_opening(self) -> None:
        if self._stage == _HANDSHAKE:
            self._pull_in()
        if self._exchange is not None:
            self._exchange.wake()

    def on_bug(self, bug: BaseException) -> None:
        """A bug of ours met this connection: it is closed, and the user's greenlet gets to see the bug."""
        if self._exchange is not None:
            self._exchange.crash(bug, time.monotonic_ns())
        self.close()

    def _read(self, floor_ns: int) -> None:
        exchange = self._exchange
        assert self._socket is not None, "only an open connection is registered"
        try:
            data, ancillary, _, _ = self._socket.recvmsg(READ_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as failed:
            self._lost(exchange, Ending.RESET, failed.strerror)
            return
        plain = data if self._tls is None else self._decrypt(data)
        if exchange is None:
            if plain != b"" or not data:
                self.close()  # closed by the server while idle, or speaking out of turn
        elif plain:
            stamp_ns = self._stamp(exchange, ancillary, floor_ns)
            if exchange.may_wait and exchange.ending is None and not may_end(plain):
                exchange.reads.append(plain)
                exchange.stamps_ns.append(stamp_ns)
                exchange.received += len(plain)
                if exchange.received > exchange.decode_at:
                    self._see_to_decoding(exchange, stamp_ns)
            else:
                self._take(exchange, stamp_ns, plain)
        elif plain is None or not data:
            self._lost(exchange, Ending.EOF, None)
        self._unread = len(data) == READ_BYTES

    def _stamp(self, exchange: Exchange, ancillary: list[tuple[int, int, bytes]], floor_ns: int) -> int:
        """The kernel's stamp, not earlier than the last drain that found this socket empty, nor than the read before it.

        Subtle: after a lost segment the kernel keeps the early stamp of bytes that could not be delivered yet.
        """
        drain = self._drain
        now_ns = monotonic_ns()
        stamp_ns = drain.clock.stamp(ancillary)
        if stamp_ns is None:
            exchange.unstamped += 1
            stamp_ns = now_ns
        elif stamp_ns < floor_ns and not self._unread:
            exchange.clamped += stamp_ns < floor_ns - CLAMP_NOTED_NS
            stamp_ns = floor_ns
        if stamp_ns < exchange.read_ns:  # noqa: PLR1730 - a call of max() for each token
            stamp_ns = exchange.read_ns
        lag_ns = now_ns - stamp_ns
        drain.read_lags_ns.append(lag_ns)
        exchange.lag_max_ns = max(exchange.lag_max_ns, lag_ns)
        if stamp_ns - floor_ns > LATE_NS:
            exchange.late.extend((stamp_ns, stamp_ns - max(floor_ns, exchange.read_ns)))
        exchange.read_ns = stamp_ns
        return stamp_ns

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

    def _lost(self, exchange: Exchange | None, ending: Ending, why: str | None) -> None:
        self.close()
        if exchange is None or exchange.ending is not None:
            return
        now_ns = time.monotonic_ns()
        exchange.frame()
        if ending is Ending.EOF and exchange.ending is None and exchange.parser.eof():
            exchange.end(Ending.COMPLETE, now_ns)
        elif exchange.parser.head_ns is None:
            exchange.end(Ending.NO_RESPONSE, now_ns, why or "the connection was closed before a response")
        else:
            exchange.end(ending, now_ns, why)

    def _decrypt(self, data: bytes) -> bytes | None:
        """Plain bytes that these records complete; None when the peer closed the TLS session."""
        tls, incoming = self._tls, self._incoming
        assert tls is not None, "called for TLS only"
        if not data:
            return None  # a close without TLS's own goodbye: every record that was whole has been handed on before
        incoming.write(data)
        pieces: list[bytes] = []
        try:
            while incoming.pending or tls.pending():
                piece = tls.read(READ_BYTES)
                if not piece:
                    return b"".join(pieces) or None
                pieces.append(piece)
        except ssl.SSLWantReadError:  # a part of a record is left for later
            pass
        except ssl.SSLError:  # closed, properly or not: what was whole before it still counts
            return b"".join(pieces) or None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pull_in(self) -> None:
        """Bytes of the handshake."""
        assert self._socket is not None, "only an open connection is registered"
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

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


def _failure(address: Address, code: int) -> tuple[Ending, str]:
    ending = Ending.REFUSED if code == errno.ECONNREFUSED else Ending.CONNECT
    return ending, f"{address.sockaddr[0]} port {address.sockaddr[1]}: {os.strerror(code)}"
