"""What opening a connection took is the peer's time alone, however late we are: a hook makes us late here, not load."""

import socket
import ssl
import sys
import time
from pathlib import Path

import gevent
import pytest
import trustme
from asking import ask, server_tls
from gevent.hub import Waiter
from scripted import END, HEAD, Peer, serving

from harness.loadgen import resolver as resolving
from harness.loadgen.drain import Drain
from harness.loadgen.proxy import Proxy
from harness.loadgen.resolver import Resolver
from harness.loadgen.tls import context
from harness.loadgen.transport import Transport
from harness.records import Ending
from harness.scenario import Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
MS = 1_000_000
LATE_S, LATE_NS = 0.1, 100 * MS
PEER_S, PEER_NS = 0.03, 30 * MS
SLACK_NS = 40 * MS  # of a busy machine: still far less than we are late


@pytest.fixture
def late(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> Drain:
    """A drain whose users are woken 0.1 s after what they wait for."""
    wake = drain.wake

    def later(waiter: Waiter) -> None:
        gevent.spawn_later(LATE_S, wake, waiter)

    monkeypatch.setattr(drain, "wake", later)
    return drain


class Slow:
    """A server's TLS that takes its time."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls

    def wrap_socket(self, sock: socket.socket, server_side: bool) -> ssl.SSLSocket:
        time.sleep(PEER_S)
        return self._tls.wrap_socket(sock, server_side=server_side)


class Laborious(ssl.SSLObject):
    """Our own side of a handshake, as if each step of it took 20 ms of processor."""

    def do_handshake(self) -> None:
        time.sleep(0.02)
        super().do_handshake()


def answering(peer: Peer) -> None:
    while True:
        peer.request()
        peer.send(HEAD + END)


def test_connect_ends_when_the_socket_is_writable(late: Drain) -> None:
    """The peer accepts at once and we go on 0.1 s later: that is our wait, not its connect time, and it has no deadline."""
    with serving(answering) as (port, _), Transport(late, Resolver()) as transport:
        began_ns = time.monotonic_ns()
        exchange = ask(transport, port, connect=0.08)
    assert Ending.COMPLETE is exchange.ending
    assert 0 < exchange.connect_ns < SLACK_NS
    assert exchange.sent_ns - began_ns > 2 * LATE_NS  # woken for the address, and for the connection


def test_a_look_up_takes_what_the_resolver_took(late: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three users that ask together one has the look-up's own time; they and later ones had the answer from it."""

    def slowly(_: str, port: int, *__: object) -> object:
        time.sleep(PEER_S)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    shared = Resolver()

    def user(port: int) -> int | None:
        with Transport(late, shared) as transport:
            exchange = ask(transport, port, host="slow.test", connect=0.08)
        assert Ending.COMPLETE is exchange.ending
        took_ns: int | None = exchange.dns_ns
        return took_ns

    monkeypatch.setattr(resolving, "_getaddrinfo", slowly)
    with serving(answering) as (port, _):
        users = [gevent.spawn(user, port) for _ in range(3)]
        gevent.joinall(users, raise_error=True)
        [took_ns] = [each.value for each in users if each.value is not None]
        assert user(port) is None
    assert PEER_NS <= took_ns < PEER_NS + SLACK_NS


def test_users_that_ask_together_fail_together(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that fails ends each attempt that waited for it in `dns`."""

    def unknown(*_: object) -> object:
        time.sleep(PEER_S)
        raise socket.gaierror(-2, "Name or service not known")

    shared = Resolver()

    def user() -> Ending | None:
        with Transport(drain, shared) as transport:
            return ask(transport, 1, host="unknown.test").ending

    monkeypatch.setattr(resolving, "_getaddrinfo", unknown)
    users = [gevent.spawn(user) for _ in range(3)]
    gevent.joinall(users, raise_error=True)
    assert [Ending.DNS] * 3 == [each.value for each in users]


@pytest.mark.parametrize("laborious", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_the_peers_part_of_the_handshake(
    late: Drain, authority: tuple[trustme.CA, Path], version: ssl.TLSVersion, laborious: bool
) -> None:
    """From each flight of ours to the arrival of the peer's: neither our turns nor our own work, which have no deadline."""
    ca, file = authority
    trusting = context(Tls(ca_file=file))
    trusting.maximum_version = version
    if laborious:
        trusting.sslobject_class = Laborious
    served: ssl.SSLContext = Slow(server_tls(ca, "127.0.0.1"))  # type: ignore[assignment]
    with serving(answering, served) as (port, _), Transport(late, Resolver(), trusting) as transport:
        exchange = ask(transport, port, scheme="https", connect=0.14)
    assert Ending.COMPLETE is exchange.ending
    assert 0 < exchange.tls_ns < PEER_NS + SLACK_NS  # its 30 ms began before our first flight
    assert 0 < exchange.connect_ns < SLACK_NS


def test_a_tunnel_is_the_proxys_part(late: Drain) -> None:
    """From our CONNECT to the arrival of its answer."""

    def proxy(peer: Peer) -> None:
        peer.request()
        time.sleep(PEER_S)
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.socket.recv(1)  # the first byte of TLS, and closes

    with serving(proxy) as (port, _):
        way = Proxy.at(f"http://127.0.0.1:{port}", None)
        with Transport(late, Resolver(), ssl.create_default_context(), way) as transport:
            exchange = ask(transport, 443, scheme="https", host="far.test", connect=0.14)
    assert Ending.TLS is exchange.ending
    assert PEER_NS <= exchange.proxy_ns < PEER_NS + SLACK_NS


def silent(peer: Peer) -> None:
    time.sleep(2)


def test_the_peers_time_has_a_deadline(late: Drain) -> None:
    """Ours does not lengthen it without end: a peer that never shakes hands is told at the deadline, in its own time."""
    with serving(silent) as (port, _), Transport(late, Resolver(), ssl.create_default_context()) as transport:
        began_ns = time.monotonic_ns()
        exchange = ask(transport, port, scheme="https", connect=0.3)
    assert Ending.TIMEOUT_CONNECT is exchange.ending
    assert 0.3 + 2 * LATE_S <= (exchange.done_ns - began_ns) / 1e9 < 1.5


def test_a_crowd_that_shakes_hands_meets_no_deadline(drain: Drain, authority: tuple[trustme.CA, Path]) -> None:
    """Their handshakes are 1.2 s of work of ours; nobody waits for the peer as long as its deadline of 0.5 s allows."""
    ca, file = authority
    users = 30
    trusting = context(Tls(ca_file=file))
    trusting.sslobject_class = Laborious
    shared = Resolver()

    def user(port: int) -> Ending | None:
        with Transport(drain, shared, trusting) as transport:
            return ask(transport, port, scheme="https", connect=0.5).ending

    began_ns = time.monotonic_ns()
    with serving(answering, server_tls(ca, "127.0.0.1")) as (port, _):
        crowd = [gevent.spawn(user, port) for _ in range(users)]
        gevent.joinall(crowd, raise_error=True)
    assert time.monotonic_ns() - began_ns > users * 2 * 20 * MS
    assert [Ending.COMPLETE] * users == [each.value for each in crowd]


def test_what_comes_right_after_the_handshake_is_not_lost(late: Drain, authority: tuple[trustme.CA, Path]) -> None:
    """A server that closes while we wait for our turn is seen to have closed, and blamed for no more than that."""
    ca, file = authority

    def closing(peer: Peer) -> None:
        """Nothing is asked of it yet."""

    served = server_tls(ca, "127.0.0.1")
    with serving(closing, served) as (port, _), Transport(late, Resolver(), context(Tls(ca_file=file))) as transport:
        assert Ending.NO_RESPONSE is ask(transport, port, scheme="https", headers=1.0).ending
