"""From nothing to a socket that may carry requests: resolve, connect, proxy, TLS, each timed apart in the exchange.

The drain reads and stamps what the peer sends; the work on it is done in the user's greenlet, which the drain only wakes. So
each step's time ends when the peer's part of it came, whenever our turn is. The socket then goes over to a
`connection.Connection`. It is a bare `_socket.socket`: gevent's waits are never entered, whether the process is patched or not.
"""

import _socket
import errno
import os
import ssl
import time
from typing import NamedTuple

from harness.kernel_clock import ANCILLARY_BYTES
from harness.loadgen.drain import READ, WRITE, Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.proxy import Proxy, ProxyError, Tunnel, authority
from harness.loadgen.reach import SHORT, Reach
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


class _PeersTime:
    """What a step takes the peer: from each of our flights to the last bytes that came before the next one."""

    def __init__(self) -> None:
        self._total_ns = self._sent_ns = self._arrived_ns = 0

    def sent(self, now_ns: int) -> None:
        self._total_ns += self._arrived_ns - self._sent_ns
        self._sent_ns = self._arrived_ns = now_ns

    def arrived(self, stamp_ns: int) -> None:
        """A stamp may err by how far apart the clocks were read: nothing comes before it was asked for."""
        self._arrived_ns = max(self._arrived_ns, stamp_ns)

    @property
    def total_ns(self) -> int:
        return self._total_ns + self._arrived_ns - self._sent_ns


class Opening:
    """Call `run` once. With a proxy, its name is the only one that is looked up here; the origin's is the proxy's affair."""

    def __init__(
        self, drain: Drain, origin: Origin, session: Session | None, exchange: Exchange, proxy: Proxy | None = None
    ) -> None:
        self._drain, self._origin, self._session, self._exchange, self._proxy = drain, origin, session, exchange, proxy
        self._whose = "" if proxy is None else f"the proxy {proxy.url}: "
        self._socket: _socket.socket | None = None
        self._is_writable = self._is_closed = False
        self._received = bytearray()
        self._peer = _PeersTime()

    def run(self, resolver: Resolver) -> _socket.socket | None:
        """The socket, registered for reading; None when the exchange ended instead, with the reason in it."""
        try:
            self._connect(resolver)
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
        now_ns = self._drain.clock.now_ns
        if events & WRITE:
            self._is_writable = True
            self._exchange.our_turn(now_ns)
        if events & ~WRITE and self._session is not None and not self._is_closed:  # without one, nothing is due before we ask
            self._read(now_ns)

    def on_bug(self, bug: BaseException) -> None:
        self._exchange.crash(bug, time.monotonic_ns())

    def _read(self, now_ns: int) -> None:
        """In the hub, so that its time is known and it does not wait in the kernel, to be told of again and again."""
        assert self._socket is not None, "registered when connected"
        room = _RECEIVE_BYTES - len(self._received)
        if room <= 0:
            return
        try:
            data, ancillary, _, _ = self._socket.recvmsg(room, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        stamp_ns = self._drain.clock.stamp(ancillary) or now_ns
        self._is_closed = not data
        self._received += data
        self._peer.arrived(stamp_ns)
        self._exchange.our_turn(stamp_ns)

    # steps -----------------------------------------------------------------------------------------------------------

    def _connect(self, resolver: Resolver) -> None:
        there = self._proxy or self._origin
        reach = Reach(self._drain, self._exchange, self._whose)
        taken = reach.run(self._resolve(resolver, there.host, there.port), self._wait)
        if taken is None:
            self._note_shortage(reach)
            refused = any(trial.code == errno.ECONNREFUSED for trial in reach.trials)
            words = reach.failures or "the name has no address"
            raise _OpeningError(Ending.REFUSED if refused else Ending.CONNECT, f"{self._whose}{words}")
        assert taken.socket is not None, "the one that has accepted"
        self._socket = taken.socket
        self._drain.hand_over(self._socket.fileno(), self)
        resolver.worked(there.host, there.port, taken.address)
        self._exchange.connect_ns = taken.ended_ns - taken.began_ns
        self._exchange.address = taken.address.sockaddr[0]

    def _note_shortage(self, reach: Reach) -> None:
        """Where it is this process that has no socket left, the endpoint was not even asked, and the run is no good."""
        short = next((trial.code for trial in reach.trials if trial.code in SHORT), None)
        if short is not None:
            self._drain.shortages.append(os.strerror(short))
            raise _OpeningError(Ending.CANCELLED, f"signoff could not open a socket: {os.strerror(short)}")

    def _resolve(self, resolver: Resolver, host: str, port: int) -> list[Address]:
        self._exchange.waiting_for = f"{self._whose}the address of {host}"
        result = resolver.lookup(host, port)
        if not result.ready():
            result.rawlink(lambda _: self._exchange.our_turn(time.monotonic_ns()))
        while not result.ready():
            self._wait()
        try:
            known = resolver.known(host, port, result)
        except OSError as failed:
            raise _OpeningError(Ending.DNS, f"{self._whose}{host}: {failed.strerror or failed}") from failed
        self._exchange.dns_ns = known.took_ns
        return known.addresses

    def _tunnel(self, proxy: Proxy) -> None:
        host, port = self._origin.host, self._origin.port
        self._exchange.waiting_for = f"the proxy {proxy.url} to answer CONNECT {authority(host, port)}"
        self._peer = _PeersTime()
        self._send(proxy.connect(host, port))
        tunnel = Tunnel(proxy, host, port)
        try:
            while not tunnel.feed(self._receive(), time.monotonic_ns()):
                pass
        except ProxyError as refused:
            raise _OpeningError(Ending.PROXY, str(refused)) from refused
        self._exchange.proxy_ns = self._peer.total_ns

    def _handshake(self, session: Session) -> None:
        self._exchange.waiting_for = f"{self._whose}the TLS handshake with {self._origin.host}"
        self._peer = _PeersTime()
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
        self._exchange.tls_ns = self._peer.total_ns
        self._send(session.outgoing.read())
        session.incoming.write(self._received)  # what the drain has read since

    # waiting ---------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Until something has changed; leaves by `_OpeningError` when that is the end of the exchange."""
        self._exchange.their_turn(time.monotonic_ns())
        self._exchange.wait()
        if self._exchange.ending is not None:
            raise _OpeningError(self._exchange.ending, self._exchange.detail)

    def _receive(self) -> bytes:
        """Wait for bytes; none when the peer closed or reset."""
        while not self._received and not self._is_closed:
            self._wait()
        data = bytes(self._received)
        self._received.clear()
        return data

    @staticmethod
    def _feed(incoming: ssl.MemoryBIO, data: bytes) -> None:
        if data:
            incoming.write(data)
        else:
            incoming.write_eof()

    def _send(self, data: bytes) -> None:
        """All of it. A peer that is gone is not told here: reading tells what happened."""
        assert self._socket is not None, "connected before"
        if data:
            self._peer.sent(time.monotonic_ns())
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                self._is_writable = False
                self._drain.watch(self._socket.fileno(), READ | WRITE)
                while not self._is_writable and not self._is_closed:
                    self._wait()
                self._drain.watch(self._socket.fileno(), READ)
            except OSError:
                return

    def _drop(self) -> None:
        if self._socket is not None:
            self._drain.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None
