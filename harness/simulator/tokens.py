"""The simulator's tokenizer: a word with the white space before it, long words cut. Joining the tokens gives the exact text."""

import functools
import random
import re

LONGEST = 8  # characters of a word in one token

_TOKEN = re.compile(rf"\s?\S{{1,{LONGEST}}}|\s")
_TEXT = (
    "after along basis brief chart claim clear cover daily early entry exact field final first given house issue later level "
    "local minor month never night offer order other panel party phase place plain point press price prior quick range reply "
    "right round scale seven share sheet short small solid sound stage state still table terms third total trade under union "
    "until upper usual value visit water where while whole within yearly"
)
_WORDS = _TEXT.split()


def cut(text: str, chars: int | None = None) -> list[str]:
    """The tokens of a text, in order: words, or pieces of so many characters."""
    if chars is not None:
        return [text[start : start + chars] for start in range(0, len(text), chars)]
    return _TOKEN.findall(text)


@functools.lru_cache(maxsize=1024)
def count(text: str) -> int:
    """How many tokens a text has. Cached, because a load test replays the same prompts and this is time taken from sending."""
    return len(cut(text))


def filler(n: int, seed: str) -> list[str]:
    """`n` tokens of words that mean nothing, the same for the same seed."""
    words = random.Random(seed).choices(_WORDS, k=n)
    return words[:1] + [f" {word}" for word in words[1:]]
