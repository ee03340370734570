"""What the kernel says of a connection's network, on real connections and in structs of any length."""

import socket
import struct
import sys
import time
from pathlib import Path

import pytest
import trustme
from asking import ask, server_tls
from scripted import END, HEAD, Peer, chunk, serving

from harness.loadgen import tcp_info
from harness.loadgen.drain import Drain
from harness.loadgen.resolver import Resolver
from harness.loadgen.tcp_info import UNKNOWN, TcpInfo
from harness.loadgen.tls import context
from harness.loadgen.transport import Transport
from harness.records import Ending
from harness.scenario import Tls

linux = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
MS = 1_000_000


def answering(peer: Peer) -> None:
    while True:
        peer.request()
        peer.send(HEAD + chunk(b"data: x\n\n") + END)


@linux
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_attempt_has_its_round_trip(drain: Drain, authority: tuple[trustme.CA, Path], scheme: str) -> None:
    """Smoothed and least round trip of loopback, nothing lost, on the first attempt of a connection and on the next."""
    ca, file = authority
    served = server_tls(ca, "127.0.0.1") if scheme == "https" else None
    with serving(answering, served) as (port, _), Transport(drain, Resolver(), context(Tls(ca_file=file))) as transport:
        for exchange in (ask(transport, port, scheme=scheme) for _ in range(2)):
            assert 0 < exchange.min_rtt_ns <= exchange.rtt_ns < 500 * MS
            assert (0, 0) == (exchange.retransmits, exchange.out_of_order)


def hanging_up(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD)
    time.sleep(0.02)
    peer.reset()


def silent(peer: Peer) -> None:
    peer.request()
    time.sleep(1)


@linux
@pytest.mark.parametrize(
    ("script", "ending"),
    [(hanging_up, Ending.RESET), (silent, Ending.TIMEOUT_HEADERS), (lambda _: None, Ending.NO_RESPONSE)],
)
def test_so_has_an_attempt_that_fails(transport: Transport, script: object, ending: Ending) -> None:
    """Also where the connection broke, or was closed at a deadline: that is when the network is asked about."""
    with serving(script) as (port, _):
        exchange = ask(transport, port, headers=0.1)
    assert ending is exchange.ending
    assert exchange.rtt_ns > 0
    assert exchange.retransmits is not None


@linux
def test_without_a_connection_nothing_is_known(transport: Transport) -> None:
    """A refused connection has no round trip."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    exchange = ask(transport, port)
    assert (None, None, None, None) == (exchange.rtt_ns, exchange.min_rtt_ns, exchange.retransmits, exchange.out_of_order)


@linux
def test_counts_are_of_the_attempt(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel counts for the connection; an attempt gets what came since the one before it."""
    seen = iter([TcpInfo(1, 1, 3, 10), TcpInfo(1, 1, 3, 14), TcpInfo(1, 1, 4, None), TcpInfo(1, 1, 9, 20)])
    monkeypatch.setattr(tcp_info, "read", lambda sock: next(seen))
    with serving(answering) as (port, _):
        exchanges = [ask(transport, port) for _ in range(4)]
    assert [3, 0, 1, 5] == [each.retransmits for each in exchanges]
    assert [10, 4, None, None] == [each.out_of_order for each in exchanges]


def struct_of(**fields: int) -> bytes:
    """A `struct tcp_info` as the kernel lays it out: 8 bytes of small fields, then words."""
    words = {"rtt": 15, "total_retrans": 23, "min_rtt": 35, "data_segs_in": 36, "rcv_ooopack": 54}
    made = [0xDEAD] * 56
    for name, value in fields.items():
        made[words[name]] = value
    return bytes(8) + struct.pack("@56I", *made)


WHOLE = struct_of(rtt=40_123, total_retrans=7, min_rtt=39_900, data_segs_in=9, rcv_ooopack=5)


@pytest.mark.parametrize(
    ("length", "known"),
    [
        (232, TcpInfo(40_123_000, 39_900_000, 7, 5, 9)),
        (228, TcpInfo(40_123_000, 39_900_000, 7, 5, 9)),
        (227, TcpInfo(40_123_000, 39_900_000, 7, None, 9)),
        (156, TcpInfo(40_123_000, 39_900_000, 7, None, 9)),
        (155, TcpInfo(40_123_000, 39_900_000, 7, None, None)),
        (152, TcpInfo(40_123_000, 39_900_000, 7, None)),
        (148, TcpInfo(40_123_000, None, 7, None)),
        (104, TcpInfo(40_123_000, None, 7, None)),
        (100, TcpInfo(40_123_000, None, None, None)),
        (72, TcpInfo(40_123_000, None, None, None)),
        (0, UNKNOWN),
    ],
)
def test_a_kernel_may_know_less(length: int, known: TcpInfo) -> None:
    """Older kernels give a shorter struct: what it does not hold is None, and the rest is right."""
    assert known == tcp_info.decoded(WHOLE[:length])


@pytest.mark.parametrize("none", [0, 0xFFFFFFFF])
def test_no_sample_is_no_round_trip(none: int) -> None:
    """Before its first sample the kernel says 0 or all ones; neither is a time."""
    found = tcp_info.decoded(struct_of(rtt=none, total_retrans=0, min_rtt=none, data_segs_in=0, rcv_ooopack=0)[:228])
    assert TcpInfo(None, None, 0, 0, 0) == found


def test_other_systems_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no TCP_INFO everything is None."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert UNKNOWN == tcp_info.read(listener)
