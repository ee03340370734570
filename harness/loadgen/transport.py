"""httpx over the drain: an `httpx.BaseTransport` that keeps one connection per origin, for one user at a time.

Load calls `perform` with a prebuilt request and reads the `Exchange`; preflight, judge and SDKs use
`httpx.Client(transport=...)`, which gets httpx's own responses and exceptions. HTTP/1.1, no redirects, no
proxy but a given one.
"""

import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from harness.loadgen.connection import Connection
from harness.loadgen.drain import Drain
from harness.loadgen.exchange import Bytes, Exchange
from harness.loadgen.opening import Origin
from harness.loadgen.proxy import AUTHENTICATION_REQUIRED, Proxy
from harness.loadgen.resolver import Resolver
from harness.records import Deadlines, Ending

# What a server takes from deciding that a connection is idle to closing it, and round trips to vary. Were it long, a request
# that was worked on and dropped would be sent again, and the failure hidden.
CLOSING_NS = 5_000_000
_WIRE, _ORIGIN = "signoff.wire", "signoff.origin"
_HTTPX_ERRORS: Mapping[Ending, type[httpx.TransportError]] = {
    Ending.EOF: httpx.RemoteProtocolError,
    Ending.RESET: httpx.ReadError,
    Ending.NO_RESPONSE: httpx.RemoteProtocolError,
    Ending.PROTOCOL: httpx.RemoteProtocolError,
    Ending.OVERSIZE: httpx.RemoteProtocolError,
    Ending.DNS: httpx.ConnectError,
    Ending.REFUSED: httpx.ConnectError,
    Ending.TLS: httpx.ConnectError,
    Ending.CONNECT: httpx.ConnectError,
    Ending.PROXY: httpx.ProxyError,
    Ending.TIMEOUT_CONNECT: httpx.ConnectTimeout,
    Ending.TIMEOUT_HEADERS: httpx.ReadTimeout,
    Ending.TIMEOUT_FIRST_TOKEN: httpx.ReadTimeout,
    Ending.TIMEOUT_IDLE: httpx.ReadTimeout,
    Ending.TIMEOUT_TOTAL: httpx.ReadTimeout,
    Ending.CANCELLED: httpx.ReadError,
    Ending.UNSENT: httpx.PoolTimeout,
}


