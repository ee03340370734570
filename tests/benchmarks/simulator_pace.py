"""How well the simulator keeps its own schedule, and how much it can send: it on one core, an idle kind of client on another.

python -m tests.benchmarks.simulator_pace [together|spread|saturated|short|large ...] [--tls] [--fixed-priority]
    [--rounds N] [--beside FOLDER]

`--beside` plays each round with the simulator of another checkout as well, so that two versions are compared within a minute.
The figures are of the truth that the simulator wrote down, and of /proc; the client only keeps asking and reading.
"""

import argparse
import contextlib
import json
import os
import select
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from harness.simulator import authority
from tests.benchmarks.table import circumstances, table

ROOT = Path(__file__).parents[2]
CORES = sorted(os.sched_getaffinity(0))
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
READ_BYTES = 256 << 10
DONE = b"0\r\n\r\n"
PROMPTS = 64
TRUTH, CONFIG = "truth.jsonl", "config.json"
HEAD = (
    "case",
    "simulator",
    "sends/s",
    "tokens/s",
    "answers/s",
    "core %",
    "us/send",
    "late p50 ms",
    "p99",
    "p99.9",
    "max",
    "TTFT p99",
)


class Case(NamedTuple):
    """What is asked of the simulator. `spread_s` is the time over which the connections begin."""

    connections: int
    tokens: int
    ttft: dict[str, float]
    itl: dict[str, float]
    spread_s: float = 0.0
    stream: bool = True
    prompt_bytes: int = 200
    every_s: float = 0.0  # a large request comes so often, beside the others
    profile: dict[str, Any] = {}  # noqa: RUF012 - never changed


PACED = ({"median_s": 0.2, "sigma": 0.3}, {"median_s": 1 / 30, "sigma": 0.3})
AT_ONCE = ({"median_s": 0.0}, {"median_s": 0.0})
CASES = {
    "together": Case(1000, 128, *PACED),
    "spread": Case(1000, 128, *PACED, spread_s=4.0),
    "saturated": Case(64, 256, *AT_ONCE),
    "short": Case(64, 1, *AT_ONCE, stream=False),
    "large": Case(200, 128, *PACED, spread_s=2.0, every_s=0.2),
}


class Line(msgspec.Struct):
    """The fields of the truth that are read here, so that an older simulator's lines serve too."""

    received_ns: int
    sent_ns: list[int]
    late_ns: list[int]
    chunk_tokens: list[int]
    done_ns: int | None


class Round(NamedTuple):
    began_ns: int
    ended_ns: int
    cpu_s: float
    lines: list[Line]


class Client:
    """Asks again whenever an answer has ended. Every connection has its own prompt, of a few that are repeated."""

    def __init__(self, port: int, case: Case, tls: ssl.SSLContext | None) -> None:
        self._case = case
        self._epoll = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, bytes]] = {}
        for number in range(case.connections):
            sock = _dialled(port, tls)
            self._sockets[sock.fileno()] = sock, request(f"prompt {number % PROMPTS} ", case.prompt_bytes, stream=case.stream)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        self._large = _dialled(port, tls) if case.every_s else None

    def run(self, seconds: float) -> None:
        began = time.monotonic()
        waiting = list(self._sockets.values())
        pause = self._case.spread_s / len(waiting)
        next_large = began + self._case.spread_s
        while (now := time.monotonic()) < began + seconds:
            while waiting and now >= began + pause * (len(self._sockets) - len(waiting)):
                sock, data = waiting.pop()
                sock.send(data)
            if self._large is not None and now >= next_large:
                next_large += self._case.every_s
                self._say_large(self._large)
            for fd, _ in self._epoll.poll(0.001):
                self._read(*self._sockets[fd])

    def _read(self, sock: socket.socket, again: bytes) -> None:
        try:
            data = sock.recv(READ_BYTES)
            while isinstance(sock, ssl.SSLSocket) and sock.pending():
                data = sock.recv(READ_BYTES)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        if not self._case.stream or data.endswith(DONE):
            sock.send(again)

    def _say_large(self, sock: socket.socket) -> None:
        """A new request of 1 MB; the answer to the last one is read away. Only how it disturbs matters."""
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            sock.recv(READ_BYTES)
        sock.setblocking(True)
        sock.sendall(request(f"{time.monotonic_ns()} ", 1 << 20, stream=False))


