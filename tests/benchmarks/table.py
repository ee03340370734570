"""The tables that the benchmarks print, and under which circumstances they were made."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata

VERSIONS = ("signoff", "locust", "gevent", "httptools", "msgspec", "numpy")


def circumstances() -> str:
    """Date, machine, versions, load average: a figure without them is hearsay."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {os.cpu_count()} cores"
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average {load}\n{machine}\n{versions}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool = False) -> str:
    """Right-aligned columns under their heads, or a table of Markdown."""
    if markdown:
        return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---", *["---:"] * (len(head) - 1)], *rows))
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *rows))


def middle(values: Iterable[float | None]) -> float | None:
    """The median of those that are known; None where nothing was measured."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def figure(value: float | None) -> str:
    """Three or more digits; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def medians(rounds: Iterable[Sequence[float | None]]) -> list[str]:
    """The median of each column."""
    return [figure(middle(column)) for column in zip(*rounds, strict=True)]


def verdicts(said: Sequence[str]) -> str:
    """What the rounds say of themselves: one word where they agree, else each."""
    return said[0] if len(set(said)) == 1 else "; ".join(said)
