"""The fields of a JSON object, each compared by its type. `expected` is the object that is right.

The rule: only the fields of `expected` count. A wrong value is one too many and one missing, null where a value is due is
one missing, a value where null is due is one too many; each item of a list counts by itself, in any order.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from harness.records import Example, Grade, Scorer
from harness.score import checks
from harness.score.dates import day
from harness.score.json_answer import last_object
from harness.score.quantity import Unit, alone, converted

_SCALARS = ("string", "number", "date", "bool")
_OPTIONS = ("type", "items", "tolerance", "relative_tolerance", "day_first")
_NEEDED = "an object of texts, numbers, true, false, null and lists of these, each of the type that its option states"
_NULL_WORDS = ("null", "none", "n/a")
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
_SOFT = re.compile(r"[;:!?\"'\u2018\u2019\u201c\u201d()\[\]{}]|(?<![0-9])[.,]|[.,](?![0-9])|(?<=\w)[-_\u2010-\u2015](?=\w)")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HIGHEST_POWER, _MOST_ITEMS = 9_999, 1_000  # what is more is not read

_Value = str | bool | date | tuple[Decimal, Unit | None]


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one field is compared. A type that is None follows from the expected value."""

    type: str | None = None
    items: str | None = None
    tolerance: Decimal = Decimal(0)
    relative_tolerance: Decimal = Decimal(0)
    day_first: bool | None = None


@dataclass(frozen=True, slots=True)
class _Count:
    """How many values of a field are right, too many, and missing."""

    right: int
    extra: int
    missing: int


def scorer(*, fields: Mapping[str, Any] | None = None) -> Scorer:
    """Score: F1 over all values, 2 right / (2 right + extra + missing), and 1 where none is due or given. Passed: all right.

    fields   {name: type} or {name: {type, items, tolerance, relative_tolerance, day_first}}, where the expected value alone
             does not say enough; without it text that is an ISO day is a date, and other values have their JSON type

    string   case, white space, hyphens and the punctuation of sentences make no difference
    number   |answer - expected| <= max(tolerance, relative_tolerance x |expected|); text such as "$1,200" is a number
    date     the same day, whatever the spelling; day_first decides 05/06/2024
    bool     true and false, or yes and no
    list     its items, of the type `items`, in any order
    """
    rules = {name: _rule(name, option) for name, option in checks.mapping("fields", {} if fields is None else fields).items()}

    def grade(text: str, example: Example) -> Grade:
        due = _all_due(example, rules)
        answer = last_object(text)
        if answer is None:
            return Grade(score=0.0, passed=False, parsed=False, detail="no JSON object that is whole")
        given = {name: _given(answer.get(name), value) for name, value in example.expected.items()}
        counts = {name: _count(values, given[name], rules.get(name, _Rule())) for name, values in due.items()}
        wrong = [name for name, count in counts.items() if count.extra or count.missing]
        faults = [
            f"{name}: {checks.shown(answer.get(name))} instead of {checks.shown(example.expected[name])}" for name in wrong
        ]
        return Grade(score=_f1(counts.values()), passed=not wrong, detail="; ".join(faults[:5]) or None)

    return grade


def _rule(name: str, option: Any) -> _Rule:
    """The comparison that the user asks for by a type or a mapping."""
    where = f"fields.{name}"
    stated = checks.mapping(where, {"type": option} if isinstance(option, str) else option, _OPTIONS)
    return _Rule(
        type=checks.one_of(f"{where}.type", stated["type"], (*_SCALARS, "list")) if "type" in stated else None,
        items=checks.one_of(f"{where}.items", stated["items"], _SCALARS) if "items" in stated else None,
        tolerance=checks.tolerance(f"{where}.tolerance", stated.get("tolerance", 0)),
        relative_tolerance=checks.tolerance(f"{where}.relative_tolerance", stated.get("relative_tolerance", 0)),
        day_first=checks.flag(f"{where}.day_first", stated["day_first"]) if "day_first" in stated else None,
    )


