"""A number, within a tolerance. `expected` is a number, or text that is one, such as `"12.5 %"` or `"5 mg"`.

The rule: the number that counts is the first after the last `\\boxed{`, `####`, `answer:` or `answer is`, and after the last
`=` in the same line; in an answer without those, the last number. If it cannot be read for certain, the answer is unparsed.
"""

import math
import re
from collections import deque
from decimal import Decimal

from harness.records import Example, Grade, Scorer
from harness.score import checks
from harness.score.quantity import Quantity, Unit, alone, converted, find_joined

_STATEMENT = re.compile(r"\\boxed\s*\{|####|\banswer[\"'*_]*\s*(?:is\b|[:=])", re.IGNORECASE)
_LATEX = (("{,}", ","), (",\\!", ","), ("\\%", "%"), ("\\$", "$"))
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\{(-?[0-9]+)\}\{([0-9]+)\}")


def scorer(*, tolerance: float = 0, relative_tolerance: float = 0, percent: str = "points", decimal: str = ".") -> Scorer:
    """Grades 1 where |answer - expected| <= max(tolerance, relative_tolerance x |expected|), else 0.

    An answer's unit is converted to that of `expected` (0.005 g to mg), and another dimension is wrong; where one has none, the
    numbers are compared as written. An amount alone in parentheses, `(1,234)`, is negative.
    percent   `points` reads 12.5 % as 12.5, `ratio` as 0.125
    decimal   `.` for 1,234.5 or `,` for 1.234,5
    """
    absolute = checks.tolerance("tolerance", tolerance)
    relative = checks.tolerance("relative_tolerance", relative_tolerance)
    as_ratio = checks.one_of("percent", percent, ("points", "ratio")) == "ratio"
    checks.one_of("decimal", decimal, (".", ","))

    def read(number: Decimal, unit: Unit | None) -> tuple[Decimal, Unit | None]:
        return (number / 100, None) if as_ratio and unit is not None and unit.dimension == "percent" else (number, unit)

    def grade(text: str, example: Example) -> Grade:
        wanted, wanted_unit = read(*_expected(example, decimal))
        stated = _stated(_without_latex(text), decimal)
        if stated is None or stated.number is None:
            return Grade(score=0.0, passed=False, parsed=False, detail="no number that can be read for certain")
        number = converted(*read(stated.number, stated.unit), wanted_unit)
        if number is None:
            return Grade(
                score=0.0, passed=False, detail=f"{stated.number} in a unit that does not fit {checks.shown(example.expected)}"
            )
        if abs(number - wanted) > max(absolute, relative * abs(wanted)):
            return Grade(score=0.0, passed=False, detail=f"{number} instead of {wanted}")
        return Grade(score=1.0, passed=True)

    return grade


def _expected(example: Example, decimal: str) -> tuple[Decimal, Unit | None]:
    """The number that is right, and its unit."""
    value = example.expected
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return Decimal(str(value)), None
    only = alone(value, decimal) if isinstance(value, str) else None
    if only is None or only.number is None:
        raise checks.wrong_expected(example, "numeric", "a number, or text that is one number, such as 12.5 or '5 mg'")
    return only.number, only.unit


def _without_latex(text: str) -> str:
    for latex, plain in _LATEX:
        text = text.replace(latex, plain)
    return _LATEX_FRACTION.sub(r"\1/\2", text)


def _stated(text: str, decimal: str) -> Quantity | None:
    """The quantity that the answer ends on, by the rule of this file."""
    for statement in deque(_STATEMENT.finditer(text), maxlen=1):
        line = text[statement.end() :].lstrip().partition("\n")[0].rpartition("=")[2]
        stated = alone(line, decimal) or next(find_joined(line, decimal), None)
        if stated is not None:
            return stated
    return alone(text, decimal) or next(iter(deque(find_joined(text, decimal), maxlen=1)), None)
