"""Names to addresses: who is told, how often, and that literals need no name."""

import socket
import sys
import time
from pathlib import Path

import gevent
import pytest
import trustme
from asking import ask, server_tls
from scripted import END, HEAD, Peer, serving

from harness.loadgen import resolver as resolving
from harness.loadgen.drain import Drain
from harness.loadgen.resolver import Resolver
from harness.loadgen.tls import context
from harness.loadgen.transport import Transport
from harness.records import Ending
from harness.resolved import Resolved
from harness.scenario import Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")


def answering(peer: Peer) -> None:
    while True:
        peer.request()
        peer.send(HEAD + END)


def _skip_without(host: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")


def test_an_answer_is_told_once(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users that ask together, and later, share one look-up; its addresses are told once, each of them once, in order."""
    asked: list[str] = []

    def slowly(host: str, port: int, family: int, kind: int) -> object:
        asked.append(host)
        time.sleep(0.05)  # in a native thread
        return [(socket.AF_INET, kind, 6, "", (there, port)) for there in ("127.0.0.1", "127.0.0.2", "127.0.0.1")]

    told: list[Resolved] = []
    shared = Resolver(told.append)

    def user(port: int) -> None:
        with Transport(drain, shared) as transport:
            exchange = ask(transport, port, host="many.test")
            assert (Ending.COMPLETE, "127.0.0.1") == (exchange.ending, exchange.address)

    monkeypatch.setattr(resolving, "_getaddrinfo", slowly)
    with serving(answering) as (port, _):
        gevent.joinall([gevent.spawn(user, port) for _ in range(5)], raise_error=True)
        user(port)
    assert ["many.test"] == asked
    [one] = told
    assert ("many.test", port, ("127.0.0.1", "127.0.0.2")) == (one.host, one.port, one.addresses)
    assert one.took_ns > 0


def test_a_failure_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is unknown now may be known at the next attempt; only the answer is told."""
    told: list[Resolved] = []
    shared = Resolver(told.append)

    def addresses() -> list[str]:
        result = shared.lookup("late.test", 1)
        result.get()
        return [address.sockaddr[0] for address in shared.known("late.test", 1, result).addresses]

    def unknown(*_: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(resolving, "_getaddrinfo", unknown)
    with pytest.raises(OSError, match="not known"):
        addresses()
    monkeypatch.setattr(resolving, "_getaddrinfo", lambda *_: [(socket.AF_INET, 1, 6, "", ("10.0.0.9", 1))])
    assert ["10.0.0.9"] == addresses()
    assert [("late.test", ("10.0.0.9",))] == [(one.host, one.addresses) for one in told]


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_a_literal_is_its_own_address(drain: Drain, host: str) -> None:
    """IPv6 and IPv4 literals connect without a name, and the attempt that opened the connection says where to."""
    _skip_without(host)
    told: list[Resolved] = []
    with serving(answering, host=host) as (port, _), Transport(drain, Resolver(told.append)) as transport:
        first, second = ask(transport, port, host=host), ask(transport, port, host=host)
    assert (Ending.COMPLETE, host) == (first.ending, first.address)
    assert (Ending.COMPLETE, True, None) == (second.ending, second.reused, second.address)
    assert [(host, (host,))] == [(one.host, one.addresses) for one in told]


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_a_literal_is_checked_in_the_certificate(drain: Drain, authority: tuple[trustme.CA, Path], host: str) -> None:
    """TLS compares the address itself with the addresses of the certificate, IPv6 included."""
    _skip_without(host)
    ca, file = authority
    trusting = context(Tls(ca_file=file))
    for name, ending in ((host, Ending.COMPLETE), ("127.0.0.9", Ending.TLS)):
        with serving(answering, server_tls(ca, name), host) as (port, _), Transport(drain, Resolver(), trusting) as transport:
            assert ending is ask(transport, port, scheme="https", host=host).ending


def test_the_next_address_is_tried(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an address is of a kind that this machine has not, or refuses, the connection goes to the next."""
    unsupported, refusing = (250, 1, 6, "", ("x", 1)), (socket.AF_INET, 1, 6, "", ("127.0.0.77", 1))
    with serving(answering) as (port, _), Transport(drain, Resolver()) as transport:
        good = (socket.AF_INET, 1, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(resolving, "_getaddrinfo", lambda *_: [unsupported, refusing, good])
        exchange = ask(transport, port, host="two.test")
    assert (Ending.COMPLETE, "127.0.0.1") == (exchange.ending, exchange.address)
