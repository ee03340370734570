"""One real request to each endpoint before any load: is anybody there, and do they let us in?"""

import time
from collections.abc import Mapping

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
            answers[name] = once(transport, port, call)
        end = answers[name].end
        if end.kind in _REMEDIES:
            what = f"endpoint {name!r} answers the first request with {end.kind}: {end.error}"
            raise UnreachableError(what, where=f"endpoints.{name} ({port.url})", remedy=_REMEDIES[end.kind])
    return answers


def once(transport: Transport, port: Port, call: Call, number: int = 0) -> Finished:
    """One attempt outside any run: what `probe` prints."""
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
