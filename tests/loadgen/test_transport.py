"""The transport against a scripted server on loopback: stamps, deadlines, endings, reuse, TLS, and nothing left behind."""

import gc
import itertools
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import gevent
import httpx
import pytest
import trustme
from asking import ask, server_tls
from scripted import END, HEAD, Peer, chunk, serving

from harness.loadgen.drain import CROWD, Drain
from harness.loadgen.exchange import Bytes, Exchange
from harness.loadgen.resolver import Resolver
from harness.loadgen.tls import context
from harness.loadgen.transport import Transport
from harness.records import Deadlines, Ending
from harness.scenario import Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
MS = 1_000_000


def paced(peer: Peer, gap_s: float = 0.02, n: int = 5) -> None:
    while True:
        peer.request()
        peer.send(HEAD)
        for number in range(n):
            time.sleep(gap_s)
            peer.send(chunk(b"data: %d\n\n" % number))
        peer.send(END)


def test_stamps_are_those_of_the_wire(transport: Transport) -> None:
    """Each read is stamped when the kernel got it: within 1 ms of the server's own send, though drains are 1 ms apart."""

    class Stamped(Bytes):
        def __init__(self) -> None:
            super().__init__()
            self.stamps: list[int] = []

        def feed_all(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> None:
            super().feed_all(stamps_ns, pieces)
            self.stamps += stamps_ns

    with serving(paced) as (port, peers):
        sink = Stamped()
        exchange = Exchange(sink, Deadlines(), time.monotonic_ns())
        transport.perform(httpx.Request("POST", f"http://127.0.0.1:{port}/", content=b"{}"), exchange)
        exchange.decode()
        lags = sorted(ours - theirs for ours, theirs in zip(sink.stamps, peers[0].sent_ns[1:6], strict=True))
    assert Ending.COMPLETE is exchange.ending
    assert 0 < lags[0]
    assert lags[2] < MS
    assert exchange.sent_ns < exchange.parser.head_ns <= sink.stamps[0] < sink.stamps[-1] <= exchange.done_ns


def test_a_late_look_is_remembered(transport: Transport) -> None:
    """The hub stands still while three chunks come: they are read together, within the time since the socket was empty."""

    def burst(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD)
        time.sleep(0.05)
        gate.set()
        for _ in range(3):
            time.sleep(0.005)
            peer.send(chunk(b"data: x\n\n"))
        peer.send(END)

    gate = threading.Event()
    exchange = Exchange(Bytes(), Deadlines(), time.monotonic_ns())
    with serving(burst) as (port, peers):
        asking = gevent.spawn(transport.perform, httpx.Request("POST", f"http://127.0.0.1:{port}/v1", content=b"{}"), exchange)
        while not gate.is_set():
            gevent.sleep(0.001)
        still_ns = time.monotonic_ns()
        time.sleep(0.1)
        asking.join()
        late = dict(zip(exchange.late[::2], exchange.late[1::2], strict=True))
        ((stamp_ns, wait_ns),) = [(stamp_ns, wait_ns) for stamp_ns, wait_ns in late.items() if stamp_ns > still_ns]
        assert peers[0].sent_ns[-1] < stamp_ns  # that of the last bytes
    assert stamp_ns - wait_ns <= peers[0].sent_ns[1]  # the first chunk came after the socket was found empty
    lags = transport._drain.take_lags()[1]
    assert exchange.lag_max_ns == max(lags)


def test_connection_is_reused_and_timed_once(transport: Transport) -> None:
    """The second request takes the first one's connection and has no connect time of its own."""
    with serving(paced) as (port, peers):
        first, second = ask(transport, port), ask(transport, port)
        transport.close()
    assert (False, True) == (first.reused, second.reused)
    assert first.connect_ns > 0
    assert second.connect_ns is None
    assert [2] == [peer.requests for peer in peers]


def test_connection_closed_while_idle_is_noticed(transport: Transport) -> None:
    """A connection that the server has closed is not even tried."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + END)

    with serving(script) as (port, _):
        ask(transport, port)
        gevent.sleep(0.05)
        second = ask(transport, port)
    assert (Ending.COMPLETE, False, False) == (second.ending, second.stale_retry, second.reused)


def test_bytes_behind_the_end_keep_nobody_waiting(transport: Transport) -> None:
    """The end is seen at once where a stray response follows in the same read; the connection, left open, is not used again."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + TOKEN)
        time.sleep(0.02)
        peer.send(TOKEN + END + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nabc")
        time.sleep(3)

    with serving(script) as (port, _):
        first = ask(transport, port, idle=2.0)
        ended_ns = time.monotonic_ns()
        second = ask(transport, port, idle=2.0)
    assert (Ending.COMPLETE, 200, 2) == (first.ending, first.parser.status, len(first.sink.pieces))
    assert ended_ns - first.done_ns < 500 * MS
    assert not second.reused


def drip(peer: Peer) -> None:
    """Comments for ever: bytes, but no token."""
    peer.request()
    peer.send(HEAD)
    while True:
        time.sleep(0.01)
        peer.send(chunk(b": ping\n\n"))


class Tokens(Bytes):
    """A sink that counts only data lines as progress, as a transcript does."""

    def feed_all(self, stamps_ns: Sequence[int], pieces: Sequence[bytes]) -> None:
        tokens = [(stamp_ns, data) for stamp_ns, data in zip(stamps_ns, pieces, strict=True) if b"data:" in data]
        super().feed_all([stamp_ns for stamp_ns, _ in tokens], [data for _, data in tokens])


def late(seconds: float, *before: bytes) -> object:
    def script(peer: Peer) -> None:
        peer.request()
        for data in before:
            peer.send(data)
        time.sleep(seconds)

    return script


TOKEN = chunk(b"data: x\n\n")
HANGS = {
    "no headers": (late(1.0), {"headers": 0.2}, Ending.TIMEOUT_HEADERS),
    "headers, then nothing": (late(1.0, HEAD), {"first_token": 0.2}, Ending.TIMEOUT_FIRST_TOKEN),
    "comments only": (drip, {"first_token": 0.2}, Ending.TIMEOUT_FIRST_TOKEN),
    "stalls after a token": (late(1.0, HEAD + TOKEN), {"idle": 0.2}, Ending.TIMEOUT_IDLE),
    "tokens for ever": (lambda peer: paced(peer, n=10_000), {"total": 0.2}, Ending.TIMEOUT_TOTAL),
}


@pytest.mark.parametrize(("script", "limits", "ending"), HANGS.values(), ids=HANGS.keys())
def test_every_hang_has_its_verdict_in_time(
    transport: Transport, script: object, limits: dict[str, float], ending: Ending
) -> None:
    """Deadlines are absolute: the attempt ends with its own kind at its limit, not when the server likes."""
    with serving(script) as (port, _):
        exchange = Exchange(Tokens(), Deadlines(**limits), time.monotonic_ns())
        transport.perform(httpx.Request("POST", f"http://127.0.0.1:{port}/", content=b"{}"), exchange)
    assert ending is exchange.ending
    assert 0.19 < (exchange.done_ns - exchange.sent_ns) / 1e9 < 0.4


def after(data: bytes, *, reset: bool = False) -> object:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(data)
        time.sleep(0.02)
        if reset:
            peer.reset()

    return script


CUTS = {
    "closed before a response": (after(b""), Ending.NO_RESPONSE),
    "reset before a response": (after(b"", reset=True), Ending.NO_RESPONSE),
    "not HTTP": (after(b"SSH-2.0-x\r\n"), Ending.NO_RESPONSE),
    "closed inside the body": (after(HEAD + TOKEN), Ending.EOF),
    "reset inside the body": (after(HEAD + TOKEN, reset=True), Ending.RESET),
    "short of its length": (after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Ending.EOF),
    "broken chunk size": (after(HEAD + b"zz\r\n"), Ending.PROTOCOL),
    "runs to the close": (after(b"HTTP/1.1 200 OK\r\n\r\nabc"), Ending.COMPLETE),
    "header flood": (after(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000), Ending.PROTOCOL),
}


@pytest.mark.parametrize(("script", "ending"), CUTS.values(), ids=CUTS.keys())
def test_every_way_to_break_off_is_told_apart(transport: Transport, script: object, ending: Ending) -> None:
    """Close, reset, garbage and short bodies each have their ending."""
    with serving(script) as (port, _):
        assert ending is ask(transport, port).ending


def test_refused_and_unknown_hosts(transport: Transport) -> None:
    """A closed port and an unknown name are told apart, with the address in the words."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    refused, unknown = ask(transport, port), ask(transport, port, host="no-such-host.invalid")
    assert (Ending.REFUSED, Ending.DNS) == (refused.ending, unknown.ending)
    assert f"127.0.0.1 port {port}" in refused.detail


def test_full_backlog_is_a_connect_timeout(transport: Transport) -> None:
    """A server that accepts nothing ends the attempt at the connect deadline."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        held = [socket.socket() for _ in range(3)]
        for sock in held:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        exchange = ask(transport, listener.getsockname()[1], connect=0.2)
        for sock in held:
            sock.close()
    assert Ending.TIMEOUT_CONNECT is exchange.ending


def test_large_request_to_a_slow_reader(transport: Transport) -> None:
    """A body larger than the kernel's buffers is sent from the drain as the server reads."""

    def script(peer: Peer) -> None:
        time.sleep(0.1)
        peer.request()
        peer.send(HEAD + TOKEN + END)

    with serving(script) as (port, _):
        exchange = ask(transport, port, body=b"x" * 8_000_000)
    assert Ending.COMPLETE is exchange.ending


def test_tls_with_a_custom_authority(drain: Drain, authority: tuple[trustme.CA, Path]) -> None:
    """TLS through memory BIOs: verified, kernel-stamped, handshake timed apart, connection reused."""
    ca, file = authority
    with serving(paced, server_tls(ca, "127.0.0.1")) as (port, peers):
        with Transport(drain, Resolver(), context(Tls(ca_file=file))) as transport:
            first, second = (ask(transport, port, scheme="https") for _ in range(2))
        lag = first.sink.last_token_ns - peers[0].sent_ns[6 - 1]
    assert (Ending.COMPLETE, Ending.COMPLETE, True) == (first.ending, second.ending, second.reused)
    assert first.tls_ns > 0
    assert 0 < lag < 5 * MS


@pytest.mark.parametrize("case", ["unknown authority", "wrong name", "plain server"])
def test_tls_that_cannot_be_trusted(drain: Drain, authority: tuple[trustme.CA, Path], case: str) -> None:
    """No certificate we cannot check, no answer: each is `tls`, and the request is never sent."""
    ca, file = authority
    trusting = context(Tls(ca_file=None if case == "unknown authority" else file))
    served = None if case == "plain server" else server_tls(ca, "elsewhere.test" if case == "wrong name" else "127.0.0.1")
    with serving(after(HEAD), served) as (port, peers), Transport(drain, Resolver(), trusting) as transport:
        exchange = ask(transport, port, scheme="https", connect=1.0)
    assert exchange.ending in (Ending.TLS, Ending.TIMEOUT_CONNECT)
    assert exchange.sent_ns is None
    assert [] == [peer for peer in peers if peer.requests and served is not None]


def test_killed_users_leave_nothing(drain: Drain) -> None:
    """GreenletExit in any phase: the exchange is cancelled, no socket, exchange or deadline watcher stays."""
    resolver = Resolver()

    def user(port: int, exchanges: list[Exchange]) -> None:
        with Transport(drain, resolver) as transport:
            exchange = Exchange(Bytes(), Deadlines(), time.monotonic_ns())
            exchanges.append(exchange)
            transport.perform(httpx.Request("POST", f"http://127.0.0.1:{port}/", content=b"{}"), exchange)

    with serving(lambda peer: paced(peer, gap_s=0.05, n=100)) as (port, _):
        exchanges: list[Exchange] = []
        users = [gevent.spawn(user, port, exchanges) for _ in range(50)]
        gevent.sleep(0.15)
        gevent.killall(users)
    assert {Ending.CANCELLED} == {exchange.ending for exchange in exchanges}
    assert {} == drain._sockets
    assert set() == drain.exchanges


def test_httpx_client_on_top(transport: Transport) -> None:
    """httpx.Client gets httpx's own responses and exceptions, for preflight, judge and SDKs."""
    with serving(after(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as (port, _):
        client = httpx.Client(transport=transport)
        assert "hi" == client.get(f"http://127.0.0.1:{port}/").text
    with serving(late(1.0)) as (port, _), pytest.raises(httpx.ReadTimeout):
        client.get(f"http://127.0.0.1:{port}/", timeout=0.1)
    with pytest.raises(httpx.ConnectError):
        client.get("http://no-such-host.invalid/")


def test_same_in_a_patched_process() -> None:
    """Under Locust's monkey patching the very same transport works: it uses no patched call."""
    code = """
        from gevent import monkey; monkey.patch_all()
        import sys, time, threading; sys.path.insert(0, "tests/loadgen")
        import httpx
        from scripted import serving, HEAD, END, chunk
        from harness.loadgen.drain import Drain
        from harness.loadgen.resolver import Resolver
        from harness.loadgen.transport import Transport
        def script(peer):
            peer.request(); peer.send(HEAD + chunk(b"data: x\\n\\n") + END)
        with serving(script) as (port, _), httpx.Client(transport=Transport(Drain(), Resolver())) as client:
            print(client.post(f"http://localhost:{port}/", content=b"{}").text.strip())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "data: x" == done.stdout.strip(), done.stderr


def test_an_ended_exchange_needs_no_collector(transport: Transport) -> None:
    """Neither its deadlines nor a reference cycle keep an exchange that is over: thousands a second would be walked again."""
    gc.disable()
    try:
        with serving(paced) as (port, _):
            gone = weakref.ref(ask(transport, port))
            assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("waiting", "done"), [(CROWD - 1, 3), (3 * CROWD, 15)])
def test_a_crowd_that_waits_gets_a_longer_slice(drain: Drain, monkeypatch: pytest.MonkeyPatch, waiting: int, done: int) -> None:
    """Each look at the clock takes 0.1 ms here: three pieces fit into a slice, and four more for each full crowd."""
    clock = itertools.count(0, 100_000)
    drain._work.extend([lambda: None] * waiting)
    with monkeypatch.context() as frozen:
        frozen.setattr(time, "monotonic_ns", lambda: next(clock))
        drain._slice()
    assert waiting - done == drain.backlog
