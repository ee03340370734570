"""Somebody on the way between master and workers: a relay that says each ZeroMQ message twice, and a lie, in both directions.

It knows the framing of ZMTP 3 (rfc.zeromq.org/spec/23): a greeting of 64 bytes, then frames of a flag byte, a size of one or
eight bytes and so many bytes. Commands, as the handshake and pings are, go through once.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GREETING_BYTES = 64
MORE, LONG, COMMAND = 1, 2, 4


class Relay:
    """`said` are the messages that went through, from workers and from the master, each once."""

    def __init__(self, listening: socket.socket, master: int, lie: bytes) -> None:
        self._listening, self._master = listening, master
        self._lie = bytes((0, len(lie))) + lie
        self.said: list[bytes] = []
        self._ends = [listening]
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                worker, _ = self._listening.accept()
                try:
                    master = socket.create_connection(("127.0.0.1", self._master))
                except ConnectionRefusedError:  # not up yet: ZeroMQ tries again
                    worker.close()
                    continue
                self._ends += [worker, master]
                for one, other in ((worker, master), (master, worker)):
                    self._threads.append(threading.Thread(target=self._pass, args=(one, other), daemon=True))
                    self._threads[-1].start()

    def close(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError, EOFError):
            for _ in range(GREETING_BYTES):  # either end waits for the other's first bytes before it says the rest
                other.sendall(_read(one, 1))
            while True:
                flags, frame, body = _frame(one)
                is_message = not flags & COMMAND
                assert not flags & MORE, "what DEALER and ROUTER say to each other here has one part"
                other.sendall(frame + self._lie + frame if is_message else frame)
                if is_message:
                    self.said.append(body)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _frame(end: socket.socket) -> tuple[int, bytes, bytes]:
    flags = _read(end, 1)
    size = _read(end, 8 if flags[0] & LONG else 1)
    body = _read(end, int.from_bytes(size))
    return flags[0], flags + size + body, body


def _read(end: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        part = end.recv(size - len(got))
        if not part:
            raise EOFError
        got += part
    return bytes(got)


@contextmanager
def saying_twice(master: int, lie: bytes) -> Iterator[tuple[int, Relay]]:
    """(port for workers, relay) before the master's port. The lie is shorter than 256 bytes."""
    listening = socket.create_server(("127.0.0.1", 0))
    relay = Relay(listening, master, lie)
    serving = threading.Thread(target=relay.serve, daemon=True)
    serving.start()
    try:
        yield listening.getsockname()[1], relay
    finally:
        relay.close()
        serving.join()
