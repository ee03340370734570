"""A TCP connection to the first address of a name that accepts (RFC 8305): a black hole must not hide the address beside it.

The next address is tried where one fails, or has not accepted for a while; those before it are still waited for.
"""

import _socket
import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import get_hub

from harness.kernel_clock import KERNEL_STAMPS, SO_TIMESTAMPNS
from harness.loadgen.drain import READ, WRITE, Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.proxy import authority
from harness.loadgen.resolver import Address

SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # of what this machine gives us
DELAY_S = 0.25  # "Connection Attempt Delay", RFC 8305 section 5


class Trial:
    """One address that is tried. `code` is None while it is, then 0 or the errno, and `ended_ns` is when the drain saw it."""

    def __init__(self, drain: Drain, exchange: Exchange, address: Address) -> None:
        self.address = address
        self.socket: _socket.socket | None = None
        self.code: int | None = None
        self._drain, self._exchange = drain, exchange
        self.began_ns = self.ended_ns = time.monotonic_ns()
        try:
            self.socket = _socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as failed:
            if failed.errno != errno.EAFNOSUPPORT and failed.errno not in SHORT:
                raise
            self.code = failed.errno  # a name may also have addresses of a kind that this machine has not
        else:
            self._connect(self.socket)

    def _connect(self, sock: _socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if KERNEL_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.began_ns = time.monotonic_ns()
        code = sock.connect_ex(self.address.sockaddr)
        self._drain.register(sock.fileno(), self, READ | WRITE)
        if code != errno.EINPROGRESS:
            self._settle(code, time.monotonic_ns())

    def on_ready(self, _events: int, _floor_ns: int) -> None:
        """Accepted or failed. Told again while its user has not taken it: nothing is read here."""
        if self.code is None and self.socket is not None:
            now_ns = self._drain.clock.now_ns
            self._settle(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), now_ns)
            self._exchange.our_turn(now_ns)

    def on_bug(self, bug: BaseException) -> None:
        self._exchange.crash(bug, time.monotonic_ns())

    def drop(self) -> None:
        if self.socket is not None:
            self._drain.unregister(self.socket.fileno())
            self.socket.close()
            self.socket = None

    @property
    def place(self) -> str:
        return authority(*self.address.sockaddr[:2])

    @property
    def failure(self) -> str:
        return f"{self.address.sockaddr[0]} port {self.address.sockaddr[1]}: {os.strerror(self.code or 0)}"

    def _settle(self, code: int, now_ns: int) -> None:
        self.code, self.ended_ns = code, now_ns
        if code:
            self.drop()
        elif self.socket is not None:
            self._drain.watch(self.socket.fileno(), READ)


class Reach:
    """Call `run` once. `trials` are those that were begun, in order."""

    def __init__(self, drain: Drain, exchange: Exchange, whose: str) -> None:
        self.trials: list[Trial] = []
        self._drain, self._exchange, self._whose = drain, exchange, whose
        self._is_slow = False
        self._timer: Any = None

    def run(self, addresses: list[Address], wait: Callable[[], None]) -> Trial | None:
        """The one that accepted, its socket registered for reading; None when all have failed. `wait` is for a change.

        Whatever `wait` raises leaves no socket behind. Each address has its share of a short deadline.
        """
        winner = None
        delay_s = min(DELAY_S, self._exchange.deadlines.connect / max(1, len(addresses)))
        rest = deque(addresses)
        try:
            while winner is None:
                if rest and (self._is_slow or not self.trials or self.trials[-1].code is not None):
                    self._begin(rest.popleft(), delay_s if rest else None)
                elif all(trial.code is not None for trial in self.trials):
                    break
                else:
                    self._exchange.waiting_for = self._awaited()
                    wait()
                accepted = [trial for trial in self.trials if trial.code == 0]
                winner = min(accepted, key=lambda trial: trial.ended_ns, default=None)
        finally:
            self._stop_timer()
            for trial in self.trials:
                if trial is not winner:
                    trial.drop()
        return winner

    @property
    def failures(self) -> str:
        return "; ".join(trial.failure for trial in self.trials if trial.code)

    def _begin(self, address: Address, delay_s: float | None) -> None:
        """With `delay_s` there is another address to try then. Subtle: libev's timer, once it has fired, has no delay left."""
        self._is_slow = False
        self._stop_timer()
        self.trials.append(Trial(self._drain, self._exchange, address))
        if delay_s is not None:
            self._timer = get_hub().loop.timer(delay_s)
            self._timer.start(self._on_slow)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()

    def _awaited(self) -> str:
        awaited = " or ".join(trial.place for trial in self.trials if trial.code is None)
        failed = f" ({self.failures})" if self.failures else ""
        return f"{self._whose}{awaited} to accept{failed}"

    def _on_slow(self) -> None:
        """Subtle: the user is woken after the drain's next look at the sockets, so one that has accepted meanwhile is seen."""
        self._is_slow = True
        self._exchange.our_turn(time.monotonic_ns())
