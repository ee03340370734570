"""TLS on the server's side of one connection, between bytes in memory: who reads and sends the ciphertext is `connection`.

So a piece is encrypted before it is due, and the truth's stamp stands just before its ciphertext goes to the kernel.
"""

import contextlib
import ssl

import msgspec

from harness.errors import HarnessError

READ_BYTES = 64 << 10


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PEM files. With `client_ca` every client must show a certificate of that authority."""

    certificate: str
    key: str
    client_ca: str | None = None


def context(tls: Tls) -> ssl.SSLContext:
    """What all connections share. Raises `HarnessError` for files that do not serve."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.options |= ssl.OP_NO_RENEGOTIATION
    where, named = "tls.certificate", tls.certificate
    try:
        made.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            where, named = "tls.client_ca", tls.client_ca
            made.load_verify_locations(tls.client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
    except OSError as problem:
        remedy = "give PEM files: a certificate with its key, and the authority of the clients"
        raise HarnessError(f"{named!r} cannot be loaded: {problem}", where=where, remedy=remedy) from problem
    return made


class BrokenError(Exception):
    """The peer does not speak TLS, is not trusted, or breaks the protocol; `Session.seal` still has the alert for it."""


class Session:
    """Ciphertext in, plain bytes out, and back."""

    def __init__(self, shared: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = shared.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._met = False
        self.ended = False  # the peer has said that nothing more will come

    @property
    def pending(self) -> int:
        """Bytes of the handshake, or of another answer of the protocol's own, that wait for the next `seal`."""
        return self._outgoing.pending

    def open(self, data: bytes) -> bytes:
        """The plain bytes that these bytes complete. Raises `BrokenError`."""
        self._incoming.write(data)
        parts = []
        try:
            if not self._met:
                self._object.do_handshake()
                self._met = True
            while part := self._object.read(READ_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as broken:
            raise BrokenError(str(broken)) from broken
        return b"".join(parts)

    def seal(self, data: bytes) -> bytes:
        """The ciphertext of these bytes, after whatever was pending; the order of calls is the order on the wire."""
        if data:
            self._object.write(data)
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """What tells the peer that the end is meant; to be sent where there is room."""
        with contextlib.suppress(ssl.SSLError):  # the peer's own farewell has not come, and is not waited for
            self._object.unwrap()
        return self._outgoing.read()
