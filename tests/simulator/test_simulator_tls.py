"""The simulator over TLS, against Python's own client: who is let in, what arrives, and whether the truth is still true."""

import gc
import json
import socket
import ssl
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from harness import scenario
from harness.errors import HarnessError
from harness.loadgen import tls as client_tls
from harness.loadgen.drain import Drain
from harness.loadgen.exchange import Bytes, Exchange
from harness.loadgen.resolver import Resolver
from harness.loadgen.transport import Transport
from harness.records import Deadlines, Ending
from harness.simulator import authority
from harness.simulator.authority import Authority
from harness.simulator.tls import BrokenError, Session, Tls, context

MS = 1_000_000
PACED = {"name": "a", "model": "m", "ttft": {"median_s": 0.02}, "itl": {"median_s": 0.005}}
BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority.make(tmp_path_factory.mktemp("authority"), demand_client=True)


def trusting(made: Authority, *, shown: bool = False) -> ssl.SSLContext:
    """A client that verifies, and shows its certificate where `shown`."""
    client = ssl.create_default_context(cafile=str(made.ca_file))
    if shown:
        client.load_cert_chain(made.client_certificate, made.client_key)
    return client


def serving(start: Any, made: Authority, *, demand: bool = False, **config: Any) -> Any:
    tls = msgspec.structs.replace(made.tls, client_ca=made.tls.client_ca if demand else None)
    return start(candidates=[PACED], tls=msgspec.to_builtins(tls), **config)


def dial(port: int, client: ssl.SSLContext, host: str = "127.0.0.1") -> ssl.SSLSocket:
    return client.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname=host)


def streamed(sock: ssl.SSLSocket) -> tuple[int, list[int], bytes]:
    """(stamp before the request, stamp of the read that brought each token event, all bytes)."""
    sent_ns = time.monotonic_ns()
    sock.sendall(POST)
    stamps: list[int] = []
    text = b""
    while b"[DONE]" not in text or not text.endswith(b"0\r\n\r\n"):
        text += sock.recv(65536)
        stamps += [time.monotonic_ns()] * (text.count(b'"delta":{"content":"') - len(stamps))
    return sent_ns, stamps, text


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_truth_is_as_good_as_in_plain(start: Any, made: Authority, version: ssl.TLSVersion) -> None:
    """Two streams on one connection: each token arrives after its stamp, by far mostly within 5 ms, and the plan is kept."""
    simulator = serving(start, made, filler_tokens=50)
    assert simulator.urls["a"].startswith("https://127.0.0.1:")
    client = trusting(made)
    client.minimum_version = client.maximum_version = version
    with dial(simulator.port("a"), client) as sock:
        assert version.name == sock.version().replace(".", "_")
        seen = [streamed(sock) for _ in range(2)]
    lines = simulator.stop()
    for (sent_ns, arrived_ns, _), line in zip(seen, lines, strict=True):
        assert sent_ns < line["received_ns"] < line["sent_ns"][0]
        lags_ns = [arrived - sent for sent, arrived in zip(line["sent_ns"], arrived_ns, strict=True)]
        assert min(lags_ns) > 0
        assert statistics.median(lags_ns) < 5 * MS
        due_ns = [sent - late - line["received_ns"] for sent, late in zip(line["sent_ns"], line["late_ns"], strict=True)]
        assert [20 * MS + 5 * MS * number for number in range(50)] == due_ns
        assert min(line["late_ns"]) >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
def test_our_own_transport_is_served(start: Any, made: Authority) -> None:
    """With nothing but the authority's file: two streams on one connection, and the last token's stamp follows the truth's."""
    simulator = serving(start, made, filler_tokens=5)
    drain = Drain()
    exchanges = []
    with Transport(drain, Resolver(), client_tls.context(scenario.Tls(ca_file=made.ca_file))) as transport:
        for _ in range(2):
            exchange = Exchange(Bytes(), Deadlines(), time.monotonic_ns())
            transport.perform(httpx.Request("POST", f"{simulator.urls['a']}/chat/completions", content=BODY), exchange)
            exchange.decode()
            exchanges.append(exchange)
    drain.close()
    assert [(Ending.COMPLETE, False), (Ending.COMPLETE, True)] == [(each.ending, each.reused) for each in exchanges]
    for exchange, line in zip(exchanges, simulator.stop(), strict=True):
        assert exchange.sent_ns < line["received_ns"]
        assert line["sent_ns"][-1] < exchange.done_ns < line["sent_ns"][-1] + 50 * MS


def test_the_last_reply_ends_with_a_farewell(start: Any, made: Authority) -> None:
    """Where the client asks for the end, TLS ends as well as TCP: a client that minds truncation sees none."""
    simulator = serving(start, made)
    with dial(simulator.port("a"), trusting(made), "localhost") as sock:
        sock.suppress_ragged_eofs = False
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        said = b"".join(iter(lambda: sock.recv(65536), b""))
    assert said.endswith(b'{"status":"ok"}')


