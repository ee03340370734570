"""What one candidate replies to a request: an answer in the dialect that the path names, a resource, or an error.

Every request for an answer counts, has the draws of its number, and leaves one line of truth, whatever its status.
"""

import functools
import importlib
import pkgutil
import time
from collections.abc import Callable, Mapping
from types import ModuleType

from harness.simulator import dialects, http1, plan, pressure
from harness.simulator.answer import NOTHING, Answer, Ask, RefusedError, compose
from harness.simulator.candidate import Candidate, Draws
from harness.simulator.config import Config
from harness.simulator.connection import Reply, unrecorded
from harness.simulator.dialects import openai_chat
from harness.simulator.freeze import Freezes
from harness.simulator.http1 import Request
from harness.simulator.knowledge import Known
from harness.simulator.met import Met
from harness.simulator.plan import Pace, Piece
from harness.simulator.pressure import NONE, Terms
from harness.simulator.truth import Delivery, Sending, TruthFile

_FAILURES = {
    429: ("Rate limit reached: the simulator's error_rate drew this request.", "rate_limit_exceeded"),
    500: ("The server had an error: the simulator's error_rate drew this request.", None),
}


def spoken() -> list[ModuleType]:
    """Every dialect: a file in dialects/."""
    return [importlib.import_module(f"{dialects.__name__}.{found.name}") for found in pkgutil.iter_modules(dialects.__path__)]


