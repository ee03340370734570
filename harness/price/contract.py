"""Prices as the user states them: the numbers of a contract, or the name of a public list price.

The rule: never both, and no number is assumed: a contract that leaves out input or output is an error.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from harness.errors import HarnessError, nearest
from harness.price import catalog
from harness.rates import Rates

_CLASSES = ("input", "output", "cached_read", "cache_write", "reasoning")
_KEYS = (*_CLASSES, "per_request", "source", "dated", "catalog")
_HIGHEST_USD = 1_000_000  # a dollar a token: more is a slip of the unit


def rates(price: Mapping[str, Any], where: str, at: date | None = None) -> Rates:
    """The rates of a price section: US dollars per 1,000,000 tokens as text or numbers, `per_request` in US dollars.

    where   file and key path of the section, for messages and as the source of a contract that names none
    at      day for a `catalog` price, unless the section is `dated` itself
    Raises HarnessError that quotes the value for everything that is not a price.
    """
    stated = {key: value for key, value in price.items() if value is not None}
    unknown = next((key for key in stated if key not in _KEYS), None)
    if unknown is not None:
        raise HarnessError(f"{unknown!r} is no part of a price", where=where, remedy=nearest(unknown, _KEYS))
    amounts = {key: _usd(stated[key], f"{where}.{key}") for key in (*_CLASSES, "per_request") if key in stated}
    dated = _day(stated["dated"], f"{where}.dated") if "dated" in stated else None
    if "catalog" in stated:
        return _listed(stated, amounts, where, dated or at)
    missing = [key for key in ("input", "output") if key not in amounts]
    if missing:
        remedy = "write USD per 1,000,000 tokens, or `catalog: provider/model` for the public list price"
        raise HarnessError(f"the price has no {' and no '.join(missing)}", where=where, remedy=remedy)
    return Rates(
        source=str(stated.get("source", where)),
        input=amounts["input"],
        output=amounts["output"],
        cached_read=amounts.get("cached_read"),
        cache_write=amounts.get("cache_write"),
        reasoning=amounts.get("reasoning"),
        per_request=amounts.get("per_request", Decimal(0)),
        dated=None if dated is None else dated.isoformat(),
    )


def _listed(stated: Mapping[str, Any], amounts: Mapping[str, Decimal], where: str, at: date | None) -> Rates:
    """The catalogue's rates, where nothing beside them is stated. A request fee of 0 states nothing."""
    ref = str(stated["catalog"])
    beside = [key for key in stated if key in _CLASSES or key == "source" or (key == "per_request" and amounts[key])]
    if beside:
        remedy = "a contract has all its own numbers: remove either these or `catalog`"
        raise HarnessError(f"catalog {ref!r} stands beside {', '.join(beside)}", where=where, remedy=remedy)
    if at is None:
        raise HarnessError(f"catalog {ref!r} has no date", where=where, remedy="write `dated: YYYY-MM-DD`")
    return catalog.lookup(ref, at, f"{where}.catalog")


def _usd(value: Any, where: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= _HIGHEST_USD:
        remedy = f"write US dollars as a number from 0 to {_HIGHEST_USD}, such as 2.50"
        raise HarnessError(f"{value!r} is no price", where=where, remedy=remedy)
    return amount


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError as unreadable:
        raise HarnessError(f"{value!r} is no day", where=where, remedy="write YYYY-MM-DD") from unreadable
