"""BurstGPT's CSV of ChatGPT and GPT-4 requests; `Timestamp` is in seconds from the first midnight, mostly whole.

A row whose `Response tokens` are 0 failed in production. It is a request with 0 output tokens: `prompts: examples` sends at its
time too, and `prompts: trace`, which would need the length of its answer, leaves it out and says how many there are.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.workload import trace_row
from harness.workload.trace_row import Traced

COLUMNS = ("Timestamp", "Request tokens", "Response tokens")  # Model, Session ID and the others are passed over


def fits(path: Path, first: str) -> bool:  # noqa: ARG001
    return trace_row.titled(first, COLUMNS)


def read(path: Path) -> Iterator[Traced]:
    """Requests in file order; `HarnessError` names the line and value that cannot be used."""
    first_s = None
    for line, row in trace_row.table(path):
        where = f"{path.name}:{line}"
        at_s = trace_row.amount(row, "Timestamp", where)
        first_s = at_s if first_s is None else first_s
        yield Traced(
            at_s=at_s - first_s,
            input_tokens=trace_row.tokens(row, "Request tokens", where),
            output_tokens=trace_row.tokens(row, "Response tokens", where),
        )
