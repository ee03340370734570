"""The completion state machine: what one attempt came to, from how the wire ended and what the transcript holds.

Success = transport complete AND terminal marker AND allowed finish reason AND non-empty output. Every attempt gets exactly one
kind; everything that is odd but does not decide is a flag. Pure, so that a recording classifies as the live attempt did.
"""

from typing import NamedTuple

from harness.records import Ending, Usage
from harness.wire.reading import ALLOWED_FINISH, CONTENT_FILTER, LENGTH, REFUSAL, TOOL_CALLS, Dialect
from harness.wire.transcript import Transcript

OK = "ok"

# Endings that say it all: nothing in the transcript can change them.
_BY_ENDING = {
    Ending.DNS: "dns",
    Ending.REFUSED: "connect_refused",
    Ending.TLS: "tls",
    Ending.CONNECT: "connect_error",
    Ending.PROXY: "connect_error",
    Ending.NO_RESPONSE: "conn_lost",
    Ending.PROTOCOL: "http_protocol",
    Ending.OVERSIZE: "oversize",
    Ending.TIMEOUT_CONNECT: "timeout_connect",
    Ending.TIMEOUT_HEADERS: "timeout_headers",
    Ending.TIMEOUT_FIRST_TOKEN: "timeout_first_token",
    Ending.TIMEOUT_IDLE: "timeout_idle",
    Ending.TIMEOUT_TOTAL: "timeout_total",
    Ending.CANCELLED: "cancelled",
    Ending.UNSENT: "dropped",
}

_BY_STATUS = {
    401: "http_auth",
    402: "http_payment",
    403: "http_forbidden",
    404: "http_not_found",
    408: "http_request_timeout",
    409: "http_conflict",
    413: "http_too_large",
    422: "http_unprocessable",
    424: "http_failed_dependency",
    429: "http_rate_limited",
    500: "http_server_error",
    502: "http_bad_gateway",
    503: "http_unavailable",
    504: "http_gateway_timeout",
    529: "http_overloaded",
}

_WORDS = {
    Ending.EOF: "the connection was closed inside the response",
    Ending.RESET: "the connection was reset inside the response",
}


class Outcome(NamedTuple):
    kind: str
    flags: tuple[str, ...] = ()
    error: str | None = None
    code: str | None = None


def classify(
    ending: Ending,
    status: int | None,
    transcript: Transcript,
    dialect: Dialect,
    *,
    asked_stream: bool,
    asked_model: str | None = None,
    detail: str | None = None,
) -> Outcome:
    """The one kind of this attempt. `detail` is the transport's own words for an ending that is not `complete`."""
    if status is not None and status >= 300 and ending not in (Ending.CANCELLED, Ending.PROXY):
        return _by_status(status, transcript, dialect)  # what it said with its status, however the body ended
    if ending in _BY_ENDING:
        return Outcome(_BY_ENDING[ending], error=detail)
    assert status is not None, "every other ending comes after a status line"
    said = _failure(ending, status, transcript, detail)
    flags = _flags(transcript, asked_stream=asked_stream, asked_model=asked_model)
    return said._replace(flags=flags)


def status_kind(status: int) -> str:
    """The kind of a status that no code explains further."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        return "http_redirect"
    return "http_bad_request" if status < 500 else "http_5xx"


def _by_status(status: int, transcript: Transcript, dialect: Dialect) -> Outcome:
    problem = dialect.read_error(transcript.document)
    kind = problem.kind if problem.kind is not None and status < 500 else status_kind(status)
    words = f"HTTP {status}: {problem.message}"
    return Outcome(kind, error=words, code=problem.code)


def _failure(ending: Ending, status: int, transcript: Transcript, detail: str | None) -> Outcome:
    """The first thing that forbids success, what the provider says itself before what we noticed; else OK."""
    for check in (_said_error, _broke, _cut):
        found = check(ending, transcript, detail)
        if found is not None:
            return found
    if transcript.body_bytes == 0:
        return Outcome("empty_body", error=f"HTTP {status} without a body")
    if transcript.events == 0:
        return Outcome("unexpected_content", error=transcript.document[:200].decode("utf-8", "replace"))
    return _by_finish(transcript)


def _said_error(_: Ending, transcript: Transcript, __: str | None) -> Outcome | None:
    if transcript.error is None:
        return None
    return Outcome("stream_error", error=transcript.error.message, code=transcript.error.code)


def _broke(_: Ending, transcript: Transcript, __: str | None) -> Outcome | None:
    if transcript.oversize is not None:
        return Outcome("oversize", error=transcript.oversize)
    return None


def _cut(ending: Ending, transcript: Transcript, detail: str | None) -> Outcome | None:
    if ending is Ending.EOF:  # cut JSON at the very end is the cut, not a malformed event
        return Outcome("stream_truncated", error=detail or _WORDS[ending])
    if ending is Ending.RESET:
        return Outcome("stream_reset", error=detail or _WORDS[ending])
    if transcript.malformed is not None:
        return Outcome("malformed_event", error=transcript.malformed)
    if transcript.cut is not None:
        return Outcome("stream_truncated", error=transcript.cut)
    return None


def _by_finish(transcript: Transcript) -> Outcome:
    finish = transcript.finish
    if transcript.refusal or finish == REFUSAL:
        return Outcome("refused")
    if finish is None:
        return Outcome("stream_truncated", error="the response ended without a finish reason")
    if finish == CONTENT_FILTER:
        return Outcome("blocked_output")
    if finish not in ALLOWED_FINISH:
        return Outcome("stream_error", error=f"finish reason {finish!r} is none of this dialect's", code=finish)
    if not transcript.chunks:
        return Outcome("empty_output")
    return Outcome(OK)


def _flags(transcript: Transcript, *, asked_stream: bool, asked_model: str | None) -> tuple[str, ...]:
    usage, model, stamps = transcript.usage, transcript.model, transcript.stamps_ns
    together = len(stamps) > 1 and stamps[0] == stamps[1]
    held = {
        "length": transcript.finish == LENGTH,
        "tool_calls": transcript.finish == TOOL_CALLS,
        "no_usage": usage is None or usage.output_tokens is None,
        "bad_usage": usage is not None and _is_bad(usage),
        "usage_conflict": transcript.usages_differ,
        "not_streamed": asked_stream and transcript.whole,
        "buffered": together and stamps[0] == stamps[-1],
        "model_mismatch": None not in (asked_model, model) and str(asked_model).lower() not in str(model).lower(),
        "ttft_bound": together and stamps[0] != stamps[-1],
    }
    return tuple(flag for flag, holds in held.items() if holds)


def _is_bad(usage: Usage) -> bool:
    """A negative count, or a sum that does not add up."""
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_read_tokens, usage.reasoning_tokens, usage.total_tokens)
    if any(count is not None and count < 0 for count in counts):
        return True
    if usage.input_tokens is None or usage.output_tokens is None or usage.total_tokens is None:
        return False
    return usage.total_tokens != usage.input_tokens + usage.output_tokens
