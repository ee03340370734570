"""What is missing from journals, worker by worker: counted exactly, and INVALID where nothing explains it."""

from pathlib import Path

import fabricated
import msgspec
import pytest

from harness import results
from harness.errors import InvalidRunError
from harness.journal_log import LineLog, read_lines
from harness.last_word import LastWord
from harness.records import AttemptStart, Finding, JournalLine
from harness.results import Run

LOST = Finding(code="worker_lost", what="worker 1 fell silent", why="", remedy="", invalid=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two workers, each of which has one user."""
    return fabricated.write(tmp_path / "run", [fabricated.Candidate("alpha")], levels=(2,), seconds=10)


def lines(run: Path, worker: int) -> list[bytes]:
    return (run / f"journal-{worker}.jsonl").read_bytes().splitlines(keepends=True)


def write(run: Path, worker: int, kept: list[bytes]) -> None:
    (run / f"journal-{worker}.jsonl").write_bytes(b"".join(kept))


def state(run: Path, state: str, *findings: Finding) -> None:
    manifest = msgspec.structs.replace(results.read_manifest(run), state=state, findings=findings)
    results.write_manifest(run, manifest)


def said(run: Run) -> dict[str, tuple[str, bool]]:
    return {finding.code: (finding.what, finding.invalid) for finding in run.findings}


def until_an_end(run: Path, worker: int) -> tuple[list[bytes], int]:
    """The lines of a worker that was killed before its last but one end line, and how many requests it had begun."""
    every = lines(run, worker)
    ends = [number for number, line in enumerate(every) if b'"t":"end"' in line]
    kept = every[: ends[-2]]
    return kept, sum(b'"t":"start"' in line for line in kept)


def test_a_whole_run_lacks_nothing(run: Path) -> None:
    """Every journal ends with its worker's last word, and nothing is said."""
    assert {} == said(results.read_run(run))


def test_a_killed_worker_explains_what_it_left(run: Path) -> None:
    """One request without an end, and half a line: told for that worker, and the run is INVALID by its loss alone."""
    kept, begun = until_an_end(run, 1)
    write(run, 1, [*kept, lines(run, 1)[len(kept)][:-20]])
    state(run, "degraded", LOST)
    found = results.read_run(run)
    what = f"not all that was done was written down: worker 1: 1 of {begun} requests have no end, its journal stops short"
    assert {"worker_lost": (LOST.what, True), "attempts_lost": (what, False)} == said(found)
    assert (0, 1) == (found.torn, sum(each.end is None for each in found.attempts))


def test_a_killed_master_explains_it_too(run: Path) -> None:
    """The run has no end, which says that the journals may have none."""
    kept, begun = until_an_end(run, 0)
    write(run, 0, [*kept, b'{"t":"end","id":"0-'])
    state(run, "running")
    found = said(results.read_run(run))
    assert {"not_finished", "attempts_lost"} == found.keys()
    assert (f"not all that was done was written down: worker 0: 1 of {begun} requests have no end", False) == found[
        "attempts_lost"
    ]


def test_nothing_explains_a_journal_that_was_cut_afterwards(run: Path) -> None:
    """At the end of a line, so that no line is torn: the last word is missing all the same, and the run is INVALID."""
    write(run, 0, lines(run, 0)[:-1])
    assert {"attempts_lost": ("not all that was done was written down: worker 0: its journal stops short", True)} == said(
        results.read_run(run)
    )


def test_one_lost_worker_does_not_explain_two_cut_journals(run: Path) -> None:
    """Worker 1 was lost, and the copy of worker 0's journal is not whole: a torn last line is torn."""
    for worker in (0, 1):
        kept, _ = until_an_end(run, worker)
        write(run, worker, [*kept, b'{"t":"end"'])
    state(run, "degraded", LOST)
    found = said(results.read_run(run))
    assert ("2 journal lines cannot be read back", True) == found["torn_lines"]
    assert found["attempts_lost"][1]


def test_lines_that_were_taken_out(run: Path) -> None:
    """The last word counts what its worker began, so two attempts less are seen, and so is one end less."""
    every = lines(run, 0)
    ids = [line.id for line in read_lines(run / "journal-0.jsonl", JournalLine) if isinstance(line, AttemptStart)]
    gone = [b'"id":"%b"' % id_.encode() for id_ in ids[1:3]]
    kept = [line for line in every if not any(each in line for each in gone)]
    kept = [line for line in kept if not (b'"t":"end"' in line and b'"id":"%b"' % ids[5].encode() in line)]
    write(run, 0, kept)
    what = f"worker 0: 1 of {len(ids) - 2} requests have no end, 2 requests are not in its journal"
    assert {"attempts_lost": (f"not all that was done was written down: {what}", True)} == said(results.read_run(run))


def test_a_torn_line_in_the_middle_is_torn(run: Path) -> None:
    """Whoever was lost: a line that others follow was once whole, or a disk was full."""
    every = lines(run, 1)
    middle = len(every) // 2
    write(run, 1, [*every[:middle], every[middle][:-9] + b"\n", *every[middle + 1 :]])
    state(run, "degraded", LOST)
    assert ("1 journal lines cannot be read back", True) == said(results.read_run(run))["torn_lines"]


@pytest.mark.parametrize("data", [b"", b'{"t":"head","v":1'], ids=["empty", "half a head"])
def test_a_worker_that_wrote_no_line_is_missing(data: bytes, run: Path) -> None:
    """It is not taken for one that had nothing to do."""
    write(run, 1, [data])
    assert "1 of 2 journals are not here" == said(results.read_run(run))["journal_missing"][0]


def told(run: Path, worker: int) -> None:
    """Write its journal again, as a worker does: the last line says how many stand before it."""
    *every, last = read_lines(run / f"journal-{worker}.jsonl", JournalLine)
    (run / f"journal-{worker}.jsonl").unlink()
    log = LineLog(run / f"journal-{worker}.jsonl")
    for record in every:
        log.write(record)
    log.write(LastWord(last.started, last.ended, log.lines))
    log.close()


@pytest.mark.parametrize("kind", [b'"t":"block"', b'"t":"health"'])
def test_a_line_that_was_taken_out_is_missed(run: Path, kind: bytes) -> None:
    """Of any kind, though no attempt lacks its own; a journal that is as it was written lacks nothing."""
    told(run, 0)
    assert {} == said(results.read_run(run))
    every = lines(run, 0)
    place = next(number for number, line in enumerate(every) if kind in line)
    write(run, 0, every[:place] + every[place + 1 :])
    assert ("1 lines that journals tell of are not in them", True) == said(results.read_run(run))["lines_missing"]


def test_a_line_that_was_put_in_is_refused(run: Path) -> None:
    """A finding, say, that nobody found."""
    told(run, 0)
    every = lines(run, 0)
    block = next(line for line in every if b'"t":"block"' in line)
    write(run, 0, [*every[:-1], block, every[-1]])
    with pytest.raises(InvalidRunError, match="1 lines more than its last line tells of"):
        results.read_run(run)
