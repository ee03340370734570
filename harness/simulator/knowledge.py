"""What the simulator knows: for a prompt, which example it is, a right answer and a wrong one.

A prompt is recognised by its hash alone, so the configuration holds answers but no prompts; a nonce before it changes nothing.
What an assistant said before is no part of it: a conversation's last turn is known by all that its user says, and its turns
before that are unknown prompts.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from harness.errors import HarnessError
from harness.records import Call, Example, Message
from harness.simulator.candidate import uniform
from harness.workload import nonce

NO_ANSWER = "I cannot tell."  # the wrong answer where no other example's answer is one


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """token_chars: each token of these answers has so many characters, so that events can be large; None: words are tokens."""

    example: str
    prompt_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    right: str
    wrong: str
    token_chars: Annotated[int, msgspec.Meta(ge=1)] | None = None


def prompt_key(messages: Iterable[Message]) -> str:
    """SHA-256, in hex, over the UTF-8 text `role NUL content SOH` of each message but the assistant's, without a nonce."""
    asked = (message for message in nonce.without(messages) if message.role != "assistant")
    text = "".join(f"{message.role}\x00{message.content}\x01" for message in asked)
    return hashlib.sha256(text.encode()).hexdigest()


def build(examples: Mapping[str, tuple[Example, Call]], seed: int) -> list[Known]:
    """What to know about a data set, in its order. An example with neither reference nor expected value is left out.

    Right is the reference, else the expected value as text (JSON unless it is a string). Wrong is the right text of another
    example, chosen by seed, whose expected value differs (where nothing is expected: whose text does).
    """
    answers = [(example, call, text) for example, call in examples.values() if (text := _right(example)) is not None]
    rights = [(example, text) for example, _, text in answers]
    return [
        Known(
            example=example.id,
            prompt_sha256=prompt_key((*call.messages, *(Message("user", said) for said in call.later or ()))),
            right=text,
            wrong=_wrong(example, text, rights, seed),
        )
        for example, call, text in answers
    ]


def index(known: Iterable[Known]) -> dict[str, Known]:
    """By prompt hash. Raises `HarnessError` when one prompt has two right answers: then accuracy would not be known."""
    found: dict[str, Known] = {}
    for each in known:
        first = found.setdefault(each.prompt_sha256, each)
        if first.right != each.right:
            raise HarnessError(
                f"examples {first.example!r} and {each.example!r} have the same prompt but different right answers",
                where="knowledge",
            )
    return found


def _right(example: Example) -> str | None:
    if example.reference is not None or example.expected is None:
        return example.reference
    return example.expected if isinstance(example.expected, str) else msgspec.json.encode(example.expected).decode()


def _wrong(example: Example, right: str, rights: Sequence[tuple[Example, str]], seed: int) -> str:
    """The first answer that differs, going round from a place drawn for this example."""
    start = int(uniform(f"{seed}/wrong/{example.id}") * len(rights))
    for step in range(len(rights)):
        other, text = rights[(start + step) % len(rights)]
        if text != right and (example.expected is None or other.expected != example.expected):
            return text
    return NO_ANSWER
