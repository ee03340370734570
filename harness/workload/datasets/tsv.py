"""Tab-separated values: as `csv`, with a tab between the fields."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.workload.datasets import csv


def read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `csv.read`."""
    return csv.read(path, delimiter="\t")