class Transport(httpx.BaseTransport):
    """One user's way out. Drain, resolver, TLS context and proxy are shared by all users of an endpoint."""

    def __init__(self, drain: Drain, resolver: Resolver, tls: ssl.SSLContext | None = None, proxy: Proxy | None = None) -> None:
        self._drain, self._resolver, self._tls, self._proxy = drain, resolver, tls, proxy
        self._idle: dict[Origin, Connection] = {}

    def perform(self, request: httpx.Request, exchange: Exchange) -> None:
        """Send the request and wait until the exchange has ended, well or not; never raises for what the peer does.

        A killed greenlet (GreenletExit, a timeout of a caller) leaves no socket behind and the exchange CANCELLED.
        """
        connection: Connection | None = None
        try:
            while True:
                connection = self._take(request)
                self._drain.begin(exchange)
                if self._ready(connection, exchange):
                    connection.send(exchange, wire_bytes(request, self._proxy))
                while exchange.ending is None:
                    exchange.wait()
                if not _stale(exchange):
                    break
                self._keep(connection)
                exchange.restart(time.monotonic_ns())
        except BaseException:
            exchange.end(Ending.CANCELLED, time.monotonic_ns(), "the user was stopped")
            raise
        finally:
            self._drain.finished(exchange)
            self._keep(connection)
        if exchange.bug is not None:
            raise exchange.bug
        if self._proxy is not None and request.url.scheme == "http" and exchange.parser.status == AUTHENTICATION_REQUIRED:
            exchange.ending = Ending.PROXY  # it is asked itself, and has not passed the request on
            exchange.detail = self._proxy.refusal(AUTHENTICATION_REQUIRED, request.method)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx asks: the whole response, or an exception of httpx's tree. `extensions["exchange"]` has the stamps."""
        body = Bytes()
        exchange = Exchange(body, _deadlines(request), time.monotonic_ns(), request.method)
        self.perform(request, exchange)
        exchange.decode()
        ending, status = exchange.ending, exchange.parser.status
        if ending is not Ending.COMPLETE or status is None:
            assert ending is not None, "perform returns when the exchange has ended"
            raise _HTTPX_ERRORS[ending](exchange.detail or ending.value, request=request)
        return httpx.Response(
            status,
            headers=exchange.parser.headers,
            stream=httpx.ByteStream(b"".join(body.pieces)),
            extensions={"http_version": b"HTTP/1.1", "exchange": exchange},
        )

    def close(self) -> None:
        for connection in self._idle.values():
            connection.close()
        self._idle.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None = None, error: BaseException | None = None, trace: TracebackType | None = None
    ) -> None:
        self.close()

    def _take(self, request: httpx.Request) -> Connection:
        origin = _origin(request)
        idle = self._idle.pop(origin, None)
        if idle is not None and not idle.closed:
            return idle
        return Connection(self._drain, origin, self._context(origin), self._proxy)

    def _ready(self, connection: Connection, exchange: Exchange) -> bool:
        exchange.reused = connection.is_open
        return exchange.reused or connection.open(exchange, self._resolver)

    def _keep(self, connection: Connection | None) -> None:
        if connection is not None and connection.release():
            self._idle[connection.origin] = connection

    def _context(self, origin: Origin) -> ssl.SSLContext | None:
        if origin.scheme == "http":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _origin(request: httpx.Request) -> Origin:
    """Made once per request object: httpx takes its URLs apart anew each time."""
    made = request.extensions.get(_ORIGIN)
    if made is None:
        url = request.url
        made = request.extensions[_ORIGIN] = Origin(url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
    assert isinstance(made, Origin), "only this function writes the key"
    return made


def wire_bytes(request: httpx.Request, proxy: Proxy | None = None) -> bytes:
    """The request as it goes on the wire; made once per request object, which goes one way, and kept in its extensions.

    A proxy reads plain http itself: it gets the whole address (RFC 9112, absolute-form), and its credentials with each request.
    """
    made = request.extensions.get(_WIRE)
    if made is None:
        body, url = request.read(), request.url
        told = proxy if url.scheme == "http" else None
        target = url.raw_path if told is None else b"http://%b%b" % (url.netloc, url.raw_path)
        lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)]
        lines += [] if told is None else [b"%b: %b" % each for each in told.headers.items()]
        skipped = {b"transfer-encoding", b"content-length"}
        lines += [b"%b: %b" % (name, value) for name, value in request.headers.raw if name.lower() not in skipped]
        if body or request.method not in ("GET", "HEAD"):
            lines.append(b"content-length: %d" % len(body))
        made = request.extensions[_WIRE] = b"\r\n".join(lines) + b"\r\n\r\n" + body
    assert isinstance(made, bytes), "only this function writes the key"
    return made


def _stale(exchange: Exchange) -> bool:
    """The server may have closed an idle connection while the request came: its right, no failure. Once more, on a fresh one.

    Such a close, or the reset that meets the request, is here a round trip after the sending. Where the kernel does not tell
    round trips none is allowed for: rather a failure too many than one hidden.
    """
    if not exchange.reused or exchange.ending is not Ending.NO_RESPONSE or exchange.first_byte_ns is not None:
        return False
    if exchange.open_ns is None or exchange.sent_ns is None or exchange.bug is not None:
        return False
    round_trip_ns = 0 if exchange.rtt_ns is None else exchange.rtt_ns
    return exchange.open_ns - exchange.sent_ns <= round_trip_ns + CLOSING_NS


def _deadlines(request: httpx.Request) -> Deadlines:
    """httpx's timeouts as absolute deadlines: `read` limits headers, first byte and idle; there is no total in httpx."""
    timeout = request.extensions.get("timeout", {})
    default = Deadlines()
    read = timeout.get("read") or default.first_token
    return Deadlines(
        connect=timeout.get("connect") or default.connect, headers=read, first_token=read, idle=read, total=default.total
    )
