"""`signoff score` and `signoff report` on what is no run, or no longer a whole one: nothing is passed over in silence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from screen import Done, told

from harness import results


@pytest.mark.parametrize("verb", ["score", "report"])
@pytest.mark.parametrize("place", [".", "nowhere", "a_file"])
def test_no_run_there(verb: str, place: str, tmp_path: Path, here: Callable[..., Done]) -> None:
    """A folder that is no run, one that is not there, and a file: exit 6, and nothing is written into it."""
    (tmp_path / "a_file").touch()
    done = here(verb, place, cwd=tmp_path)
    assert (6, "") == (done.code, done.out)
    told(done.err, place, "not a run directory", "runs/latest")
    assert ["a_file"] == [path.name for path in tmp_path.iterdir()]


@pytest.fixture
def damaged(run_dir: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to be damaged."""
    return shutil.copytree(run_dir, tmp_path / "run")


def _attempted(run: Path) -> int:
    summary = json.loads((run / results.SUMMARY).read_text())
    levels = [level for endpoint in summary["endpoints"].values() for level in endpoint["levels"].values()]
    return sum(level["attempts"]["attempted"] for level in levels)


def test_torn_and_flipped_lines(damaged: Path, here: Callable[..., Done]) -> None:
    """A torn last line and a flipped bit cost what they said, which is counted and told; the run is INVALID."""
    journal = damaged / "journal-000.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    ends = [index for index, line in enumerate(lines) if b'"t":"end"' in line]
    flipped = bytearray(lines[ends[-2]])
    flipped[len(flipped) // 2] ^= 1
    journal.write_bytes(b"".join([*lines[: ends[-2]], flipped, *lines[ends[-2] + 1 : ends[-1]], lines[ends[-1]][:-40]]))
    before = _attempted(damaged)
    done = here("report", damaged, cwd=damaged)
    assert 4 == done.code
    assert "2 journal lines cannot be read back" in done.out
    assert before == _attempted(damaged)
    summary = json.loads((damaged / results.SUMMARY).read_text())
    assert (2, False) == (summary["torn_lines"], summary["valid"])


def test_missing_journal(damaged: Path, here: Callable[..., Done]) -> None:
    """A run without its journal is not a run in which nothing happened."""
    (damaged / "journal-000.jsonl").unlink()
    done = here("report", damaged, cwd=damaged)
    assert 4 == done.code
    assert "1 of 1 journals are not here" in done.out


def test_missing_answers(damaged: Path, here: Callable[..., Done]) -> None:
    """Answers that are gone before they were graded are missed, not passed over."""
    (damaged / results.SCORES).unlink()
    (damaged / "answers-000.jsonl").unlink()
    done = here("score", damaged, "--quiet", cwd=damaged)
    assert 6 == done.code
    told(done.err, "answers-*.jsonl", "not graded", "signoff score")


def test_run_that_never_began(damaged: Path, here: Callable[..., Done]) -> None:
    """A report of a run that was planned and not made says so."""
    manifest = json.loads((damaged / results.MANIFEST).read_text())
    (damaged / results.MANIFEST).write_text(json.dumps({**manifest, "state": "planned"}))
    for file in damaged.glob("*.jsonl"):
        file.unlink()
    done = here("report", damaged, cwd=damaged)
    assert 4 == done.code
    assert "the run was not started" in done.out
