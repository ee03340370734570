"""One connection on the loop, in this process: it serves on the portable poller, and leaves nothing behind."""

import gc
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.simulator.candidate import Candidate, Lognormal
from harness.simulator.config import Config
from harness.simulator.connection import Connection
from harness.simulator.loop import Loop
from harness.simulator.poller import Poller, SelectorPoller, best
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


def converse(poller: Poller, truth: TruthFile, saying: bytes, leave_after_s: float | None = None) -> bytes:
    """All that one connection answers to these bytes, until its client leaves at that time, or until it ends by itself."""
    loop = Loop(poller, truth.write_some)
    candidate = Candidate(name="a", model="m", ttft=Lognormal(0.005), itl=Lognormal(0.01))
    config = Config(candidates=(candidate,), filler_tokens=10)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        Connection(
            ours, loop, Service(candidate, config, {}, truth).reply, lambda _: loop.at(time.monotonic_ns() + 5 * MS, loop.stop)
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
