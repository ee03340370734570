"""Azure's public traces of LLM inference, 2023 and 2024: CSV of `TIMESTAMP,ContextTokens,GeneratedTokens`, a row per request.

TIMESTAMP is a date and time to 100 ns (2023) or with a time zone (2024), as +00:00, +0000, +00 or Z; without one it is UTC.
Nothing is lost of either.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import HarnessError
from harness.workload import trace_row
from harness.workload.trace_row import Traced

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")

# Seconds and their fraction apart: Python's own datetime ends at the microsecond.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)


def fits(path: Path, first: str) -> bool:  # noqa: ARG001
    return trace_row.titled(first, COLUMNS)


def read(path: Path) -> Iterator[Traced]:
    """Requests in file order; `HarnessError` names the line and value that cannot be used."""
    first_ns = None
    for line, row in trace_row.table(path):
        where = f"{path.name}:{line}"
        at_ns = _ns(trace_row.value(row, "TIMESTAMP", where), where)
        first_ns = at_ns if first_ns is None else first_ns
        yield Traced(
            at_s=(at_ns - first_ns) / 1e9,
            input_tokens=trace_row.tokens(row, "ContextTokens", where),
            output_tokens=trace_row.tokens(row, "GeneratedTokens", where),
        )


def _ns(text: str, where: str) -> int:
    """Nanoseconds since 1970."""
    found = _STAMP.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(found[1] + (found[3] or "Z"))
    except ValueError as wrong:
        remedy = "a date and time like 2023-11-16 18:15:46.6805900, UTC or with +00:00 after it"
        raise HarnessError(f"TIMESTAMP is {text!r}", where=where, remedy=remedy) from wrong
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int((found[2] or "0").ljust(9, "0"))
