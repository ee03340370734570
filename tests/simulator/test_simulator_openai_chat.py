"""OpenAI's chat completions as the simulator speaks them, read back by the harness's own reader and by plain JSON."""

import json
from typing import Any

import pytest

from harness.records import Message, Usage
from harness.simulator.answer import Answer, Ask, RefusedError
from harness.simulator.dialects import openai_chat
from harness.simulator.http1 import Request
from harness.wire.dialects import openai_chat as reader

ASK = Ask(model='a "quoted" model', messages=(Message("user", "Hi"),), stream=True)
SAID = Answer("e", True, ["hm", " well"], ['"Yes"', " é\n"], "stop", prompt_tokens=7, cached_tokens=3)


def post(body: Any, **headers: str) -> Request:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", "/v1/chat/completions", headers, data, received_ns=0, keep_alive=True)


def data(event: bytes) -> list[Any]:
    """The payloads of server-sent events, `[DONE]` as it is."""
    payloads = [part.removeprefix(b"data: ") for part in event.split(b"\n\n")[:-1]]
    return [part if part == b"[DONE]" else json.loads(part) for part in payloads]


def test_a_stream_is_role_tokens_finish_and_done() -> None:
    """The role comes without a token; no usage appears anywhere unless it was asked for."""
    script = openai_chat.stream(ASK, SAID, "a-1", 5)
    [role], [thought], [token] = data(script.opening), data(script.reasoning(" well")), data(script.content('"Yes"'))
    finish, done = data(script.closing)
    assert {"role": "assistant", "content": ""} == role["choices"][0]["delta"]
    assert {"reasoning_content": " well"} == thought["choices"][0]["delta"]
    assert {"content": '"Yes"'} == token["choices"][0]["delta"]
    assert ({}, "stop", b"[DONE]") == (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"], done)
    for chunk in (role, thought, token, finish):
        assert "usage" not in chunk
        fields = chunk["object"], chunk["id"], chunk["model"], chunk["created"]
        assert ("chat.completion.chunk", "chatcmpl-a-1", ASK.model, 5) == fields


def test_usage_comes_last_and_only_when_asked_for() -> None:
    """With include_usage every chunk has `usage: null`, and one more, without choices, has the numbers."""
    ask = Ask(model="m", messages=ASK.messages, stream=True, include_usage=True)
    script = openai_chat.stream(ask, SAID, "a-1", 5)
    finish, usage, done = data(script.closing)
    assert [None, None] == [data(script.opening)[0]["usage"], finish["usage"]]
    assert ([], b"[DONE]") == (usage["choices"], done)
    assert {
        "prompt_tokens": 7,
        "completion_tokens": 4,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    } == usage["usage"]


def test_our_own_reader_understands_the_document() -> None:
    """What the harness reads is what the simulator said."""
    reading = reader.read_whole(openai_chat.document(ASK, SAID, "a-1", 5))
    assert ('"Yes" é\n', "hm well", ASK.model) == (reading.content, reading.reasoning, reading.model)
    assert reading.usage == Usage(input_tokens=7, cached_read_tokens=3, output_tokens=4, reasoning_tokens=2, total_tokens=11)


def test_our_own_reader_understands_the_stream() -> None:
    """Event by event, and the text survives its spelling."""
    script = openai_chat.stream(ASK, SAID, "a-1", 5)
    events = [script.opening, *map(script.reasoning, SAID.reasoning), *map(script.content, SAID.content)]
    readings = [reader.read(b"", event.removeprefix(b"data: ").strip()) for event in events]
    assert ('"Yes" é\n', "hm well") == ("".join(r.content for r in readings), "".join(r.reasoning for r in readings))


def test_reading_a_request() -> None:
    """Text parts are joined, null content is empty, the newer limit wins, unknown fields are ignored."""
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "user", "content": "Hi", "name": "x"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "max_completion_tokens": 5,
        "temperature": 0,
    }
    messages = (Message("system", "Be brief."), Message("assistant", ""), Message("user", "Hi"))
    assert Ask("m", messages, stream=True, include_usage=True, max_tokens=5) == openai_chat.read(post(body))
    assert 9 == openai_chat.read(post(body | {"max_completion_tokens": None})).max_tokens


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"model": "\xff"}',
        b'{"x": ' + b"[" * 100_000,
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"model": "m"},
        {"model": "m", "messages": []},
        {"model": "m", "messages": [{"role": "user", "content": 5}]},
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 0},
    ],
)
def test_a_bad_body_is_refused(body: Any) -> None:
    """With 400, and a reason that our own reader reads."""
    with pytest.raises(RefusedError) as refused:
        openai_chat.read(post(body))
    assert 400 == refused.value.status
    assert str(refused.value) == reader.read_error(openai_chat.error(400, refused.value.message)).message


@pytest.mark.parametrize(("header", "key"), [("Bearer k 1", "k 1"), ("bearer k", "k"), ("Basic k", None), ("", None)])
def test_the_key_is_a_bearer_token(header: str, key: str | None) -> None:
    """Any other scheme brings no key."""
    assert key == openai_chat.key(post({}, authorization=header))


def test_models_are_listed() -> None:
    """The list, the one, and nothing else."""
    listed = json.loads(openai_chat.resource("/v1/models", "m"))
    assert ["m"] == [model["id"] for model in listed["data"]]
    assert listed["data"][0] == json.loads(openai_chat.resource("/v1/models/m", "m"))
    assert None is openai_chat.resource("/v1/files", "m")
