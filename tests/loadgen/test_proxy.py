"""The way through a proxy that the scenario names: tunnels, plain requests, and all that a proxy can do instead."""

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme
from asking import ask, server_tls
from scripted import END, HEAD, Peer, chunk, serving
from small_proxy import REFUSED, proxying

from harness.credentials import Secrets
from harness.errors import UnreachableError
from harness.loadgen import preflight
from harness.loadgen.drain import Drain
from harness.loadgen.port import Port
from harness.loadgen.proxy import Proxy, Tunnel
from harness.loadgen.resolver import Resolver
from harness.loadgen.tls import context
from harness.loadgen.transport import Transport
from harness.records import Call, Ending, Message
from harness.scenario import Endpoint, Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
MS = 1_000_000
USER = "me:CANARY: x"


def answering(peer: Peer) -> None:
    while True:
        peer.request()
        peer.send(HEAD + chunk(b"data: x\n\n"))
        time.sleep(0.02)
        peer.send(chunk(b"data: y\n\n") + END)


def way(drain: Drain, proxy: str, user: str | None = None, authority: Path | None = None) -> Transport:
    return Transport(drain, Resolver(), context(Tls(ca_file=authority)), Proxy.at(proxy, user))


@pytest.mark.parametrize("user", [None, USER])
def test_tls_goes_through_a_tunnel(drain: Drain, authority: tuple[trustme.CA, Path], user: str | None) -> None:
    """CONNECT, then TLS with the real server inside: timed apart, kernel-stamped, reused, and the proxy sees one request."""
    ca, file = authority
    with serving(answering, server_tls(ca, "127.0.0.1")) as (port, peers), proxying(user) as (url, proxy):
        with way(drain, url, user, file) as transport:
            first, second = (ask(transport, port, scheme="https") for _ in range(2))
        lag = first.sink.last_token_ns - peers[0].sent_ns[1]
    assert (Ending.COMPLETE, Ending.COMPLETE, True) == (first.ending, second.ending, second.reused)
    assert [b"CONNECT 127.0.0.1:%d HTTP/1.1" % port] == [head.split(b"\r\n")[0] for head in proxy.heads]
    assert min(first.dns_ns, first.connect_ns, first.proxy_ns, first.tls_ns) > 0
    assert (None, None, None) == (second.connect_ns, second.proxy_ns, second.tls_ns)
    assert (0, 0) == (first.unstamped, second.unstamped)
    assert 0 < lag < 20 * MS


@pytest.mark.parametrize("user", [None, USER])
def test_plain_http_is_asked_of_the_proxy(drain: Drain, user: str | None) -> None:
    """The request line has the whole address, each request the credentials, and the origin sees none of them."""
    seen: list[bytes] = []

    def script(peer: Peer) -> None:
        seen.append(peer.request())
        peer.send(HEAD + chunk(b"data: x\n\n") + END)

    with serving(script) as (port, _), proxying(user) as (url, proxy), way(drain, url, user) as transport:
        exchange = ask(transport, port)
    assert (Ending.COMPLETE, None) == (exchange.ending, exchange.proxy_ns)
    lines = proxy.heads[0].split(b"\r\n")
    assert b"POST http://127.0.0.1:%d/v1 HTTP/1.1" % port == lines[0]
    assert b"Host: 127.0.0.1:%d" % port in lines
    assert (user is not None) == (b"Proxy-Authorization: Basic bWU6Q0FOQVJZOiB4" in lines)
    assert b"POST /v1 HTTP/1.1" == seen[0].split(b"\r\n")[0]
    assert b"uthorization" not in seen[0]


def saying(data: bytes, *, then_close: bool = False) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        peer.socket.sendall(data)
        if not then_close:
            time.sleep(2)

    return script


def dripping(peer: Peer) -> None:
    peer.request()
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
        peer.socket.sendall(bytes([byte]))
        time.sleep(0.02)


def hanging_up(peer: Peer) -> None:
    peer.request()
    peer.reset()


