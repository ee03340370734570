"""Whether the kernel stamps what arrives: tried out on a loopback connection, in plain and through TLS.

TLS is decrypted from memory, as the load process does it, so that `recvmsg` still has the stamp beside the record.
"""

import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import kernel_clock
from harness.cli.checks.check import Check
from harness.simulator import tls

TRIES = 20
READ_BYTES = 65_536
WHY = "stamps of the kernel stay true while this process is busy; without them a stamp is taken after the read"
REMEDY = "measure on Linux, outside of a sandbox that rewrites sockets (gVisor)"


class UnreadableError(OSError):
    """What arrived is not what was sent."""


def plain() -> Check:
    return _tried("kernel receive stamps", lambda: error_ns(lambda: b"x", lambda data: data))


def through_tls() -> Check:
    return _tried("kernel receive stamps, TLS", _tls_error_ns)


def _tried(name: str, trial: Callable[[], int | None]) -> Check:
    try:
        error = trial()
    except OSError as failed:
        return Check(name, "warn", f"not available: {failed}", WHY, REMEDY)
    if error is None:
        return Check(name, "warn", "tried on loopback: none came", WHY, REMEDY)
    if error > kernel_clock.STEP_NS:
        return Check(name, "warn", f"tried on loopback: off by {error / 1e6:.3f} ms", WHY, REMEDY)
    return Check(name, "ok", "tried on loopback: they come, and agree with our clock", WHY)


def error_ns(seal: Callable[[], bytes], unseal: Callable[[bytes], bytes]) -> int | None:
    """How far a stamp lies outside of the time between send and read, in ns; None when none of `TRIES` had one.

    `seal` makes what is sent each time, and `unseal` gives `b"x"` again. Subtle: the kernel switches stamping on a moment after
    the first socket asked for it, so the first read may have none.
    """
    with _loopback() as (sender, receiver), _clock() as kernel:
        for _ in range(TRIES):
            before = kernel.tick()
            sender.sendall(seal())
            data, ancillary, _, _ = receiver.recvmsg(READ_BYTES, kernel_clock.ANCILLARY_BYTES)
            stamp = kernel.stamp(ancillary)
            read_ns = time.monotonic_ns()
            if unseal(data) != b"x":
                raise UnreadableError("what arrived is not what was sent")
            if stamp is not None:
                return max(0, before - stamp, stamp - read_ns)
            time.sleep(0.005)
    return None


def _tls_error_ns() -> int | None:
    from harness.simulator import authority  # noqa: PLC0415 - loads cryptography

    with tempfile.TemporaryDirectory(prefix="signoff-") as folder:
        made = authority.make(Path(folder))
        server = tls.Session(tls.context(made.tls))
        trusting = ssl.create_default_context(cafile=str(made.ca_file))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
    _shake_hands(client, incoming, outgoing, server)

    def unseal(data: bytes) -> bytes:
        incoming.write(data)
        return client.read(READ_BYTES)

    return error_ns(lambda: server.seal(b"x"), unseal)


def _shake_hands(client: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server: tls.Session) -> None:
    """In memory: the network is for the record that is tried."""
    met = False
    while not met:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
            met = True
        server.open(outgoing.read())
        incoming.write(server.seal(b""))


@contextmanager
def _loopback() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(who sends, who receives and asks for stamps)."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5) as sender:
        receiver, _ = server.accept()
        with receiver:
            receiver.settimeout(5)
            receiver.setsockopt(socket.SOL_SOCKET, kernel_clock.SO_TIMESTAMPNS, 1)
            yield sender, receiver


@contextmanager
def _clock() -> Iterator[kernel_clock.KernelClock]:
    kernel = kernel_clock.KernelClock()
    try:
        yield kernel
    finally:
        kernel.close()
