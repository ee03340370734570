"""The least that can be asked: one and the same whole answer to every request, from bare sockets and epoll.

python -m tests.benchmarks.bare_server: prints its port, and what it did when its standard input closes. It takes a small part
of what a worker takes for a request, so two workers share the cores with little else; the simulator would be their limit.
"""

import json
import re
import select
import socket
import sys
import time

from tests.benchmarks import work

READ_BYTES = 65_536
LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def answer() -> bytes:
    message = {"role": "assistant", "content": "yes"}
    usage = {"prompt_tokens": 50, "completion_tokens": 1, "total_tokens": 51}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    data = json.dumps(
        {"id": "x", "object": "chat.completion", "model": work.MODEL, "choices": [choice], "usage": usage}
    ).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data


class Server:
    """`requests` counts the answers since the beginning. A client waits for its answer before it asks again."""

    def __init__(self) -> None:
        self.requests = 0
        self._answer = answer()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listening.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listening.fileno(), select.EPOLLIN)
        self._open: dict[int, tuple[socket.socket, bytearray]] = {}

    def run(self) -> None:
        """Until standard input closes."""
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        while True:
            for fd, _ in self._epoll.poll():
                if fd == sys.stdin.fileno():
                    return
                if fd == self._listening.fileno():
                    self._accept()
                else:
                    self._read(fd)

    def _accept(self) -> None:
        sock, _ = self._listening.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[sock.fileno()] = sock, bytearray()
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        sock, got = self._open[fd]
        try:
            data = sock.recv(READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            self._open.pop(fd)
            sock.close()
            return
        got += data
        if _is_whole(got):
            got.clear()
            self.requests += 1
            sock.send(self._answer)


def _is_whole(got: bytearray) -> bool:
    end = got.find(b"\r\n\r\n")
    found = LENGTH.search(got, 0, max(0, end))
    return end >= 0 and len(got) >= end + 4 + (int(found[1]) if found else 0)


def main() -> None:
    server = Server()
    print(server.port, flush=True)
    used = time.process_time()
    server.run()
    print(json.dumps({"requests": server.requests, "cpu_s": time.process_time() - used}))


if __name__ == "__main__":
    main()
