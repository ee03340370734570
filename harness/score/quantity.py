"""Numbers with their units as people write them in running text: `-$1,250.50`, `5 mg/kg`, `1.2 million`, `3.0e-4`.

The rule: digits that cannot be read as one number for certain (`1,2,3`, `10:30`, `1 000`) are found and have no number, so that
no piece of them is taken for one; digits inside a word (`B12`, `GPT-4`, `3rd`) are not found.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_DIMENSIONS = {  # dimension -> {factor to its base unit: spellings}
    "mass": {
        "1000": "kg, kilogram, kilograms",
        "1": "g, gram, grams",
        "0.001": "mg, milligram, milligrams",
        "0.000001": "mcg, µg, μg, ug, microgram, micrograms",
        "0.000000001": "ng, nanogram, nanograms",
        "453.59237": "lb, lbs",
        "28.349523125": "oz, ounce, ounces",
    },
    "volume": {
        "1": "l, litre, litres, liter, liters",
        "0.1": "dl, decilitre, deciliter",
        "0.01": "cl, centilitre, centiliter",
        "0.001": "ml, cc, millilitre, millilitres, milliliter, milliliters",
        "0.000001": "µl, μl, ul, microlitre, microlitres, microliter, microliters",
    },
    "length": {
        "1000": "km, kilometre, kilometres, kilometer, kilometers",
        "1": "m, metre, metres, meter, meters",
        "0.01": "cm, centimetre, centimetres, centimeter, centimeters",
        "0.001": "mm, millimetre, millimetres, millimeter, millimeters",
        "0.0254": "inch, inches",
        "0.3048": "ft, foot, feet",
        "1609.344": "mile, miles",
    },
    "time": {
        "0.001": "ms, millisecond, milliseconds",
        "1": "s, sec, secs, second, seconds",
        "60": "min, mins, minute, minutes",
        "3600": "h, hr, hrs, hour, hours",
        "86400": "d, day, days",
        "604800": "wk, wks, week, weeks",
    },
    "months": {"1": "month, months", "12": "yr, yrs, year, years"},
    "substance": {"1": "mol", "0.001": "mmol", "0.000001": "µmol, μmol, umol", "0.000000001": "nmol"},
    "equivalents": {"0.001": "meq", "1": "eq"},
    "activity": {"1": "iu"},
    "units": {"1": "u, unit, units"},
    "energy": {"1000": "kcal", "1": "cal"},
    "joules": {"1000": "kj", "1": "j"},
    "mmHg": {"1": "mmhg, mm hg"},
    "kPa": {"1": "kpa"},
    "celsius": {"1": "°c, ºc, ℃, degrees c, degrees celsius, deg c, celsius"},
    "fahrenheit": {"1": "°f, ºf, ℉, degrees f, degrees fahrenheit, deg f, fahrenheit"},
    "beats": {"1": "bpm"},
    "mph": {"1": "mph"},
    "percent": {"1": "%, percent, per cent, pct"},
    "USD": {"1": "$, us$, usd, dollar, dollars"},
    "EUR": {"1": "€, eur, euro, euros"},
    "GBP": {"1": "£, gbp"},
    "JPY": {"1": "¥, jpy, yen"},
    "CHF": {"1": "chf"},
    "INR": {"1": "₹, inr, rupee, rupees"},
}
_SCALES = {"": 0, "k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "trillion": 12}
_LONGEST = 28  # characters of a number: as many digits as Decimal keeps
_LONGEST_POWER, _LONGEST_ALONE = 4, 120  # characters of a power of ten, and of a quantity with all its words


@dataclass(frozen=True, slots=True)
class Unit:
    """`multiply` / `divide` base units of a dimension; what is counted per something has a dimension such as `mass/volume`."""

    dimension: str
    multiply: Decimal = Decimal(1)
    divide: Decimal = Decimal(1)

    def in_base(self, number: Decimal) -> Decimal:
        """A number of this unit in base units, to 28 digits."""
        return number * self.multiply / self.divide


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it is written, its unit if it has a known one, and where they stand: both together, and the number alone."""

    number: Decimal | None
    unit: Unit | None
    start: int
    end: int
    number_start: int
    number_end: int


def _spelling(text: str) -> str:
    """One form for the several code points of µ and ℃, and for case."""
    return unicodedata.normalize("NFKC", text).casefold()