def test_large_requests_and_answers_pass(start: Any, made: Authority) -> None:
    """More than a record, a read and a socket's buffer hold: all of it is there, and a client that reads late gets it."""
    simulator = serving(start, made, knowledge=[])
    content = "word " * 400_000
    data = json.dumps({"model": "m" * 300_000, "messages": [{"role": "user", "content": content}]}).encode()
    with dial(simulator.port("a"), trusting(made)) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\n")
        sock.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        time.sleep(0.1)
        said = b"".join(iter(lambda: sock.recv(65536), b""))
    assert said.count(b"m" * 300_000) == 1  # the 404 quotes the model's name
    assert [404] == [line["status"] for line in simulator.stop()]


def test_an_abrupt_client_leaves_an_aborted_line(start: Any, made: Authority) -> None:
    """A farewell in mid stream is an abort, as closing is in plain; the next client is served."""
    simulator = serving(start, made, filler_tokens=1000)
    with dial(simulator.port("a"), trusting(made)) as sock:
        sock.sendall(POST)
        sock.recv(10)
        with pytest.raises((ssl.SSLError, OSError)):  # what was sent before the farewell was read is still in the way
            sock.unwrap()
    with dial(simulator.port("a"), trusting(made)) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200" in sock.recv(100)
    assert [(True, None)] == [(line["aborted"], line["done_ns"]) for line in simulator.stop()]


def test_clients_without_a_certificate_are_shut_out_where_one_is_demanded(start: Any, made: Authority) -> None:
    """With one they are served; without, they get an alert and no answer."""
    simulator = serving(start, made, demand=True, filler_tokens=3)
    with dial(simulator.port("a"), trusting(made, shown=True)) as sock:
        assert b"[DONE]" in streamed(sock)[2]
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"), dial(simulator.port("a"), trusting(made)) as sock:
        sock.recv(1)
    assert 1 == len(simulator.stop())


def test_plain_http_is_hung_up_on(start: Any, made: Authority) -> None:
    """What is no TLS gets no answer, and the next client is served."""
    simulator = serving(start, made, filler_tokens=3)
    with socket.create_connection(("127.0.0.1", simulator.port("a")), timeout=10) as sock:
        sock.sendall(POST)
        assert b"HTTP" not in b"".join(iter(lambda: sock.recv(65536), b""))
    with dial(simulator.port("a"), trusting(made)) as sock:
        assert b"[DONE]" in streamed(sock)[2]
    assert 1 == len(simulator.stop())


@pytest.mark.parametrize("broken", ["missing", "no certificate", "client_ca"])
def test_bad_files_are_said(made: Authority, tmp_path: Path, broken: str) -> None:
    """The error names the key of the configuration and the file."""
    bad = tmp_path / "bad.pem"
    if broken != "missing":
        bad.write_text("no PEM")
    tls = Tls(made.tls.certificate, made.tls.key, str(bad)) if broken == "client_ca" else Tls(str(bad), made.tls.key)
    with pytest.raises(HarnessError, match="cannot be loaded") as refused:
        context(tls)
    assert ("tls.client_ca" if broken == "client_ca" else "tls.certificate") == refused.value.where
    assert str(bad) in str(refused.value)


def test_keys_are_their_owners_alone(made: Authority) -> None:
    """Neither key may be read by others."""
    assert [0o600] * 2 == [Path(key).stat().st_mode & 0o777 for key in (made.tls.key, made.client_key)]


def converse(made: Authority) -> tuple[bytes, bytes]:
    """(what the server heard, what the client heard), with the client's bytes handed over one by one; then a broken record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(made).wrap_bio(incoming, outgoing, server_hostname="localhost")
    session = Session(context(Tls(made.tls.certificate, made.tls.key)))

    def over() -> bytes:
        plain = b"".join(session.open(bytes([byte])) for byte in outgoing.read())
        incoming.write(session.seal(b""))
        return plain

    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    assert b"" == over()
    client.do_handshake()
    client.write(b"question")
    heard = over()
    incoming.write(session.seal(b"answer"))
    with pytest.raises(BrokenError):
        session.open(b"\x17\x03\x03\x00\x20" + bytes(32))
    return heard, client.read(100)


def test_a_session_takes_bytes_one_by_one_and_leaves_no_garbage(made: Authority) -> None:
    """Handshake and data cut anywhere give the same bytes, and a broken record is `BrokenError`; no reference cycle is left."""
    assert (b"question", b"answer") == converse(made)
    gc.collect()
    gc.disable()
    converse(made)
    found = gc.collect()
    gc.enable()
    assert 0 == found