OBSTACLES = {
    "wants a password": (saying(REFUSED), Ending.PROXY, "asks for a user and a password (HTTP 407): name the variable"),
    "bad gateway": (
        saying(b"HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n"),
        Ending.PROXY,
        "answered CONNECT far.test:443 with HTTP 502 Bad Gateway",
    ),
    "unknown status": (saying(b"HTTP/1.1 599 x\r\n\r\n"), Ending.PROXY, "with HTTP 599"),
    "redirect": (saying(b"HTTP/1.1 302 x\r\nLocation: /login\r\n\r\n"), Ending.PROXY, "with HTTP 302 Found"),
    "garbage": (saying(b"SSH-2.0-x\r\n"), Ending.PROXY, "did not answer CONNECT far.test:443 in HTTP/1.1"),
    "closes": (saying(b"", then_close=True), Ending.PROXY, "closed the connection instead of answering CONNECT far.test:443"),
    "closes inside": (saying(b"HTTP/1.1 200 OK\r\n", then_close=True), Ending.PROXY, "closed the connection instead of"),
    "resets": (hanging_up, Ending.PROXY, "closed the connection instead of answering"),
    "flood of headers": (
        saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000),
        Ending.PROXY,
        "in HTTP/1.1: headers are larger than 65536 bytes",
    ),
    "more than an answer": (saying(b"HTTP/1.1 200 OK\r\n\r\nhello"), Ending.PROXY, "sent more than its answer"),
    "stalls": (saying(b""), Ending.TIMEOUT_CONNECT, "to answer CONNECT far.test:443"),
    "drips": (dripping, Ending.TIMEOUT_CONNECT, "to answer CONNECT far.test:443"),
    "opens and stalls": (saying(b"HTTP/1.1 200 OK\r\n\r\n"), Ending.TIMEOUT_CONNECT, "the TLS handshake with far.test"),
}


@pytest.mark.parametrize(("script", "ending", "words"), OBSTACLES.values(), ids=OBSTACLES.keys())
def test_every_obstacle_has_its_verdict_in_time(
    drain: Drain, script: Callable[[Peer], None], ending: Ending, words: str
) -> None:
    """A proxy that will not, cannot or does nothing ends the attempt within the connect deadline, in words that name it."""
    with serving(script) as (port, peers), way(drain, f"http://127.0.0.1:{port}") as transport:
        began = time.monotonic_ns()
        exchange = ask(transport, 443, scheme="https", host="far.test", connect=0.3)
    assert ending is exchange.ending
    assert f"the proxy http://127.0.0.1:{port}" in exchange.detail
    assert words in exchange.detail
    assert (exchange.done_ns - began) / 1e9 < 0.6
    assert exchange.sent_ns is None
    assert 1 == len(peers)


def test_a_wrong_password_is_told_without_it(drain: Drain) -> None:
    """The words say that the credentials will not do, and hold none of them, in a tunnel as in plain http."""
    with proxying("me:other") as (url, _), way(drain, url, USER) as transport:
        tunnel = ask(transport, 443, scheme="https", host="far.test")
        plain = ask(transport, 80, host="far.test")
    words = f"the proxy {url} asks for a user and a password (HTTP 407): it does not take those in proxy_auth_env's variable"
    assert (Ending.PROXY, words) == (tunnel.ending, tunnel.detail)
    assert (Ending.PROXY, words, 407) == (plain.ending, plain.detail, plain.parser.status)


