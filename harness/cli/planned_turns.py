"""Conversations as an estimate takes them: how many requests an example is, and how its prompts grow."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from harness.load import Load, ReplayLoad
from harness.loadgen.ration import CHARS_PER_TOKEN
from harness.records import Call


class Turns(NamedTuple):
    """Means: requests of an example, tokens of a request, seconds before it that its user thinks."""

    per_example: float
    input_tokens: int
    output_tokens: float
    think_s: float


def of(calls: Sequence[Call], last: int, before: int, load: Load) -> Turns | None:
    """None where no example is a conversation. `last` and `before` are tokens of the last answer and of each one before it;
    none ends a conversation.
    """
    if all(call.later is None for call in calls):
        return None
    later = [call.later or () for call in calls]
    turns = sum(1 + len(each) for each in later)
    asked = sum(_asked(call, before) for call in calls)
    think = None if isinstance(load, ReplayLoad) else load.think_s
    mean_s = 0.0 if think is None else think.median_s * math.exp(think.sigma**2 / 2)  # of a lognormal
    return Turns(
        per_example=turns / len(calls),
        input_tokens=math.ceil(asked / turns),
        output_tokens=(last * len(calls) + before * (turns - len(calls))) / turns,
        think_s=mean_s * fmean(map(len, later)) * len(calls) / turns,
    )


def _asked(call: Call, output_tokens: int) -> float:
    """Tokens of all prompts of a conversation: each holds what was said before, and the answers."""
    chars = [sum(len(each.content.encode()) for each in call.messages), *(len(text.encode()) for text in call.later or ())]
    sizes = [sum(chars[: turn + 1]) / CHARS_PER_TOKEN + turn * output_tokens for turn in range(len(chars))]
    return sum(sizes)
