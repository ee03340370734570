"""Mooncake's JSON lines: `timestamp` in ms, `input_length` and `output_length` in tokens, `hash_ids` of the prompt's blocks.

A block is 512 tokens and the last one what is left, so a prompt has exactly as many ids as blocks. An id stands for its block
and all that comes before it: two requests that share it share the prompt up to its end.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.workload import trace_row
from harness.workload.datasets import jsonl
from harness.workload.trace_row import BLOCK_TOKENS, Traced

COLUMNS = ("timestamp", "input_length", "output_length", "hash_ids")


def fits(path: Path, first: str) -> bool:  # noqa: ARG001
    return first.startswith("{") and all(f'"{name}"' in first for name in COLUMNS)


def read(path: Path) -> Iterator[Traced]:
    """Requests in file order; `HarnessError` names the line and value that cannot be used."""
    first_ms = None
    for line, row in jsonl.read(path):
        where = f"{path.name}:{line}"
        at_ms = trace_row.amount(row, "timestamp", where)
        first_ms = at_ms if first_ms is None else first_ms
        length = trace_row.tokens(row, "input_length", where)
        yield Traced(
            at_s=(at_ms - first_ms) / 1000,
            input_tokens=length,
            output_tokens=trace_row.tokens(row, "output_length", where),
            blocks=_blocks(row, length, where),
        )


def _blocks(row: Mapping[str, Any], length: int, where: str) -> tuple[int, ...]:
    ids = trace_row.value(row, "hash_ids", where)
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        remedy = "a list of whole numbers, [] for a prompt that shares nothing"
        raise HarnessError(f"hash_ids is {str(ids)[:60]}", where=where, remedy=remedy)
    expected = -(-length // BLOCK_TOKENS)
    if ids and len(ids) != expected:
        what = f"{len(ids)} hash_ids for {length} tokens, which are {expected} blocks of {BLOCK_TOKENS}"
        raise HarnessError(
            what, where=where, remedy=f"one id for every {BLOCK_TOKENS} tokens begun, or []; no other block size"
        )
    return tuple(ids)
