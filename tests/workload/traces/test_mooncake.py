"""Mooncake: milliseconds, blocks, the published file, and each fault with its line."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.workload.trace_row import Traced
from harness.workload.traces import mooncake

CONVERSATIONS = Path(__file__).parents[3] / "../shared/data/traces/mooncake_conversation_first1000.jsonl"


def _written(folder: Path, *rows: str) -> Path:
    (folder / "m.jsonl").write_text("\n".join(rows) + "\n")
    return folder / "m.jsonl"


def test_rows_are_requests_with_blocks(tmp_path: Path) -> None:
    """Milliseconds become seconds from the first row, and ids are kept in their order."""
    path = _written(
        tmp_path,
        '{"timestamp": 27000, "input_length": 655, "output_length": 52, "hash_ids": [46, 47]}',
        '{"timestamp": 27482.5, "input_length": 512, "output_length": 0, "hash_ids": [46]}',
        '{"timestamp": 30000, "input_length": 900, "output_length": 1, "hash_ids": []}',
    )
    expected = [Traced(0.0, 655, 52, (46, 47)), Traced(0.4825, 512, 0, (46,)), Traced(3.0, 900, 1)]
    assert expected == list(mooncake.read(path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"timestamp": -1, "input_length": 1, "output_length": 1, "hash_ids": [1]}', "m.jsonl:1: timestamp is -1"),
        ('{"timestamp": "1", "input_length": null, "output_length": 1, "hash_ids": []}', "m.jsonl:1: input_length is None"),
        ('{"timestamp": 1, "input_length": 1, "output_length": 1.5, "hash_ids": [1]}', "m.jsonl:1: output_length is 1.5"),
        ('{"timestamp": 1, "input_length": 1, "output_length": 1}', "m.jsonl:1: no column 'hash_ids'\n  allowed: input_length"),
        (
            '{"timestamp": 1, "input_length": 1, "output_length": 1, "hash_ids": 7}',
            "m.jsonl:1: hash_ids is 7\n  a list of whole",
        ),
        ('{"timestamp": 1, "input_length": 1, "output_length": 1, "hash_ids": [true]}', "m.jsonl:1: hash_ids is [True]"),
        (
            '{"timestamp": 1, "input_length": 513, "output_length": 1, "hash_ids": [1]}',
            "m.jsonl:1: 1 hash_ids for 513 tokens, which are 2 blocks of 512\n  one id for every 512 tokens begun, or []",
        ),
        (
            '{"timestamp": 1, "input_length": 512, "output_length": 1, "hash_ids": [1, 2]}',
            "m.jsonl:1: 2 hash_ids for 512 tokens",
        ),
        ('{"timestamp": 1,', "m.jsonl:1: Input data was truncated"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: str, message: str) -> None:
    """Bad numbers, ids of another block size and broken JSON are refused with their line."""
    with pytest.raises(HarnessError) as caught:
        list(mooncake.read(_written(tmp_path, row)))
    assert str(caught.value).startswith(message)


@pytest.mark.skipif(not CONVERSATIONS.is_file(), reason="needs ../shared/data/traces")
def test_the_published_trace_is_read_whole() -> None:
    """The first 1,000 conversations over 330 s: not a row, token or block lost."""
    found = list(mooncake.read(CONVERSATIONS))
    assert (1000, 0.0, 330.0) == (len(found), found[0].at_s, found[-1].at_s)
    assert (13_732_944, 349_357) == (
        sum(each.input_tokens or 0 for each in found),
        sum(each.output_tokens or 0 for each in found),
    )
    assert (27_305, 21_514) == (
        sum(len(each.blocks) for each in found),
        len({block for each in found for block in each.blocks}),
    )
