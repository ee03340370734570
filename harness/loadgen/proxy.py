"""The HTTP proxy that a scenario names for an endpoint: what is asked of it, and what its answer means.

https goes through a tunnel (CONNECT), plain http is asked of the proxy itself, as curl and httpx do it; many proxies allow
CONNECT to port 443 alone. Nothing here looks at the environment.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from harness.wire.http1 import ProtocolError, ResponseParser
from harness.wire.limits import OversizeError

AUTHENTICATION_REQUIRED = 407
_BLANK_LINES = (b"\r\n\r\n", b"\n\n")


class ProxyError(Exception):
    """The proxy did not open the tunnel; the message names it."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """`secrets` are user and password as they were given and as they are sent: neither may be written down."""

    url: str
    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def at(cls, url: str, user_and_password: str | None) -> Self:
        """`url` as `base_url.checked_proxy` lets it pass."""
        parts = urlsplit(url)
        assert parts.hostname is not None, "checked in the scenario"
        assert parts.port is not None, "checked in the scenario"
        if user_and_password is None:
            return cls(url, parts.hostname, parts.port)
        encoded = base64.b64encode(user_and_password.encode())
        return cls(url, parts.hostname, parts.port, b"Basic " + encoded, (user_and_password, encoded.decode()))

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """What the proxy wants to know with every request that it reads."""
        return {} if self.authorization is None else {b"Proxy-Authorization": self.authorization}

    def connect(self, host: str, port: int) -> bytes:
        """The request for a tunnel."""
        there = authority(host, port).encode("ascii")
        lines = [b"CONNECT %b HTTP/1.1" % there, b"Host: %b" % there]
        lines += [b"%b: %b" % each for each in self.headers.items()]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def refusal(self, status: int, asked: str) -> str:
        """What its answer means, in words."""
        if status == AUTHENTICATION_REQUIRED:
            lacking = "name the variable that holds them with proxy_auth_env"
            wrong = "it does not take those in proxy_auth_env's variable"
            return f"the proxy {self.url} asks for a user and a password (HTTP 407): {wrong if self.authorization else lacking}"
        phrase = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
        return f"the proxy {self.url} answered {asked} with HTTP {status}{phrase}"


class Tunnel:
    """The proxy's answer to CONNECT, fed as it arrives."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy, self._asked = proxy, f"CONNECT {authority(host, port)}"
        self._parser = ResponseParser("CONNECT")
        self._tail = b""

    def feed(self, data: bytes, now_ns: int) -> bool:
        """Whether the tunnel is open. No bytes: the proxy has closed. Raises `ProxyError` when it will not open."""
        if not data:
            raise ProxyError(f"the proxy {self._proxy.url} closed the connection instead of answering {self._asked}")
        try:
            self._parser.feed(now_ns, data)
        except (ProtocolError, OversizeError) as broken:
            raise ProxyError(f"the proxy {self._proxy.url} did not answer {self._asked} in HTTP/1.1: {broken}") from broken
        self._tail = self._tail[-4:] + data[-4:]
        status = self._parser.status
        if status is None:
            return False
        self._parser.close()
        if not 200 <= status < 300:
            raise ProxyError(self._proxy.refusal(status, self._asked))
        if not self._tail.endswith(_BLANK_LINES):  # in TLS the client speaks first: whatever this is, it is not from the server
            raise ProxyError(f"the proxy {self._proxy.url} sent more than its answer to {self._asked}")
        return True


def authority(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
