"""Conversations: what is asked next, and how long its user thinks before.

The rule: each turn's prompt is all that was said before it, with the endpoint's own answers, and then what the user says now.
"""

import math
import random

import msgspec

from harness.records import Call, Message


def continued(call: Call, answer: str, text: str) -> Call:
    """The call of the next turn: nobody else will ask this one."""
    said = (Message("assistant", answer), Message("user", text))
    return msgspec.structs.replace(call, messages=(*call.messages, *said), once=True)


def think_s(median_s: float, sigma: float, seed: str) -> float:
    """One draw, in seconds: lognormal, exactly the median where sigma is 0; the same for the same seed."""
    return median_s * math.exp(sigma * random.Random(f"think:{seed}").gauss(0.0, 1.0)) if sigma else median_s
