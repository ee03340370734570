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
from typing import NamedTuple

from harness.loadgen.clock import ANCILLARY_BYTES, KERNEL_STAMPS, SO_TIMESTAMPNS
from harness.loadgen.drain import READ, WRITE, Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.resolver import Address, Resolver
from harness.records import Ending
from harness.wire.http1 import ProtocolError
from harness.wire.limits import BODY_BYTES, HEAD_BYTES, OversizeError

READ_BYTES = 65_536
DECODE_BYTES = 16_384
CLAMP_NOTED_NS = 100_000
LATE_NS = 2_000_000  # between two looks, of which there is one a millisecond: what was read after more may have come apart
_CONNECTING, _HANDSHAKE, _OPEN = range(3)


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Connection:
    """Open it, then `send` requests one after the other; `usable` says whether another may follow."""

    def __init__(self, drain: Drain, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self.origin = origin
        self.closed = False
        self._drain = drain
        self._socket: _socket.socket | None = None
        self._exchange: Exchange | None = None
        self._stage = _CONNECTING
        self._blocked = False
        self._unread = True  # the last read may have left bytes in the kernel: an early stamp is then no surprise
        self._out = memoryview(b"")
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
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._out = memoryview(data)
        exchange.on_wire = True
        exchange.sent_ns = time.monotonic_ns()
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
        """The socket has something: called by the drain, in the hub."""
        exchange = self._exchange
        if events & WRITE and self._blocked:
            self._flush()
        if self._stage != _OPEN:
            if self._stage == _HANDSHAKE:
                self._pull_in()
            if exchange is not None:
                exchange.wake()
            return
        if events & ~WRITE:
            self._read(exchange, floor_ns)

    def on_bug(self, bug: BaseException) -> None:
        """A bug of ours met this connection: it is closed, and the user's greenlet gets to see the bug."""
        if self._exchange is not None:
            self._exchange.crash(bug, time.monotonic_ns())
        self.close()

    def _read(self, exchange: Exchange | None, floor_ns: int) -> None:
        assert self._socket is not None, "only an open connection is registered"
        try:
            data, ancillary, _, _ = self._socket.recvmsg(READ_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as failed:
            self._lost(exchange, Ending.RESET, failed.strerror)
            return
        stamp_ns = self._stamp(ancillary, floor_ns, exchange)
        self._unread = len(data) == READ_BYTES
        plain = self._decrypt(data) if self._tls is not None else data
        if exchange is None:
            if plain != b"" or not data:
                self.close()  # closed by the server while idle, or speaking out of turn
            return
        if plain:
            self._take(exchange, stamp_ns, plain)
        elif plain is None or not data:
            self._lost(exchange, Ending.EOF, None)

    def _stamp(self, ancillary: list[tuple[int, int, bytes]], floor_ns: int, exchange: Exchange | None) -> int:
        """The kernel's stamp, not earlier than the last drain that found this socket empty.

        Subtle: after a lost segment the kernel keeps the early stamp of bytes that could not be delivered yet.
        """
        now_ns = self._drain.clock.now_ns
        stamp_ns = self._drain.clock.stamp(ancillary)
        if stamp_ns is None:
            if exchange is not None:
                exchange.unstamped += 1
            return time.monotonic_ns()
        if exchange is None:
            return stamp_ns
        if stamp_ns < floor_ns and not self._unread:
            exchange.clamped += stamp_ns < floor_ns - CLAMP_NOTED_NS
            stamp_ns = floor_ns
        if exchange.sent_ns is not None and stamp_ns < exchange.sent_ns:
            stamp_ns = exchange.sent_ns
        self._drain.read_lags_ns.append(now_ns - stamp_ns)
        if stamp_ns - floor_ns > LATE_NS:
            exchange.late.extend((stamp_ns, stamp_ns - max(floor_ns, exchange.sent_ns or 0)))
        if exchange.lag_max_ns is None or now_ns - stamp_ns > exchange.lag_max_ns:
            exchange.lag_max_ns = max(0, now_ns - stamp_ns)
        return stamp_ns

    def _take(self, exchange: Exchange, stamp_ns: int, data: bytes) -> None:
        if exchange.ending is not None:
            return  # the user has not released the connection yet: what comes now is too late to count
        if exchange.first_byte_ns is None:
            exchange.first_byte_ns = stamp_ns
        exchange.received += len(data)
        try:
            exchange.parser.feed(stamp_ns, data)
        except OversizeError as too_much:  # of the head: a server that floods headers does not speak HTTP with us
            exchange.end(Ending.PROTOCOL, stamp_ns, str(too_much))
        except ProtocolError as broken:
            headless = exchange.parser.head_ns is None
            exchange.end(Ending.NO_RESPONSE if headless else Ending.PROTOCOL, stamp_ns, str(broken))
        if exchange.parser.complete:
            exchange.end(Ending.COMPLETE, stamp_ns)
        elif exchange.received > BODY_BYTES + HEAD_BYTES:
            exchange.end(Ending.OVERSIZE, stamp_ns, f"the response is larger than {BODY_BYTES} bytes")
        self._queue_decoding(exchange, len(data))

    def _queue_decoding(self, exchange: Exchange, size: int) -> None:
        before = exchange.pending
        exchange.pending += size
        if before < DECODE_BYTES <= exchange.pending:
            self._drain.later(exchange.decode)

    def _lost(self, exchange: Exchange | None, ending: Ending, why: str | None) -> None:
        self.close()
        if exchange is None or exchange.ending is not None:
            return
        now_ns = time.monotonic_ns()
        if ending is Ending.EOF and exchange.parser.eof():
            exchange.end(Ending.COMPLETE, now_ns)
        elif exchange.parser.head_ns is None:
            exchange.end(Ending.NO_RESPONSE, now_ns, why or "the connection was closed before a response")
        else:
            exchange.end(ending, now_ns, why)

    def _decrypt(self, data: bytes) -> bytes | None:
        """Plain bytes that these records complete; None when the peer closed the TLS session."""
        assert self._tls is not None, "called for TLS only"
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        pieces = []
        try:
            while True:
                piece = self._tls.read(READ_BYTES)
                if not piece:
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces)
        except ssl.SSLError:
            pass  # closed, properly or not: what was whole before it still counts
        return b"".join(pieces) or None

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
        try:
            while self._out:
                self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            self._block(True)
            return
        except OSError:
            self._out = memoryview(b"")  # reading tells what happened: a server may answer and close before it has read all
        self._block(False)

    def _block(self, blocked: bool) -> None:
        """Ask for writability only while the kernel's buffer is full."""
        if blocked != self._blocked and self._socket is not None:
            self._blocked = blocked
            self._drain.watch(self._socket.fileno(), READ | WRITE if blocked else READ)


def _failure(address: Address, code: int) -> tuple[Ending, str]:
    ending = Ending.REFUSED if code == errno.ECONNREFUSED else Ending.CONNECT
    return ending, f"{address.sockaddr[0]} port {address.sockaddr[1]}: {os.strerror(code)}"
