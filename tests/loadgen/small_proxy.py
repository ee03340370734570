"""An HTTP proxy that works: CONNECT and absolute-form, with or without a password, on real sockets in native threads."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scripted import Peer, serving

REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nno!\n"


class SmallProxy:
    """`heads` are the requests as the proxy saw them. It alone knows the address of a host whose name ends in .invalid.

    user  `user:password`, None for a proxy that lets anybody in
    """

    def __init__(self, user: str | None = None) -> None:
        self.heads: list[bytes] = []
        self._wanted = None if user is None else b"Basic " + base64.b64encode(user.encode())

    def serve(self, peer: Peer) -> None:
        while True:
            head = peer.request()
            self.heads.append(head)
            method, target, _ = head.split(b"\r\n")[0].split()
            if self._wanted is not None and b"\r\nproxy-authorization: %b" % self._wanted not in b"\r\n" + _lowered(head):
                peer.socket.sendall(REFUSED)
            elif method == b"CONNECT":
                return self._tunnel(peer, target.decode())
            else:
                return self._forward(peer, head, method, target)

    def _tunnel(self, peer: Peer, target: str) -> None:
        host, _, port = target.rpartition(":")
        with socket.create_connection((_address(host), int(port)), 5) as there:
            peer.socket.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 small\r\n\r\n")
            back = threading.Thread(target=_pump, args=(there, peer.socket), daemon=True)
            back.start()
            _pump(peer.socket, there)
            back.join(5)

    @staticmethod
    def _forward(peer: Peer, head: bytes, method: bytes, target: bytes) -> None:
        """One request, one connection; the answer runs to its close."""
        authority, _, path = target.removeprefix(b"http://").partition(b"/")
        host, _, port = authority.decode().rpartition(":")
        lines = [line for line in head.split(b"\r\n")[1:] if not line.lower().startswith(b"proxy-")]
        with socket.create_connection((_address(host), int(port)), 5) as there:
            there.sendall(b"\r\n".join([b"%b /%b HTTP/1.1" % (method, path), *lines]) + b"\r\n\r\n" + peer.body)
            _pump(there, peer.socket)


def _address(host: str) -> str:
    return "127.0.0.1" if host.endswith(".invalid") else host.strip("[]")


def _lowered(head: bytes) -> bytes:
    """Field names in small letters, values as they are."""
    return b"\r\n".join(name.lower() + colon + value for name, colon, value in (x.partition(b":") for x in head.split(b"\r\n")))


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxying(user: str | None = None) -> Iterator[tuple[str, SmallProxy]]:
    """Yields the proxy's URL and the proxy."""
    proxy = SmallProxy(user)
    with serving(proxy.serve) as (port, _):
        yield f"http://127.0.0.1:{port}", proxy
