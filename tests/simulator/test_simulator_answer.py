"""What a candidate says: known and unknown prompts, limits, and what usage counts."""

import pytest

from harness.records import Message
from harness.simulator.answer import Answer, Ask, compose
from harness.simulator.candidate import Candidate
from harness.simulator.knowledge import Known, prompt_key

MESSAGES = (Message("system", "Be brief."), Message("user", "Is it covered?"))  # five tokens
KNOWN = {prompt_key(MESSAGES): Known("e1", prompt_key(MESSAGES), right="Yes it is covered", wrong="No it is not")}


def said(max_tokens: int | None = None, messages: tuple[Message, ...] = MESSAGES, **profile: object) -> Answer:
    ask = Ask(model="m", messages=messages, max_tokens=max_tokens)
    return compose(ask, Candidate(name="a", model="m", **profile), 1, KNOWN, filler_tokens=12)


@pytest.mark.parametrize(("accuracy", "right", "text"), [(1.0, True, "Yes it is covered"), (0.0, False, "No it is not")])
def test_a_known_prompt_gets_the_right_or_the_wrong_text(accuracy: float, right: bool, text: str) -> None:
    """The text and the flag agree, and the example is named."""
    answer = said(accuracy=accuracy)
    assert ("e1", right, text, "stop") == (answer.example, answer.right, "".join(answer.content), answer.finish)


def test_an_unknown_prompt_gets_filler() -> None:
    """So many tokens as told, the same each time, and neither right nor wrong."""
    unknown = (Message("user", "What else?"),)
    answer = said(messages=unknown)
    assert (None, None, 12) == (answer.example, answer.right, len(answer.content))
    assert answer == said(messages=unknown)


@pytest.mark.parametrize(
    ("limit", "reasoning", "content", "finish"),
    [(None, 3, 4, "stop"), (7, 3, 4, "stop"), (6, 3, 3, "length"), (3, 3, 0, "length"), (2, 2, 0, "length")],
)
def test_a_limit_cuts_the_completion(limit: int | None, reasoning: int, content: int, finish: str) -> None:
    """Reasoning comes first and counts; what fits exactly is not cut."""
    answer = said(max_tokens=limit, reasoning_tokens=3, accuracy=1.0)
    assert (reasoning, content, finish) == (len(answer.reasoning), len(answer.content), answer.finish)
    assert reasoning + content == answer.completion_tokens


def test_an_answer_may_have_large_tokens() -> None:
    """With `token_chars` a token is so many characters whatever they are; the last one has the rest."""
    known = Known("e1", prompt_key(MESSAGES), right="Yes it is covered", wrong="", token_chars=8)
    answer = compose(Ask(model="m", messages=MESSAGES), Candidate("a", "m", accuracy=1.0), 1, {known.prompt_sha256: known}, 12)
    assert ["Yes it i", "s covere", "d"] == answer.content


def test_prompt_tokens_are_counted_and_a_share_of_them_cached() -> None:
    """Contents of all messages count; the cached share is rounded down."""
    answer = said(cached_ratio=0.5)
    assert (5, 2) == (answer.prompt_tokens, answer.cached_tokens)
