"""One connection on the loop, in this process: it serves on the portable poller, and leaves nothing behind."""

import contextlib
import gc
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.simulator.arrivals import Arrivals
from harness.simulator.candidate import Candidate, Lognormal
from harness.simulator.config import Config
from harness.simulator.connection import Connection
from harness.simulator.http1 import Request
from harness.simulator.loop import Loop
from harness.simulator.poller import Poller, SelectorPoller, best
from harness.simulator.profile import Freeze, Limits, ServiceTime
from harness.simulator.service import Service
from harness.simulator.truth import TruthFile

MS = 1_000_000
BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LAST_POST = POST.replace(b"Host", b"Connection: close\r\nHost")
GET = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
BAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n{"
EXPECTING = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
GARBAGE = b"\x00\r\n\r\n"


@pytest.fixture
def collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


PLAIN = Candidate(name="a", model="m", ttft=Lognormal(0.005), itl=Lognormal(0.01))
LOADED = msgspec.structs.replace(
    PLAIN,
    service=ServiceTime(mean_s=0.01, kind="fixed"),
    servers=1,
    freeze=Freeze(every_s=0.02, for_s=0.01),
    limits=Limits(requests_per_minute=60, burst_s=1),
    prefix_cache=True,
)


def converse(
    poller: Poller, truth: TruthFile, saying: bytes, leave_after_s: float | None = None, candidate: Candidate = PLAIN
) -> bytes:
    """All that one connection answers to these bytes, until its client leaves at that time, or until it ends by itself."""
    loop = Loop(poller, truth.write_some)
    config = Config(candidates=(candidate,), filler_tokens=10)
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.closing(Arrivals()) as arrivals:
        ours.setblocking(False)
        after_the_next_gap = 15 * MS  # what was planned for a connection that has gone is let go when it would have been due
        Connection(
            ours,
            loop,
            Service(candidate, config, {}, truth).reply,
            lambda _: loop.at(time.monotonic_ns() + after_the_next_gap, loop.stop),
            arrivals,
        )
        theirs.sendall(saying)
        if leave_after_s is not None:
            loop.at(time.monotonic_ns() + round(leave_after_s * 1e9), lambda: theirs.shutdown(socket.SHUT_WR))
        loop.run()
        return theirs.recv(1 << 20)


@pytest.mark.parametrize("last", [GARBAGE, LAST_POST, EXPECTING])
def test_a_closed_connection_leaves_no_garbage(collected: None, last: bytes) -> None:
    """No reference cycle survives, however the connection ended: the simulator runs without the garbage collector."""
    poller = best()
    answered = converse(poller, TruthFile(None), POST + GET + BAD + last, leave_after_s=0.1 if last is EXPECTING else None)
    assert 4 == answered.count(b"HTTP/1.1 ")
    assert 0 == gc.collect()


def test_a_candidate_under_load_leaves_no_garbage(collected: None) -> None:
    """Nor does a queue, a freeze, a rate limit that refuses the second request, or a prefix cache."""
    poller = best()
    answered = converse(poller, TruthFile(None), POST + LAST_POST, candidate=LOADED)
    assert (1, 1) == (answered.count(b"HTTP/1.1 200"), answered.count(b"HTTP/1.1 429"))
    assert 0 == gc.collect()


def test_an_aborted_stream_leaves_no_garbage(collected: None) -> None:
    """Nor does one that its client leaves half way."""
    poller = best()
    answered = converse(poller, TruthFile(None), POST, leave_after_s=0.012)
    assert 1 <= answered.count(b"data: ") < 10
    assert 0 == gc.collect()


def test_the_portable_poller_paces_too(tmp_path: Path) -> None:
    """Where there is no timerfd the plan is the same, tokens are never early, and the lateness is told."""
    truth = TruthFile(tmp_path / "truth.jsonl")
    converse(SelectorPoller(), truth, LAST_POST)
    truth.close()
    line = json.loads((tmp_path / "truth.jsonl").read_bytes())
    due_ns = [sent - late - line["received_ns"] for sent, late in zip(line["sent_ns"], line["late_ns"], strict=True)]
    assert [5 * MS + 10 * MS * i for i in range(10)] == due_ns
    assert min(line["late_ns"]) >= 0


def test_streams_without_pacing_take_turns(tmp_path: Path) -> None:
    """Events are joined, each send is stamped with its tokens, and a long stream does not hold up one that begins later."""
    truth = TruthFile(tmp_path / "truth.jsonl")
    loop = Loop(best(), truth.write_some)
    candidate = Candidate(name="a", model="m", ttft=Lognormal(0.0), itl=Lognormal(0.0))
    service = Service(candidate, Config(candidates=(candidate,), filler_tokens=1_300), {}, truth)
    open_ends: set[socket.socket] = set()

    def closed(connection: Connection) -> None:
        open_ends.pop()
        if not open_ends:
            loop.at(time.monotonic_ns() + 5 * MS, loop.stop)

    with contextlib.ExitStack() as stack:
        arrivals = stack.enter_context(contextlib.closing(Arrivals()))
        for _ in range(2):
            ours, theirs = map(stack.enter_context, socket.socketpair())
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)  # all of it fits, so only turns can let another in
            Connection(ours, loop, service.reply, closed, arrivals)
            loop.watch(theirs.fileno(), lambda *_, theirs=theirs: theirs.recv(1 << 20))
            open_ends.add(ours)
            theirs.sendall(LAST_POST)
        loop.run()
    truth.close()
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    for line in lines:
        assert [1_300, 1, 0] == [sum(line["chunk_tokens"]), line["chunk_tokens"][0], line["blocked"]]
        assert len(line["sent_ns"]) == len(line["chunk_tokens"]) < 50
    first, second = sorted(lines, key=lambda line: line["n"])
    assert second["sent_ns"][1] < first["sent_ns"][-1] < second["sent_ns"][-1]


def test_what_takes_long_lets_due_sends_through() -> None:
    """While a request of 1 MB is read and counted, callbacks that fall due are made."""
    loop = Loop(best(), lambda: False)
    candidate = Candidate(name="a", model="m")
    breaths: list[int] = []

    def breathe() -> None:
        breaths.append(time.monotonic_ns())
        loop.fire()

    service = Service(candidate, Config(candidates=(candidate,)), {}, TruthFile(None), breathe)
    fired: list[int] = []
    for _ in range(3):
        loop.at(0, lambda: fired.append(len(breaths)))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 200_000}]}).encode()
    service.reply(Request("POST", "/v1/chat/completions", {}, body, received_ns=1, keep_alive=True))
    assert ([1, 1, 1], True) == (fired, len(breaths) > 10)
