"""OpenAI chat completions, as OpenAI, vLLM, SGLang, LiteLLM, Ollama's /v1 and most others serve them.

Facts in one place: the role-only first chunk carries no token; usage comes in a last chunk without choices (or in every chunk:
the last one counts); prompt_tokens includes cached tokens, completion_tokens includes reasoning; `[DONE]` may be missing.
"""

import json
from typing import Annotated, Any, Literal

import msgspec

from harness.records import Call, Target, Usage, WireRequest
from harness.wire import reading
from harness.wire.reading import HttpError, ProviderError, Reading

FRAMING = "sse"
QUOTED_BYTES = 4096
SHORTEST_JSON = 32  # bytes of an event: below this one it may be the end marker, with blanks around it
PARAMETERS = "any of the API's body fields: temperature, max_tokens, top_p, seed, response_format, ..."

_FINISH = {
    "stop": reading.STOP,
    "length": reading.LENGTH,
    "tool_calls": reading.TOOL_CALLS,
    "function_call": reading.TOOL_CALLS,
    "content_filter": reading.CONTENT_FILTER,
}
_CODES = {
    "context_length_exceeded": "context_length",
    "content_filter": "blocked_input",
    "content_policy_violation": "blocked_input",
    "insufficient_quota": "quota_exhausted",
    "billing_hard_limit_reached": "quota_exhausted",
    "model_not_found": "model_not_found",
}


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: Any = None
    cache_write_tokens: Any = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Any = None


class _Usage(msgspec.Struct, gc=False):
    """Counts are typed loosely: a count that is no whole number is the usage's fault, not the answer's."""

    prompt_tokens: Any = None
    completion_tokens: Any = None
    total_tokens: Any = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Chunk(msgspec.Struct, gc=False):
    """What every chunk is asked for. gc=False, here and above: one is made for each token, and none is part of a cycle."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: Any = None
    error: Any = None


class _Complaint(msgspec.Struct):
    """What an error may say, inside of `error` or beside it; decoded only where there are no choices."""

    error: Any = None
    object: Any = None
    message: Any = None
    code: Any = None


class _PlainDelta(msgspec.Struct, gc=False):
    content: Annotated[str, msgspec.Meta(min_length=1)]
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None
    refusal: Literal[""] | None = None
    tool_calls: None = None
    function_call: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    message: None = None
    finish_reason: Literal[""] | None = None
    index: Literal[0] = 0


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk that is a piece of visible text and nothing else: its decoder checks what `read` would look at."""

    choices: tuple[_PlainChoice]
    model: str | None = None
    usage: None = None
    error: None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_plain = msgspec.json.Decoder(list[_PlainChunk]).decode
_decode_complaint = msgspec.json.Decoder(_Complaint).decode
_NOTHING = _Delta()


def request(call: Call, target: Target, key: str | None) -> WireRequest:
    """The POST for one call. Laid over the body, in this order: `parameters`, the length that the load gives, `extra_body`."""
    body: dict[str, Any] = {
        "model": target.model,
        "messages": [{"role": message.role, "content": message.content} for message in call.messages],
    }
    if target.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= dict(target.parameters)
    if call.max_tokens is not None:
        body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"] = call.max_tokens
    body |= dict(target.extra_body)
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if target.stream else "application/json",
        "accept-encoding": "identity",
    }
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    headers |= {name.lower(): value for name, value in target.headers.items()}
    url = target.base_url.rstrip("/") + "/chat/completions"
    return WireRequest(method="POST", url=url, headers=tuple(headers.items()), body=msgspec.json.encode(body))


def read(name: bytes, data: bytes) -> Reading:
    """One event of the stream. Hot, and straight for the chunk that has one choice with a piece of text."""
    try:
        chunk = _decode(data)
    except msgspec.DecodeError:
        if len(data) < SHORTEST_JSON and data.strip() == b"[DONE]":
            return Reading(end=True)
        chunk = _chunk(data)
    if chunk.error or name == b"error" or (chunk.choices is None and _complaint(data).object == "error"):
        return Reading(error=_provider_error(_complaint(data)))
    return _reading(chunk)


def plain(events: bytes) -> tuple[list[str], str | None] | None:
    """The texts of these events and the model they name, by one decode; None if one of them is anything but visible text."""
    try:
        chunks = _decode_plain(b"[%b]" % events)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    model = next((chunk.model for chunk in reversed(chunks) if chunk.model is not None), None)
    return [chunk.choices[0].delta.content for chunk in chunks], model


