"""Azure's traces: stamps to 100 ns and with zones, the published file, and each fault with its line."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.workload.trace_row import Traced
from harness.workload.traces import azure_llm

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
CONVERSATIONS = Path(__file__).parents[3] / "../shared/data/traces/AzureLLMInferenceTrace_conv_first5000.csv"


def _written(folder: Path, rows: str, header: str = HEADER) -> Path:
    (folder / "a.csv").write_text(header + rows)
    return folder / "a.csv"


def test_rows_are_requests_from_the_first(tmp_path: Path) -> None:
    """Times are seconds from the first row, across midnight and a leap day, and keep the last 100 ns."""
    rows = "2024-02-28 23:59:59.9999999,374,44\n2024-02-29 00:00:00.0000001,396,109\n2024-03-01 00:00:00,0,1\n"
    expected = [Traced(0.0, 374, 44), Traced(2e-7, 396, 109), Traced(86_400.0000001, 0, 1)]
    assert expected == list(azure_llm.read(_written(tmp_path, rows)))


def test_zones_are_heeded(tmp_path: Path) -> None:
    """The trace of 2024 has its zone in each stamp; one without is UTC."""
    rows = "2024-05-10 00:00:00.009930+00:00,1,2\n2024-05-10 02:00:01.009930+02:00,1,2\n2024-05-10T00:00:02.00993Z,1,2\n"
    rows += "2024-05-10 00:00:03.00993,1,2\n"
    assert [0.0, 1.0, 2.0, 3.0] == [each.at_s for each in azure_llm.read(_written(tmp_path, rows))]


def test_file_order_is_kept(tmp_path: Path) -> None:
    """A row before the first in time has a negative time here: sorting is not the format's."""
    rows = "2024-05-10 00:00:01,1,2\n2024-05-10 00:00:00,3,4\n"
    assert [Traced(0.0, 1, 2), Traced(-1.0, 3, 4)] == list(azure_llm.read(_written(tmp_path, rows)))


@pytest.mark.parametrize(
    "stamp",
    ["yesterday", "", "2024-13-01 00:00:00", "2024-05-10", "2024-05-10 00:00:00.", "1700000000", "2024-05-10 00:00:00+99:00"],
)
def test_a_stamp_that_is_none_is_named(tmp_path: Path, stamp: str) -> None:
    """A stamp that is no date and time is refused with its line, value and an example."""
    path = _written(tmp_path, f"2024-05-10 00:00:00,1,2\n{stamp},1,2\n")
    with pytest.raises(HarnessError) as caught:
        list(azure_llm.read(path))
    remedy = "a date and time like 2023-11-16 18:15:46.6805900, UTC or with +00:00 after it"
    assert f"a.csv:3: TIMESTAMP is {stamp!r}\n  {remedy}" == str(caught.value)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (HEADER, "2024-05-10 00:00:00,-1,2\n", "a.csv:2: ContextTokens is '-1'"),
        (HEADER, "2024-05-10 00:00:00,1,nan\n", "a.csv:2: GeneratedTokens is 'nan'"),
        (HEADER, "2024-05-10 00:00:00,1\n", "a.csv:2: 2 fields under 3 columns"),
        ("TIMESTAMP,Context,GeneratedTokens\n", "2024-05-10 00:00:00,1,2\n", "a.csv:2: no column 'ContextTokens'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, header: str, row: str, message: str) -> None:
    """Bad counts, lost fields and other columns are refused with their line."""
    with pytest.raises(HarnessError) as caught:
        list(azure_llm.read(_written(tmp_path, row, header)))
    assert str(caught.value).startswith(message)


@pytest.mark.skipif(not CONVERSATIONS.is_file(), reason="needs ../shared/data/traces")
def test_the_published_trace_is_read_whole() -> None:
    """The first 5,000 conversations of 2023: not a row or token lost, 18:15:46.68059 to 18:32:49.997574."""
    found = list(azure_llm.read(CONVERSATIONS))
    assert (5000, 0.0, 1023.316984) == (len(found), found[0].at_s, found[-1].at_s)
    assert (5_805_639, 1_287_511) == (
        sum(each.input_tokens or 0 for each in found),
        sum(each.output_tokens or 0 for each in found),
    )
