"""BurstGPT: both published headers, failures kept, and each fault with its line."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.workload import trace
from harness.workload.trace_row import Traced
from harness.workload.traces import burstgpt

HEADER = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def _written(folder: Path, rows: str, header: str = HEADER) -> Path:
    (folder / "b.csv").write_text(header + rows)
    return folder / "b.csv"


def test_failures_stay_requests_and_are_counted(tmp_path: Path) -> None:
    """A row with 0 response tokens is a request with 0 output tokens, and `trace.unanswered` tells how many there are."""
    rows = "5,ChatGPT,472,18,490,Conversation log\n45.5,GPT-4,1087,0,1087,API log\n45.5,GPT-4,0,0,0,API log\n"
    found = list(burstgpt.read(_written(tmp_path, rows)))
    assert [Traced(0.0, 472, 18), Traced(40.5, 1087, 0), Traced(40.5, 0, 0)] == found
    assert 2 == trace.unanswered(found)


def test_columns_of_later_releases_are_passed_over(tmp_path: Path) -> None:
    """Session ID and Elapsed time, of the second release, change nothing."""
    header = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    rows = "10,,2.5,GPT-4,7,8,15,API log\n12,s1,1,GPT-4,9,10,19,Conversation log\n"
    assert [Traced(0.0, 7, 8), Traced(2.0, 9, 10)] == list(burstgpt.read(_written(tmp_path, rows, header)))


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (HEADER, "-5,G,1,2,3,L\n", "b.csv:2: Timestamp is '-5'"),
        (HEADER, "inf,G,1,2,3,L\n", "b.csv:2: Timestamp is 'inf'"),
        (HEADER, "5,G,x,2,3,L\n", "b.csv:2: Request tokens is 'x'"),
        (HEADER, "5,G,1,2.5,3,L\n", "b.csv:2: Response tokens is '2.5'"),
        ("Timestamp,Model,Request tokens\n", "5,G,1\n", "b.csv:2: no column 'Response tokens'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, header: str, row: str, message: str) -> None:
    """Bad numbers and missing columns are refused with line, name and value."""
    with pytest.raises(HarnessError) as caught:
        list(burstgpt.read(_written(tmp_path, row, header)))
    assert str(caught.value).startswith(message)
