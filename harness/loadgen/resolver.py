"""Names to addresses, once per run and timed apart: a resolver's mood must not enter a provider's latency."""

import socket
from typing import Any, NamedTuple

from gevent import get_hub, monkey
from gevent.threadpool import AsyncResult

_getaddrinfo = monkey.get_original("socket", "getaddrinfo")


class Address(NamedTuple):
    family: int
    sockaddr: tuple[Any, ...]


class Resolver:
    """Looks a name up in gevent's thread pool; users that ask meanwhile share the one answer. Failures are not kept."""

    def __init__(self) -> None:
        self._results: dict[tuple[str, int], AsyncResult] = {}

    def lookup(self, host: str, port: int) -> AsyncResult:
        """A result to wait for; `addresses` reads it."""
        key = (host, port)
        if key not in self._results:
            self._results[key] = get_hub().threadpool.spawn(_look_up, host, port)
        return self._results[key]

    def addresses(self, host: str, port: int) -> list[Address]:
        """The answer of a finished look-up, in the resolver's order; raises `OSError` as the look-up did."""
        found = self._results[host, port].get(block=False)
        if isinstance(found, OSError):
            del self._results[host, port]
            raise found
        return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


def _look_up(host: str, port: int) -> Any:
    """A failure is returned: gevent prints what a pool thread raises."""
    try:
        return _getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as failed:
        return failed