def test_a_proxy_that_is_not_there_is_named(drain: Drain) -> None:
    """Its closed port and its unknown name are told as its own, and the name behind it is never looked up."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with way(drain, f"http://127.0.0.1:{port}") as transport:
        refused = ask(transport, 443, scheme="https", host="no-such-host.invalid")
    with way(drain, "http://no-such-proxy.invalid:3128") as transport:
        unknown = ask(transport, 443, scheme="https")
    assert (Ending.REFUSED, Ending.DNS) == (refused.ending, unknown.ending)
    assert f"the proxy http://127.0.0.1:{port}: 127.0.0.1 port {port}: Connection refused" == refused.detail
    assert unknown.detail.startswith("the proxy http://no-such-proxy.invalid:3128: no-such-proxy.invalid: ")


def test_a_certificate_behind_the_proxy_is_still_checked(drain: Drain, authority: tuple[trustme.CA, Path]) -> None:
    """A proxy that answers in the server's place with a certificate of its own is found, and the words name it."""
    ca, _ = authority
    with serving(answering, server_tls(ca, "127.0.0.1")) as (port, _), proxying() as (url, _), way(drain, url) as transport:
        exchange = ask(transport, port, scheme="https")
    assert Ending.TLS is exchange.ending
    assert f"the proxy {url}: " in exchange.detail
    assert "certificate verify failed" in exchange.detail


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_answer_may_come_in_pieces(size: int) -> None:
    """However the proxy's answer is cut, informational ones included, the tunnel opens with its last byte and not before."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: x\r\n\r\n"
    tunnel = Tunnel(Proxy.at("http://p:1", None), "h", 443)
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    assert [False] * (len(pieces) - 1) + [True] == [tunnel.feed(piece, 1) for piece in pieces]


def test_an_ipv6_address_is_bracketed(drain: Drain) -> None:
    """Of the origin in CONNECT and in the address of a plain request, and of the proxy itself."""
    with proxying("a:b") as (url, proxy), way(drain, url) as transport:
        ask(transport, 8443, scheme="https", host="2001:db8::1")
        ask(transport, 8080, host="2001:db8::1")
    assert [b"CONNECT [2001:db8::1]:8443 HTTP/1.1", b"POST http://[2001:db8::1]:8080/v1 HTTP/1.1"] == [
        head.split(b"\r\n")[0] for head in proxy.heads
    ]
    assert ("::1", 3128) == (Proxy.at("http://[::1]:3128", None).host, Proxy.at("http://[::1]:3128", None).port)


def test_the_environment_is_not_asked(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment, whatever its name, is used: the scenario names one, or there is none."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(answering) as (port, _):
        assert Ending.COMPLETE is ask(transport, port).ending


def test_httpx_raises_its_own_error(drain: Drain) -> None:
    """Who uses the transport under httpx.Client gets httpx.ProxyError."""
    with proxying(USER) as (url, _), way(drain, url) as transport:
        client = httpx.Client(transport=transport)
        for scheme in ("http", "https"):
            with pytest.raises(httpx.ProxyError, match="asks for a user and a password"):
                client.get(f"{scheme}://far.test/")


@pytest.mark.parametrize(
    ("secrets", "base_url", "told"),
    [
        (Secrets(), "https://far.test/v1", "connect_error: the proxy {} asks for a user and a password (HTTP 407): name the"),
        (Secrets(proxy_auth="me:CANARY"), "https://far.test/v1", "it does not take those in proxy_auth_env's variable\n"),
        (Secrets(proxy_auth=USER), "https://127.0.0.1:1/v1", "connect_error: the proxy {} closed the connection instead"),
        (Secrets(proxy_auth="me:CANARY"), "http://127.0.0.1:1/v1", "it does not take those in proxy_auth_env's variable\n"),
    ],
    ids=["no password", "wrong password", "unknown host", "plain http"],
)
def test_a_run_does_not_begin_behind_a_closed_proxy(secrets: Secrets, base_url: str, told: str) -> None:
    """Preflight names the endpoint, what the proxy said and what to do, without a secret."""
    with proxying(USER) as (url, _):
        config = Endpoint.model_validate({"model": "m", "base_url": base_url, "proxy": url, "proxy_auth_env": "P"})
        with pytest.raises(UnreachableError) as caught:
            preflight.check({"far": Port("far", config, base_url, secrets)}, Call("e", (Message("user", "x"),)))
    assert f"endpoints.far ({base_url}): the first request ended in connect_error: the proxy {url}" in str(caught.value)
    assert told.format(url) in str(caught.value)
    assert "does the proxy let you through to that host and port?" in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_proxy_keeps_its_secrets() -> None:
    """Neither user nor password, nor what is sent of them, is in what a traceback or a log would show."""
    proxy = Proxy.at("http://p.test:1", USER)
    assert ("me:CANARY: x", "bWU6Q0FOQVJZOiB4") == proxy.secrets
    assert "Proxy(url='http://p.test:1', host='p.test', port=1)" == repr(proxy)
