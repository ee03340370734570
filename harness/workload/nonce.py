"""A made-up word before a prompt, so that no server has it in a cache; and the share of requests that it shall have.

The rule: a nonce comes from its key alone, so each is made again from the manifest, and the journal has it beside the example.
It stands before everything else, the system prompt too, because a prefix cache gives nothing of what follows a difference.
"""

import hashlib
import re
from collections.abc import Iterable

import msgspec

from harness.records import Call, Message
from harness.workload import filler

AFTER = "\n\n"
_FORM = re.compile(filler.OPENING_FORM + AFTER)


def word(key: str) -> str:
    """The nonce of a key: always 20 letters, about `filler.OPENING_TOKENS` tokens. Two keys share one once in 2^60 times."""
    return filler.opening(f"nonce:{key}")


def before(call: Call, nonce: str, *, once: bool) -> Call:
    """The same call with the nonce at its very beginning."""
    first, *others = call.messages
    opened = msgspec.structs.replace(first, content=f"{nonce}{AFTER}{first.content}")
    return msgspec.structs.replace(call, messages=(opened, *others), nonce=nonce, once=once)


def without(messages: Iterable[Message]) -> tuple[Message, ...]:
    """What is asked, whichever nonce stands before it."""
    first, *others = messages
    found = _FORM.match(first.content)
    asked = first if found is None else msgspec.structs.replace(first, content=first.content[found.end() :])
    return (asked, *others)


def source(seed: str, position: int, stride: int, share: float) -> int:
    """The position whose nonce and prompt stand at this one: itself, or with probability `share` an earlier one.

    Earlier means less by a multiple of `stride`, and each such position is as likely as any other; the first `stride` have none
    before them. What is drawn may itself repeat an earlier one: then it is that one.
    """
    while position >= stride:
        drawn = hashlib.sha256(f"reuse:{seed}:{position}".encode()).digest()
        if int.from_bytes(drawn[:7], "big") >= share * (1 << 56):
            break
        turn, place = divmod(position, stride)
        position = int.from_bytes(drawn[8:16], "big") % turn * stride + place
    return position
