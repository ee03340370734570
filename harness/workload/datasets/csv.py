"""Comma-separated values with a header line, UTF-8 with or without byte order mark, quoted as Excel and pandas write them.

Quoting is strict: a stray quote is an error, because the lenient reading silently swallows the rows up to the next quote.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

_FIELD_CHARS = 16 << 20  # the library's own limit of 128 Ki is less than a long contract


def read(path: Path, delimiter: str = ",") -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by the header's names, with the 1-based line on which each begins; `HarnessError` names a line that does not fit."""
    csv.field_size_limit(_FIELD_CHARS)
    lines = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        header = _header(next((names for names in lines if any(map(str.strip, names))), []), f"{path.name}:{lines.line_num}")
        begins = lines.line_num + 1
        for fields in lines:
            if fields:
                yield begins, _row(header, fields, f"{path.name}:{begins}")
            begins = lines.line_num + 1
    except csv.Error as broken:
        remedy = 'quote a field that holds a quote, delimiter or line end, and double the quotes in it: "say ""yes"""'
        raise HarnessError(f"the row that begins here: {broken}", where=f"{path.name}:{begins}", remedy=remedy) from broken


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        line = data.count(b"\n", 0, broken.start) + 1
        raise HarnessError("is not UTF-8", where=f"{path.name}:{line}", remedy="save it as UTF-8") from broken


def _header(names: Sequence[str], where: str) -> Sequence[str]:
    repeated = next((each for each in names if names.count(each) > 1), None)
    if repeated is not None:
        raise HarnessError(f"two columns are called {repeated!r}", where=where, remedy="rename one of them")
    return names


def _row(header: Sequence[str], fields: Sequence[str], where: str) -> dict[str, Any]:
    if len(fields) != len(header):
        excerpt = " | ".join(fields)[:60]
        what = f"{len(fields)} fields under {len(header)} columns, in {excerpt!r}"
        raise HarnessError(what, where=where, remedy="a delimiter or quote is missing, or one is too many")
    return dict(zip(header, fields, strict=True))
