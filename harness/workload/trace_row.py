"""One request of a trace, and the fields of its row as numbers, whether the file holds text (CSV) or numbers (JSON).

A field that is missing, no number, negative, not finite or absurd is refused with its place: a guess would be sent as load.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, nearest
from harness.records import Frozen
from harness.workload.datasets import csv

BLOCK_TOKENS = 512  # of Mooncake's published traces
MOST_TOKENS = 10_000_000  # more than any model takes; a prompt is made in a worker's memory


class Traced(Frozen, frozen=True):
    """When a request came and how long it was, never what it said.

    at_s           from the first request of the file or, once loaded, from the beginning of the window
    input_tokens   of the prompt, and output_tokens of the answer; None where the trace does not know
    blocks         ids of the prompt's blocks of `BLOCK_TOKENS`, the last one shorter; () where the trace does not know
    number         place in the order of the file, from 1, once loaded: tells apart requests that are alike in all else
    """

    at_s: float
    input_tokens: int | None
    output_tokens: int | None
    blocks: tuple[int, ...] = ()
    number: int = 0


def value(row: Mapping[str, Any], name: str, where: str) -> Any:
    """What the row has under this name; `HarnessError` lists what it has where there is none."""
    if name not in row:
        raise HarnessError(f"no column {name!r}", where=where, remedy=nearest(name, row))
    return row[name]


def amount(row: Mapping[str, Any], name: str, where: str) -> float:
    """A number that is finite and not negative, in whatever unit the column has."""
    found = value(row, name, where)
    number = _number(found)
    if number is None or not math.isfinite(number) or number < 0:
        raise HarnessError(f"{name} is {found!r}", where=where, remedy="a number, finite and not negative")
    return number


def tokens(row: Mapping[str, Any], name: str, where: str) -> int:
    """A count of tokens: as `amount`, and whole."""
    number = amount(row, name, where)
    if not number.is_integer():
        raise HarnessError(f"{name} is {row[name]!r}", where=where, remedy="a whole number of tokens")
    return sane(int(number), name, where)


def sane(count: int, name: str, where: str) -> int:
    """A count of tokens that some request may have; `HarnessError` for one that would fill a worker's memory."""
    if count > MOST_TOKENS:
        remedy = f"at most {MOST_TOKENS:,} tokens: mend the row, or leave it out"
        raise HarnessError(f"{name} is {count:,}", where=where, remedy=remedy)
    return count


def titled(first: str, columns: Collection[str]) -> bool:
    """Whether the first line of a CSV file names all these columns."""
    return set(columns) <= {_bare(name) for name in first.split(",")}


def table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with their lines, without the blanks that some writers put round names and values."""
    for line, row in csv.read(path):
        bare = {_bare(name): _bare(each) for name, each in row.items()}
        if len(bare) < len(row):
            what = f"two columns have the same name but for blanks: {', '.join(map(repr, row))}"[:200]
            raise HarnessError(what, where=path.name, remedy="rename one of them")
        yield line, bare


def _bare(field: str) -> str:
    return field.strip().strip('"').strip()


def _number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        # Subtle: Python reads "1_000" as a number, and no writer of traces means it so.
        return None if isinstance(found, str) and "_" in found else float(found)
    except (ValueError, OverflowError):
        return None
