"""Whether the simulator tells the truth: its lines against its clients' clocks, its seeds, and its ends."""

import json
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.records import Message
from harness.simulator.candidate import Candidate, is_right
from harness.simulator.knowledge import prompt_key

pytestmark = pytest.mark.alone

MS = 1_000_000


def asked(client: httpx.Client, content: str = "Hi", **fields: Any) -> httpx.Response:
    messages = [{"role": "user", "content": content}]
    return client.post("/chat/completions", json={"model": "m", "stream": True, "messages": messages, **fields})


def posted(body: bytes, head: str = "") -> bytes:
    return f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def arrivals_ns(port: int, body: bytes) -> tuple[int, list[int]]:
    """(stamp before the request was sent, stamp of the read that brought each token event), by a client that only reads."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sent_ns = time.monotonic_ns()
        sock.sendall(posted(body))
        stamps: list[int] = []
        text = b""
        while b"[DONE]" not in text:
            text += sock.recv(65536)
            stamps += [time.monotonic_ns()] * (text.count(b'"delta":{"content":"') - len(stamps))
    return sent_ns, stamps


def test_every_stamp_of_the_truth_agrees_with_the_clients_clock(start: Any) -> None:
    """A request is received after it was sent; each token arrives after its stamp, by far mostly within 5 ms."""
    simulator = start(
        filler_tokens=100, candidates=[{"name": "a", "model": "m", "ttft": {"median_s": 0.05}, "itl": {"median_s": 0.005}}]
    )
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    sent_ns, arrived_ns = arrivals_ns(simulator.port("a"), body)
    [line] = simulator.stop()
    assert sent_ns < line["received_ns"] < line["sent_ns"][0]
    lags_ns = [arrived - sent for sent, arrived in zip(line["sent_ns"], arrived_ns, strict=True)]
    assert min(lags_ns) > 0
    assert statistics.median(lags_ns) < 5 * MS
    assert arrived_ns[-1] >= line["sent_ns"][-1] < line["done_ns"]


def test_the_schedule_is_kept_and_lateness_is_told(start: Any) -> None:
    """Stamp minus lateness is the exact plan: ttft, then equal gaps that a late token does not shift. Nothing is early."""
    simulator = start(
        filler_tokens=20,
        candidates=[{"name": "a", "model": "m", "ttft": {"median_s": 0.05}, "itl": {"median_s": 0.004}, "tokens_per_chunk": 3}],
    )
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        asked(client)
    [line] = simulator.stop()
    due_ns = [sent - late - line["received_ns"] for sent, late in zip(line["sent_ns"], line["late_ns"], strict=True)]
    assert [50 * MS + 12 * MS * i for i in range(6)] + [118 * MS] == due_ns
    assert [3] * 6 + [2] == line["chunk_tokens"]
    assert min(line["late_ns"]) >= 0


def planned(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            line["status"],
            *(sent - late - line["received_ns"] for sent, late in zip(line["sent_ns"], line["late_ns"], strict=True)),
        )
        for line in lines
    ]


def test_the_same_seed_plans_the_same_run(start: Any) -> None:
    """Status and plan of every request repeat to the nanosecond in another process; another seed gives another run."""

    def run(seed: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        profile = {"ttft": {"median_s": 0.002, "sigma": 0.5}, "itl": {"median_s": 0.001, "sigma": 0.5}, "error_rate": 0.3}
        simulator = start(seed=seed, filler_tokens=5, candidates=[{"name": "a", "model": "m", **profile}])
        with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
            texts = [
                asked(client, stream=False).json().get("choices", [{}])[0].get("message", {}).get("content") for _ in range(12)
            ]
        return texts, planned(simulator.stop())

    first = run(1)
    assert first == run(1)
    assert first != run(2)


def test_known_examples_are_right_as_often_as_told(start: Any) -> None:
    """Each example gets the text that its flag says, the flag is the seeded one, and asking again changes nothing."""
    prompts = {f"e{i}": f"Question {i}?" for i in range(60)}
    knowledge = [
        {"example": id_, "prompt_sha256": prompt_key([Message("user", text)]), "right": f"yes {id_}", "wrong": f"no {id_}"}
        for id_, text in prompts.items()
    ]
    profile = {"accuracy": 0.7, "ttft": {"median_s": 0}, "itl": {"median_s": 0}}
    simulator = start(seed=3, knowledge=knowledge, candidates=[{"name": "a", "model": "m", **profile}])
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        texts = [
            asked(client, text, stream=False).json()["choices"][0]["message"]["content"] for text in (*prompts.values(),) * 2
        ]
    candidate = Candidate(name="a", model="m", accuracy=0.7)
    right = {id_: is_right(candidate, 3, id_) for id_ in prompts}
    assert [f"{'yes' if right[id_] else 'no'} {id_}" for id_ in prompts] * 2 == texts
    assert [(id_, right[id_]) for id_ in prompts] * 2 == [(line["example"], line["right"]) for line in simulator.stop()]
    assert 0.5 < sum(right.values()) / 60 < 0.9


def test_an_aborted_stream_says_what_was_sent(start: Any) -> None:
    """The client leaves after some tokens: the line counts those, has no end, and the simulator serves on."""
    simulator = start(
        filler_tokens=1000, candidates=[{"name": "a", "model": "m", "ttft": {"median_s": 0.01}, "itl": {"median_s": 0.01}}]
    )
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        messages = [{"role": "user", "content": "Hi"}]
        with client.stream("POST", "/chat/completions", json={"model": "m", "stream": True, "messages": messages}) as answer:
            seen = b""
            for data in answer.iter_raw():
                seen += data
                if seen.count(b"data:") > 5:
                    break
        assert 200 == client.get("/models").status_code
    [line] = simulator.stop()
    assert (True, None) == (line["aborted"], line["done_ns"])
    assert seen.count(b"data:") - 1 <= line["completion_tokens"] == len(line["sent_ns"]) < 1000


def test_a_client_that_does_not_read_is_waited_for(start: Any) -> None:
    """When the kernel takes no more, sending waits and says so; every byte arrives in the end, and stamps still rise."""
    model = "m" * 4000  # each event repeats it, so that few tokens fill the buffers
    instant = {"ttft": {"median_s": 0}, "itl": {"median_s": 0}}
    simulator = start(filler_tokens=3000, candidates=[{"name": "a", "model": model, **instant}])
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", simulator.port("a")))
        sock.sendall(posted(body, "Connection: close\r\n"))
        time.sleep(0.5)
        received = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    [line] = simulator.stop()
    assert line["blocked"] > 0
    assert 3000 == line["completion_tokens"] == received.count(b'"delta":{"content":"')
    assert line["sent_ns"] == sorted(line["sent_ns"])
    assert line["sent_ns"][-1] - line["sent_ns"][0] > 300 * MS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_whole_truth(start: Any, number: signal.Signals) -> None:
    """Finished requests and the one in flight are all in the file, and the exit is clean."""
    simulator = start(
        filler_tokens=3, candidates=[{"name": "a", "model": "m", "ttft": {"median_s": 0}, "itl": {"median_s": 1}}]
    )
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        for _ in range(20):
            asked(client, max_tokens=1)
        messages = [{"role": "user", "content": "Hi"}]
        with client.stream("POST", "/chat/completions", json={"model": "m", "stream": True, "messages": messages}) as answer:
            next(answer.iter_raw())
            lines = simulator.stop(number)
    assert [(n, n == 21) for n in range(1, 22)] == [(line["n"], line["aborted"]) for line in lines]


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """Exit 2, nothing on stdout, and the message names candidate and address."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"port": port, "candidates": [{"name": "a", "model": "m"}]}))
        done = subprocess.run(
            [sys.executable, "-m", "harness.simulator", str(path)], capture_output=True, text=True, timeout=10, check=False
        )
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert done.stderr.startswith(f"simulator: candidate 'a': cannot listen on 127.0.0.1:{port}: Address already in use")
