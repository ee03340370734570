"""What to write in place of a value of the wrong kind: the user's own value in the form that its key takes.

The rule: a remedy can be copied into the file. What cannot be guessed is `...`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Schema = Mapping[str, Any]  # of JSON Schema, with its references followed

_AMOUNT = re.compile(r"\s*\$?\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)\s*")
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "sec": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
}
_UNITS = {
    "_s": ("a number of seconds", _SECONDS),
    "minutes": ("a number of minutes", {unit: amount / 60 for unit, amount in _SECONDS.items()}),
}


def section(key: str, value: Any, schema: Schema) -> str:
    """For a section of its own keys: those that it requires, or the first that it has."""
    if "discriminator" in schema:
        kinds = list(schema["discriminator"]["mapping"])
        return f"write `{key}: {{kind: {kinds[0]}, ...}}`; kinds: {', '.join(kinds)}"
    fields: Mapping[str, Schema] = schema.get("properties", {})
    names = [*schema.get("required", ()), *fields][: max(1, len(schema.get("required", ())))]
    if not names:
        return f"write `{key}: {{NAME: value}}`"
    first = names[0]
    shown = dict.fromkeys(names, "...") | {first: _as_given(value, fields[first])}
    return f"write `{key}: {{{', '.join(f'{name}: {text}' for name, text in shown.items())}}}`"


def listed(key: str, value: Any, schema: Schema) -> str:
    """For a list: what was written, as its one item."""
    given = _as_given(value, schema.get("items", {}))
    return f"it is a list: write `{key}: [{given}]`"


def number(key: str, value: Any) -> str:
    """For a number with a unit in it, which belongs in the key's name alone."""
    amount = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    what, units = next((said for ending, said in _UNITS.items() if key.endswith(ending)), ("a number", {}))
    if amount is None:
        return f"{what}, for example 10"
    given, unit = Decimal(amount[1]), amount[2]
    if unit == "%":
        return f"a share from 0 to 1: {_plain(given / 100)}"
    return f"{what}: {_plain(given * units.get(unit, Decimal(1)))}"


def _as_given(value: Any, schema: Schema) -> str:
    """The value where it is of the field's kind, else the kind's own example."""
    kinds = _kinds(schema)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and kinds & {"number", "integer"}:
        return f"{value}"
    if isinstance(value, str) and "string" in kinds and (value in schema["enum"] if "enum" in schema else value):
        return value
    if "enum" in schema:
        return f"{schema['enum'][0]}"
    return "1" if kinds & {"number", "integer"} else "..."


def _kinds(schema: Schema) -> set[str]:
    """Types of JSON that it takes, also where one of several will do."""
    said = schema.get("type", [])
    own = {said} if isinstance(said, str) else set(said)
    return own.union(*(_kinds(option) for option in schema.get("anyOf", ())))


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
