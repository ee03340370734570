"""Real requests outside any run: is anybody there, do they let us in, and what do they answer?"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing

from gevent.pool import Pool

from harness.errors import UnreachableError
from harness.loadgen import attempt
from harness.loadgen.attempt import Finished
from harness.loadgen.drain import Drain
from harness.loadgen.exchange import Exchange
from harness.loadgen.port import Port
from harness.loadgen.resolver import Resolver
from harness.loadgen.transport import Transport
from harness.records import AttemptStart, Call, Phase
from harness.wire.transcript import Transcript

_BASE = "base_url is the API's base as its SDK takes it (for OpenAI it ends in /v1)"
_KEY = "does api_key_env name the variable that holds this endpoint's key?"
_NO_API = frozenset({405, 501})  # RFC 9110: this place takes no POST
_REMEDIES = {
    "dns": "is the host name right?",
    "connect_refused": "is the server running, and the port right?",
    "connect_error": "is the host reachable from here?",
    "timeout_connect": "is a firewall or proxy between? deadlines.connect may be too short",
    "tls": "a private authority goes into tls.ca_file, a certificate that the server asks for into tls.client_cert",
    "conn_lost": "does HTTP live on this port? if it is TLS, base_url begins with https",
    "http_protocol": "does HTTP/1.1 live on this port?",
    "http_auth": _KEY,
    "http_payment": "the provider asks for payment",
    "http_forbidden": "does this key have access to this model?",
    "http_not_found": _BASE,
    "http_bad_request": "does the endpoint take these parameters and this model? `signoff probe` shows its answer",
    "http_unprocessable": "does the endpoint take these parameters? `signoff probe` shows its answer",
    "http_redirect": f"redirects are not followed: {_BASE}",
    "unexpected_content": f"that is no answer of this dialect: {_BASE}",
    "empty_body": f"an answer without a body: {_BASE}",
    "model_not_found": "is the model's name spelled as this endpoint spells it?",
    "quota_exhausted": "the quota of this key is used up",
}

_PROXY_REMEDIES = {
    "dns": "is the proxy's host name right?",
    "connect_refused": "is the proxy running, and its port right?",
    "connect_error": "does the proxy let you through to that host and port? proxy_auth_env names its user and password",
    "timeout_connect": "does the proxy reach that host? deadlines.connect may be too short",
}


def check(ports: Mapping[str, Port], call: Call) -> dict[str, Finished]:
    """Ask each endpoint once. Raises `UnreachableError` for what no load would mend; the run counts all other failures."""
    answers = {}
    with closing(Drain()) as drain:
        for name, port in ports.items():
            with Transport(drain, Resolver(), port.tls, port.proxy) as transport:
                answers[name] = _once(transport, port, call)
            end = answers[name].end
            remedy = _BASE if end.http_status in _NO_API else _remedy(port, end.kind)
            if remedy is not None:
                what = f"the first request ended in {end.kind}: {_one_line(end.error)}"
                raise UnreachableError(what, where=f"endpoints.{name} ({port.url})", remedy=remedy)
    return answers


def _remedy(port: Port, kind: str) -> str | None:
    return _PROXY_REMEDIES.get(kind, _REMEDIES.get(kind)) if port.proxy is not None else _REMEDIES.get(kind)


def _one_line(error: str | None) -> str:
    """What a server said must not steer the terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in error or "").split())


def ask(port: Port, call: Call, n: int, concurrency: int) -> Iterator[Finished]:
    """Ask one endpoint n times, so many at a time, outside any run; each attempt as it ends."""
    drain, resolver = Drain(), Resolver()
    free = [Transport(drain, resolver, port.tls, port.proxy) for _ in range(min(n, concurrency))]

    def one(number: int) -> Finished:
        transport = free.pop()
        try:
            return _once(transport, port, call, number)
        finally:
            free.append(transport)

    try:
        yield from Pool(len(free)).imap_unordered(one, range(n))
    finally:
        for transport in free:
            transport.close()
        drain.close()


def _once(transport: Transport, port: Port, call: Call, number: int = 0) -> Finished:
    """One attempt outside any run."""
    now_ns = time.monotonic_ns()
    start = AttemptStart(
        id=str(number),
        endpoint=port.name,
        level="1",
        phase=Phase.WARMUP,
        block=0,
        example=call.example,
        user=number,
        dispatched_ns=now_ns,
    )
    transcript = Transcript(port.asked.dialect)
    exchange = Exchange(transcript, port.deadlines, now_ns)
    transport.perform(port.request(call), exchange)
    return attempt.finish(start, exchange, transcript, port.asked, None)
