"""The prompts' beginnings that a candidate has met, in blocks of tokens, as a server keeps them in its KV cache.

The rule: a block is known by all that comes before it, too. Memory is bounded, and a prompt's last blocks are forgotten first.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from harness.records import Message
from harness.simulator import tokens

BLOCK = 16  # tokens
MOST_BLOCKS = 1 << 17  # 2 million tokens, some 20 MB
BREATH = 1_024  # blocks that are put down between two breaths: about 0.5 ms


class PrefixCache:
    def __init__(self, most_blocks: int = MOST_BLOCKS) -> None:
        self._most_blocks = most_blocks
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def meet(self, messages: Sequence[Message], breathe: Callable[[], None] = lambda: None) -> int:
        """How many tokens, in whole blocks, of the longest prefix that an earlier call had; from now on all of it is known."""
        keys = list(_keys(messages, breathe))
        cached = next((number for number, key in enumerate(keys) if key not in self._known), len(keys))
        for number, key in enumerate(reversed(keys), start=1):  # the beginning last, because it is of use to most
            self._known[key] = None
            self._known.move_to_end(key)
            if number % BREATH == 0:
                breathe()
        while len(self._known) > self._most_blocks:
            self._known.popitem(last=False)
        return cached * BLOCK


def _keys(messages: Sequence[Message], breathe: Callable[[], None]) -> Iterator[bytes]:
    """A hash for each whole block, of everything up to its end: texts, and where whose message began."""
    whole, waiting = hashlib.blake2b(digest_size=16), []
    for message in messages:
        role = f"\x00{message.role}\x01"
        for part in tokens.parts(message.content):
            waiting += [role + part[0], *part[1:]] if role else part
            role = ""
            for start in range(0, len(waiting) - BLOCK + 1, BLOCK):
                whole.update("".join(waiting[start : start + BLOCK]).encode())
                yield whole.digest()
            del waiting[: len(waiting) // BLOCK * BLOCK]
            breathe()
