"""How figures are spelled for people: three digits, a unit, and a dash for what is not there.

The rule: text that came from outside loses its control characters before it meets a terminal or a page.
"""

import unicodedata
from decimal import Decimal

MISSING = "\N{EN DASH}"

# Control characters, and the formatting ones that reorder or hide text (Unicode categories Cc and Cf), line breaks excepted.
_HIDDEN = {"Cc", "Cf"}


def plain(text: str) -> str:
    """Text without control and formatting characters (ANSI sequences, right-to-left overrides); white space is one space."""
    spaced = " ".join(text.split())
    return "".join(letter for letter in spaced if unicodedata.category(letter) not in _HIDDEN)


def seconds(value_s: float | None) -> str:
    """A duration in the unit that reads best: `850 µs`, `12.3 ms`, `1.23 s`."""
    if value_s is None:
        return MISSING
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if abs(value_s) * scale >= 1:
            return f"{digits(value_s * scale)} {unit}"
    return "0 s" if value_s == 0 else f"{digits(value_s * 1e6)} µs"


def percent(ratio: float | None) -> str:
    """`93.1 %`. A share that rounds to none or all but is not says so: `> 99.9 %`."""
    if ratio is None:
        return MISSING
    if ratio in {0.0, 1.0}:
        return f"{ratio * 100:.0f} %"
    rounded = f"{ratio * 100:.1f} %"
    return {"0.0 %": "< 0.1 %", "100.0 %": "> 99.9 %"}.get(rounded, rounded)


def points(difference: float) -> str:
    """A difference of two shares: `4.2 points`."""
    return f"{difference * 100:.1f} points"


def usd(amount: Decimal | None) -> str:
    """US dollars without the sign: cents from one dollar on, three digits below."""
    if amount is None:
        return MISSING
    if amount == 0 or abs(amount) >= 1:
        return f"{amount:,.2f}"
    return f"{amount:.{2 - amount.adjusted()}f}"


def number(value: float | None) -> str:
    """A rate or count with three digits."""
    return MISSING if value is None else digits(value)


def count(value: int | None) -> str:
    """A whole number, in full."""
    return MISSING if value is None else f"{value:,}"


def digits(value: float) -> str:
    """Three significant digits, never an exponent: `1,230`, `12.3`, `0.0123`."""
    if value == 0:
        return "0"
    rounded = Decimal(f"{value:.2e}")
    places = max(0, 2 - rounded.adjusted())
    return f"{rounded:,.{places}f}"


def joined(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
