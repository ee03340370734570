"""The tables that the benchmarks print, and under which circumstances they were made."""

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata

VERSIONS = ("signoff", "locust", "gevent", "httptools", "msgspec", "numpy")


def circumstances() -> str:
    """Date, machine, versions, load average: a figure without them is hearsay."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {os.cpu_count()} cores"
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average {load}\n{machine}\n{versions}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Right-aligned columns under their heads."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *rows))


def median_of(values: Sequence[float | None]) -> str:
    """The median in three or more digits; a dash where nothing was measured."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    middle = statistics.median(known)
    return f"{middle:.0f}" if abs(middle) >= 1000 else f"{middle:.3g}"
