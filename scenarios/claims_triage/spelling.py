"""Days and amounts as people write them.

The rule: a form is only used where it means one day. Figures with slashes are month/day/year, and the year is left out only
where the latest such day before the receipt is meant.
"""

import random
from datetime import date

_AGO = ("yesterday", "two days ago", "three days ago", "four days ago", "five days ago", "six days ago", "a week ago today")


def ago(days: int) -> str | None:
    """`three days ago`; None where nobody would count."""
    return _AGO[days - 1] if 1 <= days <= len(_AGO) else None


def day(rng: random.Random, which: date, received: date) -> str:
    """A day in running text."""
    named = rng.choice(
        (
            f"{which:%B} {which.day}",
            f"{which:%A}, {which:%B} {which.day}",
            f"{which.day} {which:%B}",
            f"the {_ordinal(which.day)} of {which:%B}",
        )
    )
    if which.year == received.year and rng.random() < 0.85:
        return named
    return f"{named}, {which.year}" if named.endswith(str(which.day)) else f"{named} {which.year}"


def short_day(rng: random.Random, which: date, received: date) -> str:
    """A day in an agent's note."""
    year = "" if which.year == received.year and rng.random() < 0.85 else f" {which.year}"
    return rng.choice((f"{which:%m/%d/%Y}", f"{which.day} {which:%b}{year}"))


def long_day(which: date) -> str:
    return f"{which:%B} {which.day}, {which.year}"


def month_before(which: date, months: int) -> str:
    """The name and year of the month so many months earlier."""
    index = which.year * 12 + which.month - 1 - months
    return f"{date(index // 12, index % 12 + 1, 1):%B %Y}"


def dollars(rng: random.Random, usd: int) -> str:
    return rng.choice((f"${usd:,}", f"${usd:,}", f"{usd} USD", f"${usd}", f"{usd:,} dollars", f"${usd:,}.00"))


def _ordinal(number: int) -> str:
    ending = "th" if number in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
