"""A reused connection that is closed without an answer: who crossed the close is sent again, who was dropped has failed."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
import trustme
from asking import ask, server_tls
from scripted import END, HEAD, Peer, serving

from harness.loadgen.drain import CHECK_NS, Drain
from harness.loadgen.exchange import NS, Bytes, Exchange
from harness.loadgen.resolver import Resolver
from harness.loadgen.tls import context
from harness.loadgen.transport import CLOSING_NS, Transport, _stale
from harness.records import Deadlines, Ending
from harness.scenario import Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's round trips are Linux's")
MS = 1_000_000


def finish(peer: Peer) -> None:
    peer.socket.close()


def notify(peer: Peer) -> None:
    """TLS's own goodbye, and no FIN before the client has closed too."""
    peer.socket.settimeout(0.05)
    try:
        peer.socket.unwrap()
    except TimeoutError:
        time.sleep(0.5)


def reset(peer: Peer) -> None:
    peer.reset()


WAYS = {
    "FIN": ("http", finish),
    "RST": ("http", reset),
    "FIN under TLS": ("https", finish),
    "RST under TLS": ("https", reset),
    "close_notify": ("https", notify),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(
    request: pytest.FixtureRequest, drain: Drain, authority: tuple[trustme.CA, Path]
) -> Iterator[tuple[Transport, str, object, Callable[[Peer], None]]]:
    ca, file = authority
    scheme, close = request.param
    with Transport(drain, Resolver(), context(Tls(ca_file=file))) as transport:
        yield transport, scheme, server_tls(ca, "127.0.0.1") if scheme == "https" else None, close


def test_a_request_that_crosses_the_close_goes_again(way: tuple[Transport, str, object, Callable[[Peer], None]]) -> None:
    """The server closes an idle connection and the request is sent before anybody has looked: once more, and it says so."""
    transport, scheme, tls, close = way
    answered, closing = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + END)
        if peer.number == 0:
            answered.wait(5)
            close(peer)
            closing.set()

    with serving(script, tls) as (port, peers):
        ask(transport, port, scheme=scheme)
        answered.set()
        closing.wait(5)  # the hub stands still meanwhile, so no drain sees the close
        time.sleep(0.02)
        second = ask(transport, port, scheme=scheme)
    assert (Ending.COMPLETE, True, False) == (second.ending, second.stale_retry, second.reused)
    assert [1, 1] == [peer.requests for peer in peers]


def test_a_request_that_was_worked_on_and_dropped_has_failed(
    way: tuple[Transport, str, object, Callable[[Peer], None]],
) -> None:
    """The server has had the request for 300 ms when it closes: no answer, and it is never asked again."""
    transport, scheme, tls, close = way

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + END)
        if peer.number == 0:
            peer.request()
            time.sleep(0.3)
            close(peer)

    with serving(script, tls) as (port, peers):
        ask(transport, port, scheme=scheme)
        second = ask(transport, port, scheme=scheme)
        gevent.sleep(0.05)
    assert (Ending.NO_RESPONSE, False, True) == (second.ending, second.stale_retry, second.reused)
    assert 290 * MS < second.done_ns - second.sent_ns
    assert [2] == [peer.requests for peer in peers]


@pytest.mark.parametrize(("rtt_ns", "limit_ns"), [(40 * MS, 40 * MS + CLOSING_NS), (None, CLOSING_NS)])
def test_a_close_may_cross_for_a_round_trip_and_a_few_ms(rtt_ns: int | None, limit_ns: int) -> None:
    """Counted from the sending to when the connection was last found open; an unknown round trip allows for none."""

    def closed(after_ns: int) -> Exchange:
        exchange = Exchange(Bytes(), Deadlines(), 0)
        exchange.reused, exchange.sent_ns, exchange.rtt_ns = True, NS, rtt_ns
        exchange.open_ns = NS + after_ns
        exchange.end(Ending.NO_RESPONSE, NS + after_ns + MS)
        return exchange

    assert [True, True, False] == [_stale(closed(after_ns)) for after_ns in (-MS, limit_ns, limit_ns + 1)]


def test_what_is_sent_again_keeps_its_first_deadline() -> None:
    """`total` runs from the first sending: while the connection is opened, and after the second sending."""
    exchange = Exchange(Bytes(), Deadlines(connect=20, headers=20, total=10), 0)
    exchange.sent_ns = 2 * NS
    exchange.restart(3 * NS)
    assert (12 * NS, Ending.TIMEOUT_TOTAL) == exchange.due(3 * NS)
    exchange.sent_ns = 4 * NS
    assert (12 * NS, Ending.TIMEOUT_TOTAL) == exchange.due(4 * NS)


@pytest.mark.parametrize("left_ns", [100 * MS, -100 * MS])
def test_what_is_sent_again_is_looked_at_in_time(drain: Drain, left_ns: int) -> None:
    """The drain looks when what is left of `total` has passed, not when all of it would have; also where nothing is left."""
    exchange = Exchange(Bytes(), Deadlines(total=1), 0)
    exchange.sent_ns = drain.clock.tick() + left_ns - NS
    exchange.restart(drain.clock.now_ns)
    drain.begin(exchange)
    drain.clock.now_ns += max(left_ns, 0) + 2 * CHECK_NS
    drain._check_deadlines()
    assert Ending.TIMEOUT_TOTAL is exchange.ending
    drain.finished(exchange)
