"""Names to addresses, once per run and timed apart: a resolver's mood must not enter a provider's latency."""

import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gevent import get_hub, monkey
from gevent.threadpool import AsyncResult

from harness.resolved import Resolved

_getaddrinfo = monkey.get_original("socket", "getaddrinfo")


class Address(NamedTuple):
    family: int
    sockaddr: tuple[Any, ...]


class Known(NamedTuple):
    """What a name stands for, in the order in which to try it. `took_ns` for the first who reads the answer, None after it."""

    addresses: list[Address]
    took_ns: int | None


class _Answer(NamedTuple):
    found: list[Address] | OSError
    took_ns: int


class Resolver:
    """Looks a name up in gevent's thread pool; users that ask meanwhile share the one answer. Failures are not kept.

    on_answer  is told each answer that is kept, once
    """

    def __init__(self, on_answer: Callable[[Resolved], object] | None = None) -> None:
        self._results: dict[tuple[str, int], AsyncResult] = {}
        self._untold: set[tuple[str, int]] = set()
        self._worked: dict[tuple[str, int], Address] = {}
        self._on_answer = on_answer

    def lookup(self, host: str, port: int) -> AsyncResult:
        """A result to wait for; `known` reads it."""
        key = (host, port)
        if key not in self._results:
            self._untold.add(key)
            self._results[key] = get_hub().threadpool.spawn(_look_up, host, port)
        return self._results[key]

    def known(self, host: str, port: int, result: AsyncResult) -> Known:
        """The answer of a finished look-up: what has worked, then the resolver's order; raises `OSError` as the look-up did."""
        key = (host, port)
        answer: _Answer = result.get(block=False)
        if isinstance(answer.found, OSError):
            if self._results.get(key) is result:
                del self._results[key]
            raise answer.found
        took_ns = None
        if key in self._untold:
            self._untold.discard(key)
            took_ns = answer.took_ns
            if self._on_answer is not None:
                names = tuple(dict.fromkeys(address.sockaddr[0] for address in answer.found))
                self._on_answer(Resolved(host, port, names, took_ns))
        return Known(sorted(answer.found, key=lambda address: address != self._worked.get(key)), took_ns)

    def worked(self, host: str, port: int, address: Address) -> None:
        """Later connections of this name begin with this address."""
        self._worked[host, port] = address


def _look_up(host: str, port: int) -> _Answer:
    """A failure is returned: gevent prints what a pool thread raises."""
    began = time.monotonic_ns()
    try:
        found = _getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as failed:
        return _Answer(failed, time.monotonic_ns() - began)
    addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
    return _Answer(addresses, time.monotonic_ns() - began)