def _all_due(example: Example, rules: Mapping[str, _Rule]) -> dict[str, list[tuple[str, _Value]]]:
    """The values that are due per field, each with its type; HarnessError where one has no type or not that of its rule."""
    expected = example.expected
    if not isinstance(expected, dict) or not expected:
        raise checks.wrong_expected(example, "fields", _NEEDED)
    all_due = {}
    for name, value in expected.items():
        due = _due(value, rules.get(name, _Rule()))
        if due is None:
            raise checks.wrong_expected(example, "fields", f"{_NEEDED}, and {name!r} is not")
        all_due[name] = due
    return all_due


def _due(expected: Any, rule: _Rule) -> list[tuple[str, _Value]] | None:
    """No value for null, one for a scalar, one per item of a list; None for what the rule does not allow."""
    if expected is None or (isinstance(expected, str) and not expected.strip()):
        return []
    in_list = isinstance(expected, list)
    if rule.type is not None and in_list != (rule.type == "list"):
        return None
    due = []
    for item in expected if in_list else [expected]:
        kind = (rule.items if in_list else rule.type) or _type(item)
        value = _read(item, kind, rule.day_first)
        if kind is None or value is None:
            return None
        due.append((kind, value))
    return due


def _type(value: Any) -> str | None:
    """The type that follows from an expected value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "date" if _ISO_DAY.fullmatch(value) and day(value) else "string"
    return "number" if isinstance(value, (int, float)) else None


def _given(value: Any, expected: Any) -> list[Any]:
    """The values that the answer gives where this one is expected: none for what says null, else one, or the items of a list.

    A list counts as one wrong value where a scalar is due, and a scalar as a list of one.
    """
    word = value.strip().casefold() if isinstance(value, str) else value
    says_null = word in ("", *_NULL_WORDS) and not (isinstance(expected, str) and expected.strip().casefold() in _NULL_WORDS)
    if value is None or says_null:
        return []
    return value if isinstance(value, list) and (expected is None or isinstance(expected, list)) else [value]


def _count(due: list[tuple[str, _Value]], given: list[Any], rule: _Rule) -> _Count:
    """Pairs the values that are due with those that are given, in any order, each of them once."""
    unpaired = given[:_MOST_ITEMS]
    for kind, value in due:
        pair = next((i for i, other in enumerate(unpaired) if _equal(kind, value, other, rule)), None)
        if pair is not None:
            del unpaired[pair]
    right = min(len(given), _MOST_ITEMS) - len(unpaired)
    return _Count(right, extra=len(given) - right, missing=len(due) - right)


def _equal(kind: str, due: _Value, given: Any, rule: _Rule) -> bool:
    """Whether what the answer gives is the value that is due."""
    value = _read(given, kind, rule.day_first)
    if not isinstance(due, tuple) or not isinstance(value, tuple):
        return value == due
    number = converted(*value, due[1])
    return number is not None and abs(number - due[0]) <= max(rule.tolerance, rule.relative_tolerance * abs(due[0]))


def _read(value: Any, kind: str | None, day_first: bool | None) -> _Value | None:
    """A JSON value as a value of that type; None where it is none."""
    if kind == "number":
        return _number(value)
    if kind == "bool":
        return _TRUTHS.get(str(value).strip().casefold()) if isinstance(value, (bool, str)) else None
    if kind == "date":
        return day(value, day_first) if isinstance(value, str) else None
    return _plain(str(value)) if isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool) else None


def _number(value: Any) -> tuple[Decimal, Unit | None] | None:
    """A finite number, or text that is one number, with its unit."""
    number, unit = value, None
    if isinstance(value, str):
        quantity = alone(value)
        number, unit = (quantity.number, quantity.unit) if quantity is not None else (None, None)
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        return None
    exact = Decimal(str(number))
    return (exact, unit) if exact.is_finite() and abs(exact.adjusted()) <= _HIGHEST_POWER else None


def _plain(text: str) -> str:
    """Text without what makes no difference."""
    return " ".join(_SOFT.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())


def _f1(counts: Iterable[_Count]) -> float:
    totals = [(2 * count.right, count.extra + count.missing) for count in counts]
    right, wrong = sum(right for right, _ in totals), sum(wrong for _, wrong in totals)
    return right / (right + wrong) if right + wrong else 1.0
