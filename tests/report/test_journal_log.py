"""Lines that are only appended: what is forced to disk, and what a write that fails leaves behind."""

import os
import resource
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.journal_log import LineLog, is_finished, read_lines
from harness.last_word import LastWord


def test_what_is_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder once, when the file is made; then the file's bytes, and not its times."""
    done: list[tuple[str, str]] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda fd, name=name: done.append((name, Path(f"/proc/self/fd/{fd}").readlink().name)))
    log = LineLog(tmp_path / "journal-000.jsonl")
    log.write(LastWord(1, 1))
    log.sync()
    log.close()
    assert [("fsync", tmp_path.name), ("fdatasync", "journal-000.jsonl")] == done


def test_a_line_that_did_not_fit_spoils_no_other(tmp_path: Path) -> None:
    """Half of it is there; when there is room again, the next line begins on its own, also where it is the same once more."""
    path = tmp_path / "journal-000.jsonl"
    log = LineLog(path)
    log.write(LastWord(1, 1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(StorageError, match="only 10 of"):
            log.write(LastWord(2, 2))
        assert not is_finished(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.write(LastWord(2, 2))
    log.close()
    assert is_finished(path)
    assert [LastWord(1, 1), None, LastWord(2, 2)] == list(read_lines(path, LastWord))


@pytest.mark.parametrize(("data", "finished"), [(b"", True), (b"a\n", True), (b"a\nb", False), (b"\n", True), (b"a", False)])
def test_where_a_file_ends(data: bytes, finished: bool, tmp_path: Path) -> None:
    """Only what lacks its line end was being written."""
    (tmp_path / "file").write_bytes(data)
    assert finished == is_finished(tmp_path / "file")
