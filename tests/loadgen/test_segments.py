"""Chunks that one read brings together: those of one send are told from those that only looking joined. On real connections."""

import _socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from asking import ask, server_tls
from scripted import END, HEAD, Peer, chunk, serving

from harness.loadgen import tcp_info
from harness.loadgen.drain import Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.resolver import Resolver
from harness.loadgen.tls import context
from harness.loadgen.transport import Transport
from harness.scenario import Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
WORD = chunk(b"data: x\n\n")


def four_a_send(peer: Peer) -> None:
    """Its head and a first event apart, as servers do; the end, too, comes later."""
    while True:
        peer.request()
        peer.send(HEAD)
        peer.send(WORD)
        for _ in range(10):
            time.sleep(0.01)
            peer.send(WORD * 4)
        time.sleep(0.01)
        peer.send(END)


def four_sends(peer: Peer) -> None:
    while True:
        peer.request()
        peer.send(HEAD)
        for _ in range(10):
            time.sleep(0.01)
            for _ in range(4):
                peer.send(WORD)
        time.sleep(0.01)
        peer.send(END)


def large(peer: Peer) -> None:
    """Events of four segments of loopback, each of which takes several reads."""
    peer.request()
    peer.send(HEAD)
    for _ in range(5):
        time.sleep(0.01)
        peer.send(chunk(b"data: " + b"x" * 250_000 + b"\n\n"))
    time.sleep(0.01)
    peer.send(END)


def asked(
    drain: Drain, authority: tuple[trustme.CA, Path], scheme: str, script: Callable[[Peer], None], times: int = 1
) -> list[Exchange]:
    ca, file = authority
    served = server_tls(ca, "127.0.0.1") if scheme == "https" else None
    with serving(script, served) as (port, _), Transport(drain, Resolver(), context(Tls(ca_file=file))) as transport:
        return [ask(transport, port, scheme=scheme) for _ in range(times)]


def behind_the_head(exchange: Exchange) -> dict[int, tuple[int, int]]:
    """The first read may hold TLS session tickets too."""
    return {stamp_ns: several for stamp_ns, several in exchange.reads_apart().items() if stamp_ns != exchange.first_byte_ns}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_events_of_one_send_came_together(drain: Drain, authority: tuple[trustme.CA, Path], scheme: str) -> None:
    """On a fresh connection and on the next use of it; a head that came apart is nothing to the events after it."""
    for exchange in asked(drain, authority, scheme, four_a_send, times=2):
        assert {} == behind_the_head(exchange)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_events_of_several_sends_may_have_been_joined(drain: Drain, authority: tuple[trustme.CA, Path], scheme: str) -> None:
    """Four sends at once and one look: so many segments but one, and no longer ago than the look before, or it was late."""
    for exchange in asked(drain, authority, scheme, four_sends, times=2):
        found = behind_the_head(exchange)
        assert found
        assert 30 >= sum(more for _, more in found.values()) >= 15
        late = exchange.late_reads()
        assert all(0 <= wait_ns <= 2_000_000 for stamp_ns, (wait_ns, _) in found.items() if stamp_ns not in late)


def test_large_events_are_no_doubt(drain: Drain, authority: tuple[trustme.CA, Path]) -> None:
    """More segments than events, and each read has one event at most."""
    [exchange] = asked(drain, authority, "http", large)
    assert {} == exchange.reads_apart()


def test_data_segments_are_counted_as_they_came() -> None:
    """Five sends, a pause between them, are five; a handshake and acknowledgements are none."""

    def five(peer: Peer) -> None:
        peer.socket.recv(1)
        for _ in range(5):
            peer.send(b"x")
            time.sleep(0.002)
        peer.socket.recv(1)

    with serving(five) as (port, _):
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        sock.connect(("127.0.0.1", port))
        assert 0 == tcp_info.data_segments(sock)
        sock.send(b"x")
        time.sleep(0.1)
        assert 5 == tcp_info.data_segments(sock)
        sock.close()
        assert None is tcp_info.data_segments(sock)
