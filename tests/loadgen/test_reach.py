"""A name with several addresses: the first that accepts is used, and none of the others keeps the connection from it."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import gevent
import pytest
from asking import ask
from scripted import END, HEAD, Peer, serving

from harness.loadgen import reach as reaching
from harness.loadgen import resolver as resolving
from harness.loadgen.drain import Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.proxy import Proxy
from harness.loadgen.resolver import Resolver
from harness.loadgen.transport import Transport
from harness.records import Ending

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="all of 127/8 is this machine on Linux alone")
MS = 1_000_000
GOOD, HOLE, HOLE_TOO, REFUSING, REFUSING_TOO = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"


def answering(peer: Peer) -> None:
    while True:
        peer.request()
        peer.send(HEAD + END)


@contextmanager
def hole(host: str, port: int) -> Iterator[None]:
    """A black hole: a backlog that is full, so that the kernel drops every SYN."""
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            sock = held.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((host, port))
        yield


@contextmanager
def named(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> Iterator[int]:
    """`many.test` has these addresses: GOOD is served, the holes swallow, the others refuse. Yields the port."""
    with serving(answering) as (port, _), hole(HOLE, port), hole(HOLE_TOO, port):
        found = [
            (socket.AF_INET6, 1, 6, "", (host, port, 0, 0)) if ":" in host else (socket.AF_INET, 1, 6, "", (host, port))
            for host in hosts
        ]
        monkeypatch.setattr(resolving, "_getaddrinfo", lambda *_: found)
        yield port


def timed(transport: Transport, port: int, **limits: float) -> tuple[Exchange, float]:
    began = time.monotonic()
    return ask(transport, port, host="many.test", **limits), time.monotonic() - began


@pytest.mark.parametrize(
    ("hosts", "delays"),
    [
        ((HOLE, GOOD), 1),
        ((HOLE, HOLE_TOO, GOOD), 2),
        ((REFUSING, GOOD), 0),
        ((REFUSING_TOO, GOOD), 0),
        ((HOLE, REFUSING, GOOD), 1),
        ((GOOD, HOLE), 0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_the_address_that_accepts_is_used_and_remembered(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...], delays: int
) -> None:
    """A hole costs a quarter of a second, a refusal nothing, and both only once: later users begin where it worked."""
    delay_s = reaching.DELAY_S
    with named(monkeypatch, *hosts) as port:
        first, took_s = timed(transport, port, connect=30.0)
        monkeypatch.setattr(reaching, "DELAY_S", 5.0)
        with Transport(transport._drain, transport._resolver) as other:
            second, again_s = timed(other, port, connect=30.0)
    assert (Ending.COMPLETE, GOOD) == (first.ending, first.address)
    assert delays * delay_s <= took_s < (delays + 1) * delay_s
    assert 0 < first.connect_ns < 100 * MS  # of the address that is used
    assert (Ending.COMPLETE, GOOD, False) == (second.ending, second.address, second.reused)
    assert again_s < 2.0


def test_the_others_are_left_alone(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once one has accepted no other socket stays open."""
    with named(monkeypatch, HOLE, HOLE_TOO, GOOD) as port:
        timed(transport, port)
        assert 1 == transport._drain.open_sockets


def test_a_short_deadline_is_shared(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it ends before a quarter of a second for each has passed, each address still has its share."""
    with named(monkeypatch, HOLE, HOLE_TOO, GOOD) as port:
        exchange, took_s = timed(transport, port, connect=0.45)
    assert (Ending.COMPLETE, GOOD) == (exchange.ending, exchange.address)
    assert took_s >= 0.3


def test_all_refuse(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with each address in the words."""
    with named(monkeypatch, REFUSING_TOO, REFUSING) as port:
        exchange, took_s = timed(transport, port)
    words = f"::1 port {port}: Connection refused; 127.0.0.4 port {port}: Connection refused"
    assert (Ending.REFUSED, words, None, None) == (exchange.ending, exchange.detail, exchange.address, exchange.connect_ns)
    assert took_s < reaching.DELAY_S


def test_all_swallow(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the connect deadline, with each address in the words, and nothing is left behind."""
    with named(monkeypatch, HOLE, HOLE_TOO) as port:
        exchange, took_s = timed(transport, port, connect=0.7)
    words = f"no progress within connect deadline: waited for 127.0.0.2:{port} or 127.0.0.3:{port} to accept"
    assert (Ending.TIMEOUT_CONNECT, words, None) == (exchange.ending, exchange.detail, exchange.address)
    assert 0.7 <= took_s < 1.5
    assert {} == transport._drain._sockets


def test_one_refuses_and_one_swallows(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words tell the two apart, and whose addresses they are."""
    with named(monkeypatch, REFUSING, HOLE) as port:
        proxy = Proxy.at(f"http://proxy.test:{port}", None)
        transport = Transport(drain, Resolver(), proxy=proxy)
        exchange, _ = timed(transport, 80, connect=0.2)
    awaited = f"the proxy http://proxy.test:{port}: 127.0.0.2:{port} to accept (127.0.0.4 port {port}: Connection refused)"
    words = f"no progress within connect deadline: waited for {awaited}"
    assert (Ending.TIMEOUT_CONNECT, words) == (exchange.ending, exchange.detail)


def test_a_user_that_is_stopped_leaves_no_socket(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """While two addresses are tried both are closed, whoever ends it."""
    with named(monkeypatch, HOLE, HOLE_TOO) as port:
        user = gevent.spawn(ask, transport, port, host="many.test")
        gevent.sleep(0.35)
        assert 2 == transport._drain.open_sockets
        user.kill()
        assert 0 == transport._drain.open_sockets


def test_what_worked_is_forgotten_when_it_works_no_more(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remembered address is only the first to be tried."""
    with serving(answering, host=HOLE_TOO) as (port, _):
        there = [(socket.AF_INET, 1, 6, "", (host, port)) for host in (GOOD, HOLE_TOO)]
        monkeypatch.setattr(resolving, "_getaddrinfo", lambda *_: there)
        assert HOLE_TOO == timed(transport, port)[0].address
    transport.close()
    listener = socket.create_server((GOOD, port))
    with listener:
        exchange, _ = timed(transport, port, headers=0.1)
    assert (Ending.TIMEOUT_HEADERS, GOOD) == (exchange.ending, exchange.address)