class Service:
    """One candidate behind one port."""

    def __init__(
        self,
        candidate: Candidate,
        config: Config,
        knowledge: Mapping[str, Known],
        truth: TruthFile,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self._candidate, self._config, self._knowledge, self._truth, self._breathe = (
            candidate,
            config,
            knowledge,
            truth,
            breathe,
        )
        self._dialects = spoken()
        self._joined = candidate.itl.exact_ns == 0 and candidate.service is None
        self._pressure = pressure.under(candidate, breathe)
        self._freezes = None if candidate.freeze is None else Freezes(candidate.freeze)
        self._met = Met()
        self._n = 0
        Draws(candidate, config.seed, 0).gaps_ns(1)  # makes its tables now, not when the first request waits for them

    def reply(self, request: Request) -> Reply:
        reply = self._played(request)
        return reply if self._freezes is None else reply._replace(pieces=self._freezes.held(reply.pieces))

    def _played(self, request: Request) -> Reply:
        for dialect in self._dialects:
            if request.method == "POST" and dialect.PATH.fullmatch(request.path):
                return self._answer(dialect, request)
        try:
            return _at_once(request, http1.document(request, 200, self._resource(request)), unrecorded)
        except RefusedError as refused:
            return _refusal(openai_chat, request, refused, unrecorded)

    def _answer(self, dialect: ModuleType, request: Request) -> Reply:
        self._n += 1
        candidate, n = self._candidate, self._n
        draws = Draws(candidate, self._config.seed, n)
        if self._freezes is not None:
            self._freezes.begin(request.received_ns)
        try:
            ask, said = self._admit(dialect, request, draws)
            terms, pace = self._take(request, ask, said, draws)
        except RefusedError as refused:
            terms = NONE if self._pressure is None else self._pressure.state(request, refused.limit)
            ended = functools.partial(self._keep, request, n, refused.status, NOTHING, terms)
            return _refusal(dialect, request, refused, ended, terms.headers)
        if self._pressure is not None:
            said = self._pressure.cached(ask, said)
        id_, created_s, k = f"{candidate.name}-{n}", int(time.time()), candidate.tokens_per_chunk
        own = {"x-request-id": id_, **terms.headers}
        begun = request if terms.began_ns is None else request._replace(received_ns=terms.began_ns)
        if ask.stream:
            script = dialect.stream(ask, said, id_, created_s)
            pieces = plan.streamed(begun, own, script, said, pace, k, joined=self._joined)
        else:
            pieces = plan.whole(begun, own, dialect.document(ask, said, id_, created_s), said, pace, k)
        return Reply(pieces, request.keep_alive, functools.partial(self._keep, request, n, 200, said, terms))

    def _take(self, request: Request, ask: Ask, said: Answer, draws: Draws) -> tuple[Terms, Pace]:
        """On what terms it is answered, and how fast; or `RefusedError`."""
        return (NONE, draws) if self._pressure is None else self._pressure.take(request, ask, said, draws)

    def _admit(self, dialect: ModuleType, request: Request, draws: Draws) -> tuple[Ask, Answer]:
        """What is asked, and what is said to it; or `RefusedError`."""
        self._unlock(dialect, request)
        met = self._met.get(request)
        ask: Ask = dialect.read(request) if met is None else met[0]
        if ask.model != self._candidate.model:
            raise RefusedError(404, f"The model {ask.model!r} does not exist.", "model_not_found")
        if draws.status != 200:
            raise _failure(draws.status)
        if met is not None:
            return met
        self._breathe()
        config = self._config
        said = compose(ask, self._candidate, config.seed, self._knowledge, config.filler_tokens, self._breathe)
        self._met.keep(request, ask, said)
        return ask, said

    def _unlock(self, dialect: ModuleType, request: Request) -> None:
        wanted = self._candidate.api_key
        if wanted is not None and wanted != dialect.key(request):
            raise RefusedError(401, "Incorrect API key provided.", "invalid_api_key")

    def _resource(self, request: Request) -> bytes:
        """What is no answer but can be got. Raises `RefusedError`."""
        if request.problem is not None:
            raise RefusedError(*request.problem)
        if request.method not in {"GET", "HEAD"}:
            raise _unknown(request)
        if request.path == "/health":
            return b'{"status":"ok"}'
        for dialect in self._dialects:
            body: bytes | None = dialect.resource(request.path, self._candidate.model)
            if body is not None:
                self._unlock(dialect, request)
                return body
        raise _unknown(request)

    def _keep(self, request: Request, n: int, status: int, said: Answer, terms: Terms, sending: Sending) -> None:
        """One line of truth, when the reply has ended."""
        tokens = sum(sending.chunk_tokens)
        if self._pressure is not None:
            self._pressure.ended(_end_ns(sending), tokens)
        freezes = () if self._freezes is None else self._freezes.between(request.received_ns, _end_ns(sending))
        line = Delivery(
            candidate=self._candidate.name,
            n=n,
            status=status,
            aborted=sending.done_ns is None,
            example=said.example,
            right=said.right,
            finish=said.finish,
            prompt_tokens=said.prompt_tokens,
            cached_tokens=said.cached_tokens,
            completion_tokens=tokens,
            reasoning_tokens=min(tokens, len(said.reasoning)),
            received_ns=request.received_ns,
            sent_ns=sending.sent_ns,
            late_ns=sending.late_ns,
            chunk_tokens=sending.chunk_tokens,
            blocked=sending.blocked,
            done_ns=sending.done_ns,
            began_ns=terms.began_ns,
            service_ns=terms.service_ns,
            freezes=freezes,
            limits=terms.levels,
        )
        self._truth.add(line)


def _failure(status: int) -> RefusedError:
    return RefusedError(status, *_FAILURES[status], {"retry-after": "1"} if status == 429 else None)


def _unknown(request: Request) -> RefusedError:
    return RefusedError(404, f"Unknown request URL: {request.method} {request.path}.", "unknown_url")


def _at_once(request: Request, data: bytes, ended: Callable[[Sending], None]) -> Reply:
    return Reply(iter([Piece(request.received_ns, data, 0)]), request.keep_alive, ended)


def _refusal(
    dialect: ModuleType,
    request: Request,
    refused: RefusedError,
    ended: Callable[[Sending], None],
    own: Mapping[str, str] = {},
) -> Reply:
    body = dialect.error(refused.status, refused.message, refused.code)
    return _at_once(request, http1.document(request, refused.status, body, {**refused.headers, **own}), ended)


def _end_ns(sending: Sending) -> int:
    """When the reply ended; now, where its client has gone."""
    return time.monotonic_ns() if sending.done_ns is None else sending.done_ns
