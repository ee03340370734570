"""What a user can get wrong about a scorer, its options and the `expected` of an example, as errors that say what is needed."""

import reprlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from harness.errors import HarnessError, nearest
from harness.records import Example

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def wrong_expected(example: Example, scorer: str, needed: str) -> HarnessError:
    """The error for an example whose `expected` the scorer cannot compare with; `needed` says what it must be."""
    what = f"example {example.id!r}: scorer {scorer!r} cannot use expected {shown(example.expected)}"
    return HarnessError(what, where="expected", remedy=f"it must be {needed}")


def flag(name: str, value: Any) -> bool:
    """The value of an option that is true or false."""
    if not isinstance(value, bool):
        raise _wrong_option(name, value, "true or false")
    return value


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """The value of an option that is one of a few words."""
    if value not in allowed:
        raise _wrong_option(name, value, " or ".join(allowed))
    return str(value)


def tolerance(name: str, value: Any) -> Decimal:
    """The value of an option that is a number of at least 0."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise _wrong_option(name, value, "a number of at least 0")
    return number


def mapping(name: str, value: Any, allowed: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The value of an option that is a mapping from names; only from those `allowed`, where some are."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong_option(name, value, "a mapping from names")
    for key in value:
        if allowed and key not in allowed:
            raise HarnessError(f"{key!r} is no option", where=f"grading.options.{name}", remedy=nearest(key, allowed))
    return value


def shown(value: Any) -> str:
    """A value for a message: one short line, whatever a model wrote."""
    return f"{value:.20g}" if isinstance(value, Decimal) else _SHORT.repr(value)


def _wrong_option(name: str, value: Any, needed: str) -> HarnessError:
    return HarnessError(f"{shown(value)} is no {name}", where=f"grading.options.{name}", remedy=f"write {needed}")
