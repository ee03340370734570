"""The simulator's tokenizer: a word with the white space before it, long words cut. Joining the tokens gives the exact text."""

import random
import re
from collections.abc import Callable, Iterator

LONGEST = 8  # characters of a word in one token
SLICE = 16 << 10  # characters that are counted without a breath, four times as many of ASCII: about 0.5 ms

_TOKEN = re.compile(rf"\s?\S{{1,{LONGEST}}}|\s")
_SPACE = re.compile(r"\s")
_TEXT = (
    "after along basis brief chart claim clear cover daily early entry exact field final first given house issue later level "
    "local minor month never night offer order other panel party phase place plain point press price prior quick range reply "
    "right round scale seven share sheet short small solid sound stage state still table terms third total trade under union "
    "until upper usual value visit water where while whole within yearly"
)
_WORDS = _TEXT.split()
_KINDS = bytes(32 if chr(code).isspace() else ord("x") for code in range(256))


def cut(text: str, chars: int | None = None) -> list[str]:
    """The tokens of a text, in order: words, or pieces of so many characters."""
    if chars is not None:
        return [text[start : start + chars] for start in range(0, len(text), chars)]
    return _TOKEN.findall(text)


def parts(text: str) -> Iterator[list[str]]:
    """The tokens of a text, in order, some thousands at a time: cutting a megabyte at once takes 40 ms."""
    start = 0
    while start < len(text):
        part = cut(text[start : start + SLICE])
        if start + SLICE < len(text):
            part.pop()  # it may be torn, and is left to the next part
        yield part
        start += sum(map(len, part))


def count(text: str, breathe: Callable[[], None] = lambda: None) -> int:
    """How many tokens a text has, as `cut` would find; `breathe` is called after each piece of a long text."""
    measure = _measure_ascii if text.isascii() else _measure_any
    found = start = 0
    while start < len(text):
        if start:
            breathe()
        tokens, start = measure(text, start)
        found += tokens
    return found


def _measure_any(text: str, start: int) -> tuple[int, int]:
    """(tokens, where the next piece starts). The last token may be torn, and is left to the next piece."""
    part = text[start : start + SLICE]
    tokens = cut(part)
    if start + SLICE >= len(text):
        return len(tokens), len(text)
    return len(tokens) - 1, start + len(part) - len(tokens[-1])


def _measure_ascii(text: str, start: int) -> tuple[int, int]:
    """The same without cutting, which takes 40 ms for a megabyte. A piece ends before white space: no token is torn there."""
    space = _SPACE.search(text, start + 4 * SLICE)
    end = len(text) if space is None else space.start()
    kinds = text[start:end].encode().translate(_KINDS).replace(b"x" * LONGEST, b"y")
    words = kinds.count(b"y") + kinds.count(b"x ") + kinds.endswith(b"x")
    return words + kinds.count(b" ") - kinds.count(b" x") - kinds.count(b" y"), end


def filler(n: int, seed: str) -> list[str]:
    """`n` tokens of words that mean nothing, the same for the same seed."""
    words = random.Random(seed).choices(_WORDS, k=n) if n else []
    return words[:1] + [f" {word}" for word in words[1:]]
