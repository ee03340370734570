"""Calendar days as people and models spell them: ISO, with the month's English name, or in numbers.

The rule: 05/06/2024 is the fifth of June to some and the sixth of May to others, so it is no day until somebody says which.
"""

import re
from datetime import date

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_LONGEST = 60  # characters
_ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[t ][0-9:.]+ ?(?:z|[-+][0-9:]+)?)?")
_NUMBERS = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_DAY_MONTH = re.compile(r"(?:[a-z]+day,? )?([0-9]{1,2})(?:st|nd|rd|th)?(?: of)?[ -]([a-z]{3,9})\.?,?[ -]([0-9]{4})")
_MONTH_DAY = re.compile(r"(?:[a-z]+day,? )?([a-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})")


def day(text: str, day_first: bool | None = None) -> date | None:
    """The day that a text is; None where it is none, or more than one. `day_first` decides 05/06/2024."""
    if len(text) > _LONGEST:
        return None
    spelled = " ".join(text.casefold().split())
    if match := _ISO.fullmatch(spelled):
        return _date(match[1], match[3], match[4])
    if match := _NUMBERS.fullmatch(spelled):
        return _from_numbers(match[4], match[1], match[3], day_first)
    if match := _DAY_MONTH.fullmatch(spelled):
        return _date(match[3], _month(match[2]), match[1])
    if match := _MONTH_DAY.fullmatch(spelled):
        return _date(match[3], _month(match[1]), match[2])
    return None


def _from_numbers(year: str, first: str, second: str, day_first: bool | None) -> date | None:
    """The only reading of two numbers that is a day, or the one that `day_first` asks for."""
    by_order = {True: _date(year, second, first), False: _date(year, first, second)}
    if day_first is not None:
        return by_order[day_first]
    readings = {reading for reading in by_order.values() if reading is not None}
    return readings.pop() if len(readings) == 1 else None


def _month(name: str) -> int:
    """1 to 12 for a month's name or the beginning of one; 0 for another word."""
    return next((number for number, month in enumerate(_MONTHS, start=1) if month.startswith(name)), 0)


def _date(year: str, month: str | int, day_of_month: str) -> date | None:
    try:
        return date(int(year), int(month), int(day_of_month))
    except ValueError:  # no such day
        return None
