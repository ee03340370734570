"""How long one answer holds up a worker at a time: the real steps, on the bytes of a real response, without a load."""

import json
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.errors import StorageError
from harness.journal_log import LineLog
from harness.loadgen import attempt
from harness.loadgen.exchange import Exchange
from harness.records import AttemptStart, Deadlines, Phase
from harness.wire.dialects import openai_chat
from harness.wire.transcript import Transcript
from tests.benchmarks import work
from tests.benchmarks.rig import Served
from tests.benchmarks.work import Question

READ_BYTES = 32_768  # as the connection reads
TIMES = 5
ASKED = attempt.Asked(openai_chat, stream=True, model=work.MODEL, key="a key of some length", hidden=("user:password",))


class Longest(NamedTuple):
    """Of the steps of one answer, ms: to decode it, to hash and write it, and to make its end record."""

    decode: float
    write: float
    end: float


def longest_steps_ms(served: Served, asked: Question) -> Longest:
    """Of the answer to this question, read by read; each step the best of some times, since a neighbour may be the cause."""
    reads = _reads(served.port, _request(asked))
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as folder:
        log = LineLog(Path(folder) / "answers.jsonl")
        times = [_steps_ns(reads, log) for _ in range(TIMES)]
        log.close()
    decode, write, end = (max(map(min, zip(*steps, strict=True)), default=0) / 1e6 for steps in zip(*times, strict=True))
    return Longest(decode, write, end)


def _steps_ns(reads: list[bytes], log: LineLog) -> tuple[list[int], list[int], list[int]]:
    """Durations, of the same steps in the same order each time: those of decoding, those of writing, and the last one."""
    transcript = Transcript(openai_chat)
    exchange = Exchange(transcript, Deadlines(), time.monotonic_ns())
    exchange.sent_ns = exchange.begun_ns
    decoded = []
    for data in reads:
        exchange.reads.append(data)
        exchange.stamps_ns.append(time.monotonic_ns())
        exchange.received += len(data)
        decoded += _durations_ns(iter(exchange.decode_some, False))
    start = AttemptStart("0", "x", "1", Phase.MEASURE, 0, "q", 0, exchange.begun_ns)
    *written, end = _durations_ns(attempt.steps(start, exchange, transcript, ASKED, lambda: None, log, _full))
    return decoded, written, [end]


def _durations_ns(steps: Iterator[bool]) -> list[int]:
    """How long each took, ns, the last one included: it is the one that ends them."""
    found, more = [], True
    while more:
        began_ns = time.perf_counter_ns()
        more = next(steps, None) is not None
        found.append(time.perf_counter_ns() - began_ns)
    return found


def _full(failed: StorageError) -> None:
    raise failed


def _request(asked: Question) -> bytes:
    body = {"model": work.MODEL, "messages": [{"role": "user", "content": asked.prompt}], "stream": True}
    data = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def _reads(port: int, request: bytes) -> list[bytes]:
    """The response as it came."""
    found = []
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(request)
        while not found or not found[-1].endswith(b"0\r\n\r\n"):
            found.append(sock.recv(READ_BYTES))
    return found