_UNITS = {
    alias: Unit(dimension, multiply=Decimal(factor))
    for dimension, units in _DIMENSIONS.items()
    for factor, aliases in units.items()
    for alias in aliases.split(", ")
}
_BY_SPELLING = {_spelling(alias): unit for alias, unit in _UNITS.items()}
_UNIT = "|".join(re.escape(alias) for alias in sorted(_UNITS, key=len, reverse=True))
_GAP = r"[^\S\n]?"  # white space, but not a new line
_QUANTITY = re.compile(
    rf"""
    (?<!\w) (?<![a-z]-) (?<![0-9][.,:'\u2019])    # not in a word or a code, and not the rest of digits that were not understood
    (?P<sign> (?<![\w)\]])[-+\u2212\u2013] )?
    (?: (?P<currency> us\$ | [$€£¥₹] | (?:usd|eur|gbp|jpy|chf|inr)\b ) {_GAP} (?P<minus>[-\u2212])? )?
    (?P<digits> [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} | [0-9]{{1,3}}(?:\ [0-9]{{3}})+(?![0-9]) |
        \.?[0-9] (?: [0-9.,:'\u2019\u00a0\u202f\u2009]* [0-9] )? )
    (?: e(?P<e>[-+\u2212]?[0-9]+) |
        {_GAP}(?:[x\u00d7*]|\\times){_GAP}10{_GAP}(?:\^|\*\*){_GAP}\{{?(?P<ten>[-+\u2212]?[0-9]+)\}}? )?
    (?: {_GAP}(?P<scale>thousand|million|billion|trillion|[mb]n)\b | (?P<letter>(?(currency)[kmb]|k))\b )?
    (?: (?:[^\S\n]{{0,2}}|-) (?![0-9\s])(?P<unit>{_UNIT}) (?!\w) )?
    (?: (?:{_GAP}/{_GAP}|\s+per\s+) (?![0-9\s])(?P<per>{_UNIT}) (?!\w) )?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NUMBER_GROUPS = ("digits", "e", "ten", "scale", "letter")
_NUMBER = re.compile(
    r"[0-9]*\.?[0-9]+ | [0-9]{1,3} (?P<comma>[,'\u2019\u00a0\u202f\u2009]) [0-9]{3} (?: (?P=comma)[0-9]{3} )* (?:\.[0-9]+)?",
    re.VERBOSE,
)
_MARKUP = " \t\r\n*_`."
_SWAP_DECIMAL = str.maketrans(",.", ".,")


def find(text: str, decimal: str = ".") -> Iterator[Quantity]:
    """The quantities of a text, from left to right. `decimal` is `.` (1,234.5) or `,` (1.234,5)."""
    for match in _QUANTITY.finditer(text):
        follower = text[match.end() : match.end() + 1]
        if not (follower.isalnum() or follower == "_"):
            number_end = max(map(match.end, _NUMBER_GROUPS))
            yield Quantity(_number(match, decimal), _unit(match), match.start(), match.end(), match.start("digits"), number_end)


def converted(number: Decimal, unit: Unit | None, into: Unit | None) -> Decimal | None:
    """The number in another unit, to 28 digits; as it is where either has no unit; None where the dimensions differ."""
    if unit is None or into is None:
        return number
    if unit.dimension != into.dimension:
        return None
    return number * unit.multiply * into.divide / (unit.divide * into.multiply)


def _number(match: re.Match[str], decimal: str) -> Decimal | None:
    digits = match["digits"] if decimal == "." else match["digits"].translate(_SWAP_DECIMAL)
    power = (match["e"] or match["ten"] or "0").replace("\u2212", "-")
    if len(digits) > _LONGEST or len(power) > _LONGEST_POWER or not _NUMBER.fullmatch(digits):
        return None
    scale = (match["scale"] or match["letter"] or "").lower()
    number = Decimal(re.sub(r"[^0-9.]", "", digits)).scaleb(int(power) + _SCALES[scale])
    return -number if match["minus"] or match["sign"] in ("-", "\u2212", "\u2013") else number


def _unit(match: re.Match[str]) -> Unit | None:
    name, per = match["currency"] or match["unit"], match["per"]
    unit = _BY_SPELLING[_spelling(name)] if name else None
    if not per:
        return unit
    divisor = _BY_SPELLING[_spelling(per)]
    dividend = unit or Unit("")
    return Unit(f"{dividend.dimension}/{divisor.dimension}", dividend.multiply, divisor.multiply)


def alone(text: str, decimal: str = ".") -> Quantity | None:
    """The quantity that is the whole text, but for markup; in parentheses it is negative, as accountants write it."""
    content = text.strip(_MARKUP)
    bare = content.strip("()")
    if len(bare) > _LONGEST_ALONE:
        return None
    only = next(find_joined(bare, decimal), None)
    if only is None or (only.start, only.end) != (0, len(bare)):
        return None
    if only.number is not None and content == f"({bare})":
        return dataclasses.replace(only, number=-abs(only.number))
    return only


def find_joined(text: str, decimal: str = ".") -> Iterator[Quantity]:
    """As `find`, with `3/4` as one number, and `2 1/2` or a longer chain such as 05/01/2024 as one without a number."""
    chain: list[Quantity] = []
    for found in find(text, decimal):
        if chain and text[chain[-1].end : found.start].strip() != "/":
            yield _joined(text, chain)
            chain = []
        chain.append(found)
    if chain:
        yield _joined(text, chain)


def _joined(text: str, chain: list[Quantity]) -> Quantity:
    """One quantity for several with slashes between."""
    first, last = chain[0], chain[-1]
    if len(chain) == 1:
        return first
    mixed = re.fullmatch(r"[0-9]\s", text[max(0, first.start - 2) : first.start])
    number = None
    if len(chain) == 2 and not mixed and first.unit is None and first.number is not None and last.number:
        number = first.number / last.number
    return dataclasses.replace(last, number=number, start=first.start)