def request(prompt: str, size: int, *, stream: bool) -> bytes:
    """A prompt of about that many bytes."""
    content = prompt + "word " * ((size - len(prompt)) // 5)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], "stream": stream}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def play(case: Case, seconds: float, source: Path, *, tls: bool, fixed_priority: bool) -> Round:
    """One round against the simulator of the checkout `source`."""
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        trusted = authority.make(folder) if tls else None
        with _simulating(case, folder, source, trusted, fixed_priority=fixed_priority) as (port, pid):
            os.sched_setaffinity(0, {CORES[-1]})
            context = None if trusted is None else ssl.create_default_context(cafile=str(trusted.ca_file))
            client = Client(port, case, context)
            used, began_ns = _cpu_s(pid), time.monotonic_ns()
            client.run(seconds)
            cpu_s, ended_ns = _cpu_s(pid) - used, time.monotonic_ns()
            os.sched_setaffinity(0, set(CORES))
        decode = msgspec.json.Decoder(Line).decode
        with (folder / TRUTH).open("rb") as lines:
            return Round(began_ns, ended_ns, cpu_s, [decode(line) for line in lines])


def figures(played: Round) -> list[float]:
    """What `HEAD` names, of the sends within the round."""
    sends = [
        (late, tokens)
        for line in played.lines
        for sent, late, tokens in zip(line.sent_ns, line.late_ns, line.chunk_tokens, strict=True)
        if played.began_ns <= sent < played.ended_ns
    ]
    wall_s = (played.ended_ns - played.began_ns) / 1e9
    late_ms = sorted(late / 1e6 for late, _ in sends)
    first_ms = sorted(line.late_ns[0] / 1e6 for line in played.lines if line.late_ns)
    answers = sum(line.done_ns is not None and line.done_ns < played.ended_ns for line in played.lines)
    quantiles = [late_ms[int(q * (len(late_ms) - 1))] for q in (0.5, 0.99, 0.999, 1)]
    per_s = [len(sends) / wall_s, sum(tokens for _, tokens in sends) / wall_s, answers / wall_s]
    cost = [100 * played.cpu_s / wall_s, played.cpu_s / len(sends) * 1e6]
    return [*per_s, *cost, *quantiles, first_ms[int(0.99 * (len(first_ms) - 1))]]


def main() -> None:
    options = _options()
    print(circumstances(), f"medians of {options.rounds} rounds of {options.seconds:g} s", sep="\n", flush=True)
    sources = {"here": ROOT} | ({"beside": options.beside} if options.beside else {})
    rows = []
    for name in options.cases or CASES:
        rounds: dict[str, list[list[float]]] = {label: [] for label in sources}
        for _ in range(options.rounds):
            for label, source in sources.items():
                played = play(CASES[name], options.seconds, source, tls=options.tls, fixed_priority=options.fixed_priority)
                rounds[label].append(figures(played))
        for label, each in rounds.items():
            medians = [statistics.median(column) for column in zip(*each, strict=True)]
            rows.append([name, label, *(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in medians)])
    print("", table(HEAD, rows), sep="\n")


@contextmanager
def _simulating(
    case: Case, folder: Path, source: Path, trusted: authority.Authority | None, *, fixed_priority: bool
) -> Iterator[tuple[int, int]]:
    """The simulator as a process on its own core; yields its port and process id. Its truth is whole when the body is done."""
    config = {
        "candidates": [{"name": "a", "model": "m", "ttft": case.ttft, "itl": case.itl, **case.profile}],
        "truth": str(folder / TRUTH),
        "filler_tokens": case.tokens,
        **({} if trusted is None else {"tls": msgspec.to_builtins(trusted.tls)}),
    }
    (folder / CONFIG).write_text(json.dumps(config))
    words = ["chrt", "-f", "50"] if fixed_priority else []
    words += [sys.executable, "-m", "harness.simulator", str(folder / CONFIG)]
    os.sched_setaffinity(0, {CORES[0]})
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=source) as child:
        os.sched_setaffinity(0, set(CORES))
        assert child.stdout is not None
        url = json.loads(child.stdout.readline())["ready"]["a"]
        try:
            yield int(url.rsplit(":", 1)[1].removesuffix("/v1")), child.pid
        finally:
            child.terminate()
            child.wait()


def _dialled(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        sock = tls.wrap_socket(sock, server_hostname="localhost")
    sock.setblocking(False)
    return sock


def _cpu_s(pid: int) -> float:
    """User and system time so far: in `/proc/PID/stat`, after the name, the 12th and 13th field."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.simulator_pace", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="|".join(CASES), help="all of them where none is named")
    parser.add_argument("--tls", action="store_true", help="over TLS")
    parser.add_argument("--fixed-priority", action="store_true", help="`chrt -f 50` for the simulator: nobody takes its core")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each round")
    parser.add_argument("--beside", type=Path, help="another checkout, whose simulator is played too")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    return options


if __name__ == "__main__":
    main()
