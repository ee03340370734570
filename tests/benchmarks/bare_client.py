"""The yardstick: a closed loop on bare sockets and epoll that counts events and keeps nothing, in as little Python as will do.

python -m tests.benchmarks.bare_client URL CONNECTIONS WARMUP_S MEASURE_S {stream|whole}: prints one JSON line.
"""

import json
import select
import socket
import sys
import time
from urllib.parse import urlsplit

from tests.benchmarks import work

EVENT, LAST_CHUNK = b'"delta":{"content":', b"0\r\n\r\n"
READ_BYTES = 65_536


def request(*, stream: bool) -> bytes:
    body = {"model": work.MODEL, "messages": [{"role": "user", "content": work.prompt("unknown")}], "stream": stream}
    data = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def words(url: str, connections: int, warmup_s: float, measure_s: float, *, stream: bool) -> list[str]:
    """The command line of this client."""
    mode = "stream" if stream else "whole"
    return [sys.executable, "-m", __name__, url, str(connections), str(warmup_s), str(measure_s), mode]


class Client:
    """`seen` and `requests` count since the beginning; an answer that is one document must come in one read."""

    def __init__(self, port: int, connections: int, *, stream: bool) -> None:
        self.seen = self.requests = 0
        self._stream, self._request = stream, request(stream=stream)
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(connections):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            self._epoll.register(sock.fileno(), select.EPOLLIN)
            sock.send(self._request)

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for fd, _ in self._epoll.poll(0.1):
                sock = self._sockets[fd]
                data = sock.recv(READ_BYTES)
                self.seen += data.count(EVENT)
                if not self._stream or data.endswith(LAST_CHUNK):
                    self.requests += 1
                    sock.send(self._request)


def main(url: str, connections: str, warmup_s: str, measure_s: str, mode: str) -> None:
    client = Client(int(urlsplit(url).port or 80), int(connections), stream=mode == "stream")
    client.run(float(warmup_s))
    used, began, seen, requests = time.process_time(), time.monotonic(), client.seen, client.requests
    client.run(float(measure_s))
    cpu_s, wall_s = time.process_time() - used, time.monotonic() - began
    print(json.dumps({"tokens": client.seen - seen, "requests": client.requests - requests, "cpu_s": cpu_s, "wall_s": wall_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
