"""A data set's file to examples: every row checked before the first request is paid for.

A row is native (`id`, `inputs`, `expected`, ...) or flat, where every field that is not one of ours is an input. One with
`turns` is a conversation, and needs no inputs.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import plugins
from harness.errors import HarnessError, nearest
from harness.records import Example

OURS = ("id", "inputs", "expected", "reference", "cluster", "released_at", "turns")

_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples in file order, and the sha256 of the file as it stands."""

    examples: tuple[Example, ...]
    sha256: str

    @property
    def n(self) -> int:
        return len(self.examples)


def load(path: Path, format: str | None = None, columns: Mapping[str, str] | None = None) -> Dataset:  # noqa: A002
    """Read and check a whole file.

    format   a plugin of `workload/datasets`; None: the file's ending says it
    columns  our names to the file's; where given, only these are read. Names beside `OURS` become inputs
    """
    reader = plugins.load("dataset format", format or path.suffix.removeprefix("."))
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        examples = _unique(reader.read(path), columns or {}, path.name)
    except OSError as failed:
        raise HarnessError(f"cannot be read: {failed.strerror}", where=str(path)) from failed
    if not examples:
        raise HarnessError("the data set has no examples", where=str(path), remedy="one row per example")
    return Dataset(tuple(examples), digest)


def _unique(rows: Iterable[tuple[int, Mapping[str, Any]]], columns: Mapping[str, str], name: str) -> list[Example]:
    examples: list[Example] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        where = f"{name}:{line}"
        example = _example(_renamed(row, columns, where) if columns else row, len(examples) + 1, where)
        if example.id in lines:
            what = f"id {example.id!r} is here a second time; the first is on line {lines[example.id]}"
            raise HarnessError(what, where=where, remedy="ids join answers to examples: make them unique")
        lines[example.id] = line
        examples.append(example)
    return examples


def _renamed(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> dict[str, Any]:
    missing = next((theirs for theirs in columns.values() if theirs not in row), None)
    if missing is not None:
        raise HarnessError(f"no column {missing!r}", where=where, remedy=nearest(missing, row))
    return {ours: row[theirs] for ours, theirs in columns.items()}


def _example(row: Mapping[str, Any], number: int, where: str) -> Example:
    inputs = row.get("inputs")
    if inputs is None:
        inputs = {name: value for name, value in row.items() if name not in OURS}
    elif not isinstance(inputs, dict):
        raise HarnessError(f"inputs is {inputs!r}", where=where, remedy="an object: what the template names, with values")
    else:
        _refuse_unknown(row, where)
    turns = _turns(row, where)
    if not inputs and not turns:
        raise HarnessError("the row has no inputs", where=where, remedy="give `prompt`, or fields that the template names")
    return Example(
        id=_id(row, number, where),
        inputs=inputs,
        expected=_present(row, "expected"),
        reference=_text(row, "reference", where),
        cluster=_text(row, "cluster", where),
        released_at=_text(row, "released_at", where),
        turns=turns,
    )


def _turns(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """What the user of a conversation says; () where the row is none."""
    turns = row.get("turns")
    if turns is None:
        return ()
    if not isinstance(turns, list) or not turns:
        remedy = 'a list of what the user says, such as ["Hello", "And then?"]; an input of that name goes under `inputs`'
        raise HarnessError(f"turns is {turns!r}", where=where, remedy=remedy)
    for number, said in enumerate(turns, 1):
        if not isinstance(said, str) or not said.strip():
            raise HarnessError(f"turn {number} of `turns` is {said!r}", where=where, remedy="a text that is not blank")
    return tuple(turns)


def _refuse_unknown(row: Mapping[str, Any], where: str) -> None:
    unknown = next((name for name in row if name not in OURS), None)
    if unknown is not None:
        raise HarnessError(f"unknown key {unknown!r} beside `inputs`", where=where, remedy=nearest(unknown, OURS))


def _id(row: Mapping[str, Any], number: int, where: str) -> str:
    name = _text(row, "id", where)
    if name is None:
        return f"row-{number:04d}"
    if not _ID.fullmatch(name):
        remedy = "1 to 80 of the characters A-Z a-z 0-9 . _ -"
        raise HarnessError(f"id {name[:100]!r} cannot name an example", where=where, remedy=remedy)
    return name


def _present(row: Mapping[str, Any], name: str) -> Any:
    """The value, None where it is absent or an empty cell."""
    value = row.get(name)
    return None if value == "" else value


def _text(row: Mapping[str, Any], name: str, where: str) -> str | None:
    value = _present(row, name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise HarnessError(f"{name} is {value!r}", where=where, remedy="write it as text")
