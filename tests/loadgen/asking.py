"""One request through a transport, and the TLS of a test server."""

import ssl
import time

import httpx
import trustme

from harness.loadgen.exchange import Bytes, Exchange
from harness.loadgen.transport import Transport
from harness.records import Deadlines


def ask(
    transport: Transport, port: int, *, scheme: str = "http", host: str = "127.0.0.1", body: bytes = b"{}", **limits: float
) -> Exchange:
    exchange = Exchange(Bytes(), Deadlines(**limits), time.monotonic_ns())
    there = f"[{host}]" if ":" in host else host
    transport.perform(httpx.Request("POST", f"{scheme}://{there}:{port}/v1", content=body), exchange)
    exchange.decode()
    return exchange


def server_tls(authority: trustme.CA, name: str, *, clients: bool = False) -> ssl.SSLContext:
    """clients: whoever connects must show a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if clients:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
