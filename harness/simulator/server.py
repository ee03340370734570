"""The candidates' listening sockets and the connections that come in."""

import functools
import socket
import ssl

from harness.errors import HarnessError
from harness.simulator.arrivals import Arrivals
from harness.simulator.candidate import Candidate
from harness.simulator.config import Config
from harness.simulator.connection import Connection
from harness.simulator.knowledge import index
from harness.simulator.loop import Loop
from harness.simulator.service import Service
from harness.simulator.tls import Session, context
from harness.simulator.truth import TruthFile

BACKLOG = 4_096  # connections that wait to be accepted


class Server:
    def __init__(self, config: Config, loop: Loop, truth: TruthFile) -> None:
        self._config, self._loop, self._truth, self._arrivals = config, loop, truth, Arrivals()
        self._listeners: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None

    def listen(self) -> dict[str, str]:
        """Opens every candidate's port; its base URL by name. Raises `HarnessError` for a port or file that cannot be had."""
        known = index(self._config.knowledge)
        scheme = "http"
        if self._config.tls is not None:
            scheme, self._tls = "https", context(self._config.tls)
        urls = {}
        for offset, candidate in enumerate(self._config.candidates):
            listener = self._open(candidate, self._config.port and self._config.port + offset)
            self._listeners.append(listener)
            service = Service(candidate, self._config, known, self._truth, self._loop.fire)
            self._loop.watch(listener.fileno(), functools.partial(self._accept, listener, service))
            urls[candidate.name] = f"{scheme}://{self._config.host}:{listener.getsockname()[1]}/v1"
        return urls

    def close(self) -> None:
        """What is being answered ends as aborted."""
        for connection in list(self._connections):
            connection.close()
        for listener in self._listeners:
            listener.close()
        self._arrivals.close()

    def _open(self, candidate: Candidate, port: int) -> socket.socket:
        try:
            listener = socket.create_server((self._config.host, port), backlog=BACKLOG)
        except OSError as problem:
            where = f"candidate {candidate.name!r}"
            raise HarnessError(f"cannot listen on {self._config.host}:{port}: {problem.strerror}", where=where) from problem
        listener.setblocking(False)
        self._arrivals.ask(listener)
        return listener

    def _accept(self, listener: socket.socket, service: Service, _readable: bool, _writable: bool) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # gone before it was accepted
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = None if self._tls is None else Session(self._tls)
        self._connections.add(Connection(sock, self._loop, service.reply, self._connections.discard, self._arrivals, session))