def read_whole(body: bytes) -> Reading:
    """A response that is one JSON document."""
    chunk = _chunk(body)
    if chunk.error or (chunk.choices is None and _complaint(body).object == "error"):
        return Reading(error=_provider_error(_complaint(body)))
    if chunk.choices is None:
        raise msgspec.ValidationError("neither `choices` nor `error` in the body")
    answer = _reading(chunk)
    answer.end = True
    return answer


def read_error(body: bytes) -> HttpError:
    """The words and code of an error status; `kind` only where OpenAI's code says more than the status does."""
    try:
        problem = _provider_error(_complaint(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = ProviderError("")
    if not problem.message:  # another server's shape, such as FastAPI's `detail`: its own words are the best there is
        return HttpError(message=body[:QUOTED_BYTES].decode("utf-8", "replace"), code=problem.code)
    kind = _CODES.get(problem.code or "")
    if kind is None and "maximum context length" in problem.message:  # vLLM and others have no code for it
        kind = "context_length"
    return HttpError(message=problem.message, code=problem.code, kind=kind)


def _chunk(data: bytes) -> _Chunk:
    """One typed decode. What msgspec refuses, lone surrogates and NaN above all, gets a second, slower look."""
    try:
        return _decode(data)
    except msgspec.DecodeError:
        return msgspec.convert(_lenient(data), _Chunk)


def _complaint(data: bytes) -> _Complaint:
    try:
        return _decode_complaint(data)
    except msgspec.DecodeError:
        return msgspec.convert(_lenient(data), _Complaint)


def _lenient(data: bytes) -> Any:
    try:
        return json.loads(data)
    except json.JSONDecodeError as broken:
        raise msgspec.DecodeError(str(broken)) from broken


def _reading(chunk: _Chunk) -> Reading:
    answer = Reading()
    if isinstance(chunk.model, str):
        answer.model = chunk.model
    if chunk.usage is not None:
        answer.usage = _usage(chunk.usage)
    choices = chunk.choices
    choice = choices[0] if choices and choices[0].index == 0 else _first(choices)
    if choice is None:
        return answer
    delta = choice.delta or choice.message or _NOTHING
    if delta.content:
        answer.content = delta.content if isinstance(delta.content, str) else _joined(delta.content)
    if choice.finish_reason:  # some gateways send "" where null is meant
        answer.finish = _FINISH.get(choice.finish_reason, choice.finish_reason)
    if delta.reasoning_content or delta.reasoning:
        answer.reasoning = delta.reasoning_content or delta.reasoning or ""
    if delta.refusal:
        answer.refusal = delta.refusal
    if delta.tool_calls or delta.function_call:
        answer.tool = msgspec.json.encode(delta.tool_calls or delta.function_call).decode()
    return answer


def _first(choices: list[_Choice] | None) -> _Choice | None:
    """The choice that is the answer; None where a chunk has none, or only further ones of n > 1."""
    return next((each for each in choices or () if each.index == 0), None)


def _joined(parts: list[Any]) -> str:
    """Mistral and some gateways send content as a list of parts."""
    texts = (part.get("text", "") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _usage(usage: _Usage) -> Usage:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=_count(usage.prompt_tokens),
        cached_read_tokens=_count(prompt.cached_tokens) if prompt else None,
        cache_write_tokens=_count(prompt.cache_write_tokens) if prompt else None,
        output_tokens=_count(usage.completion_tokens),
        reasoning_tokens=_count(completion.reasoning_tokens) if completion else None,
        total_tokens=_count(usage.total_tokens),
    )


def _count(value: Any) -> int | None:
    """A whole number, also when it is written as 5.0; -1 (no count at all, and flagged) for anything else that is not null."""
    if value is None or type(value) is int:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else -1


def _provider_error(said: _Complaint) -> ProviderError:
    error = said.error
    if isinstance(error, str):
        return ProviderError(error, None if said.code is None else str(said.code))
    fields = error if isinstance(error, dict) else {"message": said.message, "code": said.code}
    code = fields.get("code") or fields.get("type")
    message = fields.get("message")
    words = message if isinstance(message, str) else "" if error is None else msgspec.json.encode(error).decode()
    return ProviderError(words, None if code is None else str(code))
