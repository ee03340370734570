"""OpenAI chat completions, as OpenAI streams them: role-only first chunk, a chunk for each token, finish, usage, `[DONE]`.

The usage chunk (no choices) comes only when `stream_options.include_usage` asks; then every other chunk has `usage: null`.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from harness.records import Message
from harness.simulator.answer import Answer, Ask, RefusedError
from harness.simulator.http1 import Request
from harness.simulator.plan import Script

PATH = re.compile(r"/v1/chat/completions")

_ERROR_TYPES = {429: "requests", 500: "server_error"}
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last two: no UTF-8, nested too deep
_encode = msgspec.json.Encoder().encode

_Limit = Annotated[int, msgspec.Meta(ge=1)] | None


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    model: str
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Limit = None
    max_completion_tokens: _Limit = None


_decode = msgspec.json.Decoder(_Body).decode


def key(request: Request) -> str | None:
    """The API key that the request brings."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def read(request: Request) -> Ask:
    """What is asked. Raises `RefusedError` (400) for a body that this API would not take."""
    try:
        body = _decode(request.body)
    except _UNREADABLE as problem:
        raise RefusedError(400, str(problem)) from problem
    return Ask(
        model=body.model,
        messages=tuple(Message(role=message.role, content=_text(message.content)) for message in body.messages),
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and body.stream_options.include_usage,
        max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
    )


def error(status: int, message: str, code: str | None = None) -> bytes:
    """Body of an error status."""
    kind = _ERROR_TYPES.get(status, "invalid_request_error")
    return _encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def resource(path: str, model: str) -> bytes | None:
    """Body of a GET that this API answers: its list of models, or the one."""
    one = {"id": model, "object": "model", "created": 0, "owned_by": "signoff"}
    if path == f"/v1/models/{model}":
        return _encode(one)
    return _encode({"object": "list", "data": [one]}) if path == "/v1/models" else None


def stream(ask: Ask, answer: Answer, id_: str, created_s: int) -> Script:
    """The answer as server-sent events. What its token chunks have in common is encoded once."""
    common = {"id": f"chatcmpl-{id_}", "object": "chat.completion.chunk", "created": created_s, "model": ask.model}
    nulls = {"usage": None} if ask.include_usage else {}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        return _event({**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **nulls})

    usage = _event({**common, "choices": [], "usage": _usage(answer)}) if ask.include_usage else b""
    return Script(
        content_type="text/event-stream; charset=utf-8",
        opening=chunk({"role": "assistant", "content": ""}),
        reasoning=_spelling(chunk({"reasoning_content": ""})),
        content=_spelling(chunk({"content": ""})),
        closing=chunk({}, answer.finish) + usage + b"data: [DONE]\n\n",
    )


def document(ask: Ask, answer: Answer, id_: str, created_s: int) -> bytes:
    """The answer as one JSON body."""
    message = {"role": "assistant", "content": "".join(answer.content), "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    choice = {"index": 0, "message": message, "finish_reason": answer.finish}
    head = {"id": f"chatcmpl-{id_}", "object": "chat.completion", "created": created_s, "model": ask.model}
    return _encode({**head, "choices": [choice], "usage": _usage(answer)})


def _event(fields: dict[str, Any]) -> bytes:
    return b"data: " + _encode(fields) + b"\n\n"


def _spelling(empty: bytes) -> Callable[[str], bytes]:
    """Puts a text in the place of the last empty string of an encoded event."""
    before, _, after = empty.rpartition(b'""')
    return lambda text: before + _encode(text) + after


def _usage(answer: Answer) -> dict[str, Any]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
    }


def _text(content: str | list[_Part] | None) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content or ())
