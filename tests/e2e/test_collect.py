"""`signoff report RUN --collect DIR`: what a worker elsewhere kept comes into the run, and nothing else does."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from screen import Done

from harness import claim, results
from harness.worker_host import WorkerHost

JOURNAL, ANSWERS = "journal-000.jsonl", "answers-000.jsonl"


@pytest.fixture
def kept(run_dir: Path, tmp_path: Path) -> Path:
    """The whole run, as the folder of a worker elsewhere."""
    return shutil.copytree(run_dir, tmp_path / "kept" / run_dir.name)


@pytest.fixture
def cut(run_dir: Path, tmp_path: Path) -> Path:
    """The same run at its master, to whom half of the journal and none of the answers have come."""
    run = shutil.copytree(run_dir, tmp_path / "runs" / run_dir.name)
    told = {name: (run / name).stat().st_size for name in (JOURNAL, ANSWERS)}
    attempts = len(results.read_run(run).attempts)
    there = WorkerHost(worker=0, host="b", own=True, told=told, started=attempts, most=attempts + 7)
    results.write_manifest(run, msgspec.structs.replace(results.read_manifest(run), hosts=(there,)))
    lines = (run / JOURNAL).read_bytes().splitlines(keepends=True)
    (run / JOURNAL).write_bytes(b"".join(lines[: len(lines) // 2]))
    (run / ANSWERS).unlink()
    return run


def said(run: Path) -> list[str]:
    return [f"{each.what}. {each.remedy}" for each in results.read_run(run).findings if each.code == "journal_undelivered"]


def test_what_is_missing_is_counted_and_brought(kept: Path, cut: Path, run_dir: Path, here: Callable[..., Done]) -> None:
    """The report says how much is missing, --collect brings it, and then every figure is that of the whole run."""
    bytes_ = sum((kept / name).stat().st_size for name in (JOURNAL, ANSWERS)) - (cut / JOURNAL).stat().st_size
    attempts = len(results.read_run(kept).attempts) - len(results.read_run(cut).attempts)
    (one,) = said(cut)
    assert (
        f"on b kept a journal of its own, of which at least {bytes_:,} bytes, with {attempts:,} attempts, are not here" in one
    )
    assert f"; at most {attempts + 7:,} that were sent are missing. " in one
    assert f"--collect FOLDER`, with that worker's folder: {run_dir.name} in its --out" in one
    assert 4 == here("report", cut, cwd=cut).code
    done = here("report", cut, "--collect", kept, cwd=cut)
    assert f"brought {ANSWERS}, {JOURNAL} from" in done.err
    assert [] == said(cut)
    for name in (JOURNAL, ANSWERS):
        assert (run_dir / name).read_bytes() == (cut / name).read_bytes()
    whole = msgspec.json.decode((run_dir / results.SUMMARY).read_bytes())
    brought = msgspec.json.decode((cut / results.SUMMARY).read_bytes())
    assert whole["endpoints"] == brought["endpoints"]
    assert whole["findings"] == brought["findings"]


def test_a_second_time_changes_nothing(kept: Path, cut: Path, here: Callable[..., Done]) -> None:
    """The same folder again is no mistake."""
    here("report", cut, "--collect", kept, cwd=cut)
    before = {path.name: path.read_bytes() for path in cut.iterdir()}
    assert "nothing new in" in here("report", cut, "--collect", kept, cwd=cut).err
    assert before == {path.name: path.read_bytes() for path in cut.iterdir()}


def test_nothing_but_journals_and_answers_is_taken(kept: Path, cut: Path, here: Callable[..., Done]) -> None:
    """Not the manifest, not grades, not what else lies there."""
    (kept / results.SCORES).write_text("altered")
    (kept / "locust.log").write_text("altered")
    (kept / "other.txt").touch()
    here("report", cut, "--collect", kept, cwd=cut)
    assert not (cut / "other.txt").exists()
    assert [] == [path for path in cut.iterdir() if path.read_bytes() == b"altered"]


def test_answers_that_were_purged_later_are_no_doubt(kept: Path, cut: Path, here: Callable[..., Done]) -> None:
    """They had come."""
    here("report", cut, "--collect", kept, cwd=cut)
    (cut / ANSWERS).unlink()
    assert [] == said(cut)


def test_a_last_word_that_did_not_come_is_a_doubt(kept: Path, cut: Path) -> None:
    """All that it told of is here, and nobody knows what it wrote then."""
    for name in (JOURNAL, ANSWERS):
        shutil.copy(kept / name, cut / name)
    (one,) = said(cut)
    assert "its last word has not come" in one
    assert "; at most 7 that were sent are missing. " in one


def test_who_was_killed_with_the_master_is_bounded_by_nothing(kept: Path, cut: Path) -> None:
    """The manifest of a run that did not come to its end is older than what was told last."""
    results.write_manifest(cut, msgspec.structs.replace(results.read_manifest(cut), state="running"))
    (one,) = said(cut)
    assert "at most" not in one


def test_a_run_that_goes_on_is_left_alone(kept: Path, cut: Path, here: Callable[..., Done]) -> None:
    """Its master writes the same files."""
    before = (cut / results.MANIFEST).read_bytes()
    lock = claim.claim_collecting(cut)
    done = here("report", cut, "--collect", kept, cwd=cut)
    assert (2, True) == (done.code, "this run is going on" in done.err), done.err
    assert (before, False) == ((cut / results.MANIFEST).read_bytes(), (cut / ANSWERS).exists())
    os.close(lock)
    assert "brought" in here("report", cut, "--collect", kept, cwd=cut).err


def altered(kept: Path, _: Path) -> None:
    data = (kept / JOURNAL).read_bytes()
    (kept / JOURNAL).write_bytes(data[:40] + b"?" + data[41:])


def shorter(kept: Path, cut: Path) -> None:
    data = (cut / JOURNAL).read_bytes()
    (kept / JOURNAL).write_bytes(data[:-10])


def of_another_run(kept: Path, _: Path) -> None:
    results.write_manifest(kept, msgspec.structs.replace(results.read_manifest(kept), run_id="20200101T000000Z_tiny"))


def empty(kept: Path, _: Path) -> None:
    for name in (JOURNAL, ANSWERS):
        (kept / name).unlink()


def no_run(kept: Path, _: Path) -> None:
    (kept / results.MANIFEST).unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (altered, 2, "differs from the run's own file before that ends"),
        (shorter, 2, "the run's own file has more"),
        (of_another_run, 2, "a folder of the run 20200101T000000Z_tiny, and this is"),
        (empty, 2, "no journal is here"),
        (no_run, 6, "no manifest.json: not a run directory"),
    ],
)
def test_what_does_not_fit_is_refused(
    spoil: Callable[[Path, Path], None], code: int, words: str, kept: Path, cut: Path, here: Callable[..., Done]
) -> None:
    """With a reason, and before anything is written."""
    spoil(kept, cut)
    before = {path.name: path.read_bytes() for path in cut.iterdir()}
    done = here("report", cut, "--collect", kept, cwd=cut)
    assert (code, True) == (done.code, words in done.err), done.err
    assert before == {path.name: path.read_bytes() for path in cut.iterdir()}


def test_it_is_for_one_run(kept: Path, cut: Path, here: Callable[..., Done]) -> None:
    """Neither for several, nor of the run itself."""
    assert "--collect with several runs" in here("report", cut, kept, "--collect", kept, cwd=cut).err
    assert "this is the run itself" in here("report", cut, "--collect", cut, cwd=cut).err
