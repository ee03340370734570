"""How long decoding one answer holds up a worker at a time: the real steps, on the bytes of a real response, without a load."""

import json
import socket
import time

from harness.loadgen.exchange import Exchange
from harness.records import Deadlines
from harness.wire.dialects import openai_chat
from harness.wire.transcript import Transcript
from tests.benchmarks import work
from tests.benchmarks.rig import Served
from tests.benchmarks.work import Question

READ_BYTES = 32_768  # as the connection reads
TIMES = 5


def longest_step_ms(served: Served, asked: Question) -> float:
    """Of the answer to this question, decoded read by read; the best of some times, since a neighbour may be the cause."""
    reads = _reads(served.port, _request(asked))
    return min(_longest_ns(reads) for _ in range(TIMES)) / 1e6


def _longest_ns(reads: list[bytes]) -> int:
    exchange = Exchange(Transcript(openai_chat), Deadlines(), time.monotonic_ns())
    longest = 0
    for data in reads:
        exchange.reads.append(data)
        exchange.stamps_ns.append(time.monotonic_ns())
        more = True
        while more:
            began_ns = time.perf_counter_ns()
            more = exchange.decode_some()
            longest = max(longest, time.perf_counter_ns() - began_ns)
    return longest


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
