"""The truth file: lines wait for idle moments, none is lost, and what cannot be written is said."""

import json
from pathlib import Path

import msgspec
import pytest

from harness.errors import StorageError
from harness.simulator.truth import BACKLOG, SLICE, Delivery, TruthFile

LINE = Delivery(
    candidate="a",
    n=1,
    status=200,
    aborted=False,
    example=None,
    right=None,
    finish="stop",
    prompt_tokens=1,
    cached_tokens=0,
    completion_tokens=2,
    reasoning_tokens=0,
    received_ns=1,
    sent_ns=[2, 3],
    late_ns=[0, 0],
    chunk_tokens=[1, 1],
    blocked=0,
    done_ns=4,
)


def lines(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def numbered(n: int) -> Delivery:
    return msgspec.structs.replace(LINE, n=n)


def test_lines_are_written_in_slices_when_asked(tmp_path: Path) -> None:
    """Nothing is written while sending goes on; each idle moment writes a slice and says whether there is more."""
    path = tmp_path / "truth.jsonl"
    truth = TruthFile(path)
    for n in range(SLICE + 1):
        truth.add(numbered(n))
    assert [] == lines(path)
    assert truth.write_some()
    assert list(range(SLICE)) == lines(path)
    assert not truth.write_some()
    truth.close()
    assert list(range(SLICE + 1)) == lines(path)


def test_without_idle_moments_memory_is_bounded(tmp_path: Path) -> None:
    """Past the backlog a new line writes a slice of old ones."""
    path = tmp_path / "truth.jsonl"
    truth = TruthFile(path)
    for n in range(BACKLOG + SLICE):
        truth.add(numbered(n))
    assert list(range(SLICE)) == lines(path)
    truth.close()
    assert list(range(BACKLOG + SLICE)) == lines(path)


def test_a_line_has_every_field(tmp_path: Path) -> None:
    """What was written decodes to what was meant."""
    path = tmp_path / "truth.jsonl"
    truth = TruthFile(path)
    truth.add(LINE)
    truth.close()
    assert LINE == msgspec.json.decode(path.read_bytes(), type=Delivery)


def test_without_a_path_nothing_is_kept() -> None:
    """The truth can be left out."""
    truth = TruthFile(None)
    truth.add(LINE)
    assert not truth.write_some()
    truth.close()


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """At the start where the folder is missing, later where the disk is full; the file is named."""
    with pytest.raises(StorageError, match="No such file"):
        TruthFile(tmp_path / "missing" / "truth.jsonl")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this platform has no /dev/full")
    truth = TruthFile(full)
    truth.add(LINE)
    with pytest.raises(StorageError, match="No space left") as failure:
        truth.write_some()
    assert "/dev/full" == failure.value.where
    truth.close()


def test_it_goes_on_after_a_line_that_was_torn(tmp_path: Path) -> None:
    """A later simulator of the same run appends, and what a killed one left unfinished spoils no line of its."""
    path = tmp_path / "truth.jsonl"
    for n in (1, 2):
        truth = TruthFile(path, goes_on=True)
        truth.add(numbered(n))
        truth.close()
    assert [1, 2] == lines(path)
    with path.open("ab") as torn:
        torn.write(b'{"candidate":"a","n')
    truth = TruthFile(path, goes_on=True)
    truth.add(numbered(3))
    truth.close()
    written = path.read_bytes().splitlines()
    assert [b'{"candidate":"a","n'] == written[2:3]
    assert 3 == msgspec.json.decode(written[3], type=Delivery).n
