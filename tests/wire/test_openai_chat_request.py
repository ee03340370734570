"""The body of an OpenAI chat request: what is laid over what."""

import json
from typing import Any

import pytest

from harness.records import Call, Message, Target
from harness.wire.dialects import openai_chat

SAID = (Message("user", "Hi"),)


def body(limit: int | None, parameters: dict[str, Any], extra_body: dict[str, Any]) -> dict[str, Any]:
    target = Target(base_url="http://127.0.0.1:9/v1", model="m", parameters=parameters, extra_body=extra_body)
    read: dict[str, Any] = json.loads(openai_chat.request(Call("e", SAID, max_tokens=limit), target, None).body)
    return {name: read[name] for name in ("max_tokens", "max_completion_tokens", "top_p") if name in read}


@pytest.mark.parametrize(
    ("limit", "parameters", "extra_body", "sent"),
    [
        (None, {"max_tokens": 200}, {}, {"max_tokens": 200}),
        (32, {}, {}, {"max_tokens": 32}),
        (32, {"max_tokens": 200, "top_p": 1}, {}, {"max_tokens": 32, "top_p": 1}),
        (32, {"max_completion_tokens": 200}, {}, {"max_completion_tokens": 32}),
        (32, {"max_tokens": 200}, {"max_tokens": 7}, {"max_tokens": 7}),
    ],
)
def test_the_length_that_a_trace_gives_stands_over_parameters(
    limit: int | None, parameters: dict[str, Any], extra_body: dict[str, Any], sent: dict[str, Any]
) -> None:
    """Under the name that the parameters use; what a user wrote into extra_body goes out as it is."""
    assert sent == body(limit, parameters, extra_body)
