"""From nothing to a socket that may carry requests: resolve, connect, proxy, TLS, each timed apart in the exchange.

All of it runs in the user's greenlet, which the drain only wakes; the socket then goes over to a `connection.Connection`. It is
a bare `_socket.socket`: gevent's waits are never entered, whether the process is monkey-patched or not.
"""

import _socket
import errno
import os
import socket
import ssl
import time
from typing import NamedTuple

from harness.kernel_clock import KERNEL_STAMPS, SO_TIMESTAMPNS
from harness.loadgen.drain import READ, WRITE, Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.proxy import Proxy, ProxyError, Tunnel, authority
from harness.loadgen.resolver import Address, Resolver
from harness.records import Ending

_RECEIVE_BYTES = 65_536


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Session(NamedTuple):
    """TLS over two memory buffers, so that the socket's own reads, and the kernel's stamps beside them, stay ours."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


class _OpeningError(Exception):
    """The opening has failed: how, and in which words. Never leaves this file."""

    def __init__(self, ending: Ending, words: str | None) -> None:
        super().__init__(words)
        self.ending, self.words = ending, words


class Opening:
    """Call `run` once. With a proxy, its name is the only one that is looked up here; the origin's is the proxy's affair."""

    def __init__(
        self, drain: Drain, origin: Origin, session: Session | None, exchange: Exchange, proxy: Proxy | None = None
    ) -> None:
        self._drain, self._origin, self._session, self._exchange, self._proxy = drain, origin, session, exchange, proxy
        self._whose = "" if proxy is None else f"the proxy {proxy.url}: "
        self._socket: _socket.socket | None = None
        self._events = 0

    def run(self, resolver: Resolver) -> _socket.socket | None:
        """The socket, registered for reading; None when the exchange ended instead, with the reason in it."""
        try:
            self._connect(self._resolve(resolver))
            if self._session is not None and self._proxy is not None:
                self._tunnel(self._proxy)
            if self._session is not None:
                self._handshake(self._session)
        except _OpeningError as failed:
            self._drop()
            self._exchange.end(failed.ending, time.monotonic_ns(), failed.words)
            return None
        except BaseException:
            self._drop()
            raise
        return self._socket

    # the drain's side ------------------------------------------------------------------------------------------------

    def on_ready(self, events: int, _floor_ns: int) -> None:
        """Told again at every drain while it is so: a wake that meets no waiter is not lost."""
        self._events |= events
        self._exchange.wake()

    def on_bug(self, bug: BaseException) -> None:
        self._exchange.crash(bug, time.monotonic_ns())

    # steps -----------------------------------------------------------------------------------------------------------

    def _resolve(self, resolver: Resolver) -> list[Address]:
        there = self._proxy or self._origin
        host, port = there.host, there.port
        started = time.monotonic_ns()
        self._exchange.waiting_for = f"{self._whose}the address of {host}"
        result = resolver.lookup(host, port)
        if not result.ready():
            result.rawlink(lambda _: self._exchange.wake())
        while not result.ready():
            self._wait()
        try:
            addresses = resolver.addresses(host, port)
        except OSError as failed:
            raise _OpeningError(Ending.DNS, f"{self._whose}{host}: {failed.strerror or failed}") from failed
        self._exchange.dns_ns = time.monotonic_ns() - started
        return addresses

    def _connect(self, addresses: list[Address]) -> None:
        """Try the addresses in the resolver's order; the last failure is the one that is told."""
        started = time.monotonic_ns()
        failure = _OpeningError(Ending.CONNECT, f"{self._whose}the name has no address")
        for address in addresses:
            code = self._try(address)
            if code == 0:
                self._exchange.connect_ns = time.monotonic_ns() - started
                self._exchange.address = address.sockaddr[0]
                return
            failure = self._refused(address, code)
        raise failure

    def _try(self, address: Address) -> int:
        """0 or the errno."""
        try:
            sock = self._socket = _socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as failed:
            if failed.errno != errno.EAFNOSUPPORT:  # a name may have addresses of a kind that this machine has not
                raise
            return failed.errno
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if KERNEL_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._events = 0
        self._exchange.waiting_for = f"{self._whose}{authority(*address.sockaddr[:2])} to accept"
        code = sock.connect_ex(address.sockaddr)
        self._drain.register(sock.fileno(), self, READ | WRITE)
        if code == errno.EINPROGRESS:
            while not self._events:
                self._wait()
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            self._drain.watch(sock.fileno(), READ)
        else:
            self._drop()
        return code

    def _refused(self, address: Address, code: int) -> _OpeningError:
        ending = Ending.REFUSED if code == errno.ECONNREFUSED else Ending.CONNECT
        return _OpeningError(ending, f"{self._whose}{address.sockaddr[0]} port {address.sockaddr[1]}: {os.strerror(code)}")

    def _tunnel(self, proxy: Proxy) -> None:
        started = time.monotonic_ns()
        host, port = self._origin.host, self._origin.port
        self._exchange.waiting_for = f"the proxy {proxy.url} to answer CONNECT {authority(host, port)}"
        self._send(proxy.connect(host, port))
        tunnel = Tunnel(proxy, host, port)
        try:
            while not tunnel.feed(self._receive(), time.monotonic_ns()):
                pass
        except ProxyError as refused:
            raise _OpeningError(Ending.PROXY, str(refused)) from refused
        self._exchange.proxy_ns = time.monotonic_ns() - started

    def _handshake(self, session: Session) -> None:
        started = time.monotonic_ns()
        self._exchange.waiting_for = f"{self._whose}the TLS handshake with {self._origin.host}"
        while True:
            try:
                session.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._send(session.outgoing.read())
                self._feed(session.incoming, self._receive())
            except (ssl.SSLError, ssl.CertificateError) as failed:
                self._send(session.outgoing.read())  # the alert that tells the peer why
                raise _OpeningError(Ending.TLS, f"{self._whose}{failed}") from failed
        self._send(session.outgoing.read())
        self._exchange.tls_ns = time.monotonic_ns() - started

    # waiting ---------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Until something has changed; leaves by `_OpeningError` when that is the end of the exchange."""
        self._exchange.wait()
        if self._exchange.ending is not None:
            raise _OpeningError(self._exchange.ending, self._exchange.detail)

    def _receive(self) -> bytes:
        """Wait for bytes; none when the peer closed or reset."""
        assert self._socket is not None, "connected before"
        while True:
            try:
                return self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                self._wait()
            except OSError:
                return b""

    @staticmethod
    def _feed(incoming: ssl.MemoryBIO, data: bytes) -> None:
        if data:
            incoming.write(data)
        else:
            incoming.write_eof()

    def _send(self, data: bytes) -> None:
        """All of it. A peer that is gone is not told here: reading tells what happened."""
        assert self._socket is not None, "connected before"
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                self._drain.watch(self._socket.fileno(), READ | WRITE)
                self._wait()
                self._drain.watch(self._socket.fileno(), READ)
            except OSError:
                return

    def _drop(self) -> None:
        if self._socket is not None:
            self._drain.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None
