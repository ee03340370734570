"""Real requests outside any run: is anybody there, do they let us in, and what do they answer?"""

import time
from collections.abc import Iterator, Mapping

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

_REMEDIES = {
    "dns": "is the host name right?",
    "connect_refused": "is the server running, and the port right?",
    "connect_error": "is the host reachable from here?",
    "timeout_connect": "is a firewall or proxy between? deadlines.connect may be too short",
    "tls": "a private authority goes into tls.ca_file",
    "http_auth": "is the key in this variable the right one for this endpoint?",
    "http_payment": "the provider asks for payment",
    "http_forbidden": "does this key have access to this model?",
    "http_not_found": "base_url is the API's base as its SDK takes it (for OpenAI it ends in /v1)",
    "model_not_found": "is the model's name spelled as this endpoint spells it?",
    "quota_exhausted": "the quota of this key is used up",
}


def check(ports: Mapping[str, Port], call: Call) -> dict[str, Finished]:
    """Ask each endpoint once. Raises `UnreachableError` for what no load would mend; the run counts all other failures."""
    drain, resolver = Drain(), Resolver()
    answers = {}
    for name, port in ports.items():
        with Transport(drain, resolver, port.tls) as transport:
            answers[name] = _once(transport, port, call)
        end = answers[name].end
        if end.kind in _REMEDIES:
            what = f"endpoint {name!r} answers the first request with {end.kind}: {end.error}"
            raise UnreachableError(what, where=f"endpoints.{name} ({port.url})", remedy=_REMEDIES[end.kind])
    return answers


def ask(port: Port, call: Call, n: int, concurrency: int) -> Iterator[Finished]:
    """Ask one endpoint n times, so many at a time, outside any run; each attempt as it ends."""
    drain, resolver = Drain(), Resolver()
    free = [Transport(drain, resolver, port.tls) for _ in range(min(n, concurrency))]

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
