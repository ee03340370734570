"""Endpoints that hang or fail inside a 200, under real load: what counts, and how hard they are hit."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from harness import results

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
GOOD = (
    b'data: {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, '
    b'"completion_tokens": 1}}\n\ndata: [DONE]\n\n'
)
BROKEN = b'data: {"error": {"message": "out of order", "code": "oops"}}\n\n'


@contextmanager
def endpoint(answer: Callable[[int], bytes | None]) -> Iterator[tuple[int, Callable[[], int]]]:
    """Answers the n-th request with these bytes, or never when they are None; yields the port and how many came."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    numbers = count(1)
    seen = [0]

    def serve(sock: socket.socket) -> None:
        with sock:
            while sock.recv(65536):
                seen[0] = number = next(numbers)
                body = answer(number)
                if body is None:
                    sock.recv(1)
                    return
                time.sleep(0.01)
                sock.sendall(HEAD % len(body) + body)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], lambda: seen[0]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def scenario(folder: Path, port: int) -> Path:
    (folder / "scenario.yaml").write_text(
        f"""
name: bad
endpoints: {{bad: {{model: m, base_url: "http://127.0.0.1:{port}/v1"}}}}
prompts: {{dataset: d.jsonl}}
load: {{levels: [4], warmup_s: 0.2, measure_s: 1.5, drain_s: 0.5}}
"""
    )
    (folder / "d.jsonl").write_text("".join(json.dumps({"id": str(n), "prompt": f"{n}?"}) + "\n" for n in range(5)))
    return folder


def test_requests_that_hang_count_as_failures(signoff: Callable, tmp_path: Path) -> None:
    """One request that never ends: it is cut, counted against the endpoint, and the stuck user is a finding."""
    with endpoint(lambda n: None if n == 200 else GOOD) as (port, _):
        done = signoff("run", scenario(tmp_path, port), "--out", tmp_path / "runs", "--metrics", "", "--json")
    figures = json.loads(done.out)
    level = figures["endpoints"]["bad"]["levels"]["4"]
    assert 4 == done.code, done.err  # a quarter of the users was stuck: that was not the load of 4 users
    assert 1 == level["attempts"]["by_kind"]["cancelled"]
    assert level["success"]["n"] - 1 == level["success"]["k"]
    assert 1 == level["latency_all"]["failed"]
    assert "cut_in_flight" in [finding["code"] for finding in figures["findings"]]


@pytest.mark.parametrize("body", [BROKEN, b"data: [DONE]\n\n"], ids=["error in the stream", "nothing said"])
def test_an_endpoint_that_breaks_is_not_hammered(body: bytes, signoff: Callable, tmp_path: Path) -> None:
    """Four users that get nothing but errors inside a 200 slow down: some dozens of requests, not thousands."""
    with endpoint(lambda n: GOOD if n < 20 else body) as (port, seen):
        signoff("run", scenario(tmp_path, port), "--out", tmp_path / "runs", "--metrics", "", "-q")
        requests = seen()
    assert 20 < requests < 120
    attempts = results.read_run((tmp_path / "runs" / "latest").resolve()).attempts
    assert all(each.end is not None for each in attempts)
