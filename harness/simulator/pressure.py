"""How one candidate behaves under load: what it refuses, how long a request waits, what of its prompt is cached.

The rule: it reckons with the stamps of the requests, in the order in which they were read, so the truth can be reckoned again.
"""

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from harness.simulator import plan
from harness.simulator.answer import Answer, Ask
from harness.simulator.candidate import Candidate, Draws
from harness.simulator.http1 import Request
from harness.simulator.limits import Levels, Limiter
from harness.simulator.plan import Pace
from harness.simulator.prefix_cache import PrefixCache
from harness.simulator.servers import Servers
from harness.simulator.spread import Spread


class Terms(NamedTuple):
    """On what terms one request was taken or refused. `began_ns` and `service_ns` are None where neither is reckoned."""

    began_ns: int | None = None
    service_ns: int | None = None
    levels: Levels | None = None
    headers: Mapping[str, str] = {}


NONE = Terms()


class Pressure:
    """`under` makes one for a candidate that has any of it."""

    def __init__(self, candidate: Candidate, breathe: Callable[[], None]) -> None:
        self._candidate, self._breathe = candidate, breathe
        self._limiter = None if candidate.limits is None else Limiter(candidate.limits)
        self._servers = None if candidate.servers is None else Servers(candidate.servers)
        self._prefixes = PrefixCache() if candidate.prefix_cache else None

    def take(self, request: Request, ask: Ask, said: Answer, draws: Draws) -> tuple[Terms, Pace]:
        """Its terms and its pace. Raises `RefusedError` where a rate limit is reached."""
        if self._limiter is not None:
            reserved = said.completion_tokens if ask.max_tokens is None else ask.max_tokens
            self._limiter.admit(request.received_ns, said.prompt_tokens, reserved)
        began_ns, service_ns, pace = self._turn(request, said, draws)
        return self.state(request)._replace(began_ns=began_ns, service_ns=service_ns), pace

    def state(self, request: Request, refused_by: str | None = None) -> Terms:
        """The limits as they stand right after this request, whatever became of it."""
        if self._limiter is None:
            return NONE
        now_ns = request.received_ns
        return Terms(levels=self._limiter.levels(now_ns, refused_by), headers=self._limiter.headers(now_ns))

    def cached(self, ask: Ask, said: Answer) -> Answer:
        """The same answer, with as many cached tokens as there really are."""
        if self._prefixes is None:
            return said
        return msgspec.structs.replace(said, cached_tokens=self._prefixes.meet(ask.messages, self._breathe))

    def ended(self, now_ns: int, output_tokens: int) -> None:
        """A reply has ended, or its client has gone."""
        if self._limiter is not None:
            self._limiter.count(now_ns, output_tokens)

    def _turn(self, request: Request, said: Answer, draws: Draws) -> tuple[int | None, int | None, Pace]:
        """(service began, service time, pace)."""
        service = self._candidate.service
        later = plan.later(said, self._candidate.tokens_per_chunk)
        pace: Pace = draws
        if service is not None and draws.service_ns is not None:
            pace, service_ns = Spread(draws.service_ns, service.first_ratio, later), draws.service_ns
        elif self._servers is not None:
            service_ns = draws.ttft_ns + copy.copy(draws).gap_ns(later)  # a copy: the plan draws the same gaps again
        else:
            return None, None, pace
        began_ns = request.received_ns if self._servers is None else self._servers.admit(request.received_ns, service_ns)
        return began_ns, service_ns, pace


def under(candidate: Candidate, breathe: Callable[[], None]) -> Pressure | None:
    """None for a candidate that knows no load, so that it costs nothing."""
    told = (candidate.service, candidate.servers, candidate.limits)
    return Pressure(candidate, breathe) if candidate.prefix_cache or told != (None, None, None) else None
