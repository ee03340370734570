"""The JSON object inside an answer that may talk around it or fence it.

The rule: the last object that can be decoded counts, and it must be whole: an object that the text breaks off inside is no
answer. Numbers come as Decimal, `NaN` and `Infinity` among them.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

_OPENING = re.compile(r'\{\s*["}]')
_BUDGET_CHARS = 2_000_000  # that may be read in vain: openings inside openings cost the square of their number
_ATTEMPT_CHARS = 1_000  # what a failed attempt costs at least, as the error counts the lines before it


def _decimal(literal: str) -> Decimal:
    try:
        return Decimal(literal)
    except InvalidOperation:  # its exponent is beyond what Decimal holds
        return Decimal("NaN")


_DECODER = json.JSONDecoder(parse_int=_decimal, parse_float=_decimal, parse_constant=_decimal, strict=False)


def last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object of a text; None where there is none, it is cut off, or finding it takes too much work."""
    text = text.rstrip()
    found: dict[str, Any] | None = None
    budget, end = _BUDGET_CHARS, 0
    while opening := _OPENING.search(text, end):
        try:
            found, end = _DECODER.raw_decode(text, opening.start())
        except json.JSONDecodeError as broken:
            budget -= max(_ATTEMPT_CHARS, broken.pos - opening.start())
            if budget < 0 or broken.pos >= len(text) or broken.msg.startswith("Unterminated string"):
                return None
            end = opening.start() + 1
        except RecursionError:
            return None
    return found
