"""What a candidate says to one request, before any dialect has spelled it: tokens, usage, and whether it is right."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from harness.records import Message
from harness.simulator import tokens
from harness.simulator.candidate import Candidate, is_right
from harness.simulator.knowledge import Known, prompt_key


class Ask(msgspec.Struct, frozen=True):
    """One request as every dialect means it."""

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """`example` is None for an unknown prompt; `right` says which text is spoken, whether or not it is cut short."""

    example: str | None
    right: bool | None
    reasoning: list[str]
    content: list[str]
    finish: Literal["stop", "length"] | None
    prompt_tokens: int
    cached_tokens: int

    @property
    def completion_tokens(self) -> int:
        return len(self.reasoning) + len(self.content)


NOTHING = Answer(example=None, right=None, reasoning=[], content=[], finish=None, prompt_tokens=0, cached_tokens=0)


class RefusedError(Exception):
    """A request that gets an error status, in a body of its dialect. `limit` names the rate limit that refused it."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers, self.limit = status, message, code, headers or {}, limit


def compose(
    ask: Ask,
    candidate: Candidate,
    seed: int,
    knowledge: Mapping[str, Known],
    filler_tokens: int,
    breathe: Callable[[], None] = lambda: None,
) -> Answer:
    """The same answer whenever the same candidate is asked the same: right, wrong, or filler for an unknown prompt.

    Filler is as long as it may be, or `filler_tokens` where nobody says.
    `breathe` is called now and then where the prompt is long.
    """
    key = prompt_key(ask.messages)
    breathe()
    known = knowledge.get(key)
    right = is_right(candidate, seed, known.example) if known else None
    seeded = f"{seed}/{candidate.seed}/{candidate.name}/{key}"
    content = _content(known, right=bool(right)) if known else tokens.filler(ask.max_tokens or filler_tokens, seeded)
    reasoning = tokens.filler(candidate.reasoning_tokens, f"{seeded}/reasoning")
    said = len(reasoning) + len(content)
    limit = said if ask.max_tokens is None else ask.max_tokens
    prompt_tokens = 0
    for message in ask.messages:
        prompt_tokens += tokens.count(message.content, breathe)
    return Answer(
        example=known.example if known else None,
        right=right,
        reasoning=reasoning[:limit],
        content=content[: max(0, limit - len(reasoning))],
        finish="length" if said > limit else "stop",
        prompt_tokens=prompt_tokens,
        cached_tokens=math.floor(candidate.cached_ratio * prompt_tokens),
    )


def _content(known: Known, *, right: bool) -> list[str]:
    return tokens.cut(known.right if right else known.wrong, known.token_chars)
