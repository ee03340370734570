"""The same attempts in one journal and in several: every file of the report is the same, byte for byte.

What a load process says of itself (health) each of them says for itself. The figures of the client are means over the time of
all processes and the worst of any, so processes that were alike leave them as they are.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fabricated
import msgspec
import pytest
from fabricated import SECOND

from harness import results
from harness.errors import InvalidRunError
from harness.journal_log import LineLog, read_lines
from harness.last_word import LastWord
from harness.records import (
    AttemptEnd,
    AttemptStart,
    BlockMark,
    Finding,
    JournalHead,
    JournalLine,
    Manifest,
)
from harness.report.build import HLOG, HTML, SCORECARD, build
from harness.resolved import Resolved

FILES = (results.SUMMARY, SCORECARD, "joined.csv", HLOG, HTML)
FIGURES = (results.SUMMARY, SCORECARD, HLOG, HTML)
STAMPS = ("scheduled", "dispatched", "sent", "headers", "first_byte", "first_token", "first_output", "last_token", "done", "at")
SAID = (
    Finding(code="clock_step", what="the wall clock moved 3 times", why="stamps moved", remedy="run chronyd"),
    Finding(code="client_limited", what="2 connections were not opened", why="no files", remedy="raise them", invalid=True),
    Finding(code="clock_step", what="the wall clock moved 1 time", why="stamps moved", remedy="run chronyd"),
)
LOOKED_UP = (
    Resolved("b.example", 443, ("10.0.0.2", "10.0.0.1"), 3_000_000),
    Resolved("a.example", 443, ("10.0.0.9",), 1_000_000),
    Resolved("b.example", 443, ("10.0.0.3",), 9_000_000),
)
Deal = Callable[[int, int], int]  # (which attempt, how many workers) -> its worker
DEALS: dict[str, Deal] = {
    "in turn": lambda number, count: number % count,
    "at random": lambda number, count: random.Random(f"{number}/{count}").randrange(count),
    "in lumps": lambda number, count: number // 50 % count,
    "all to the last": lambda number, count: count - 1,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one worker, with gaps, failures, prices, a tie in time, look-ups and findings: `of_one` makes it from two."""
    path = tmp_path_factory.mktemp("merge") / "run"
    fabricated.write(
        path,
        [
            fabricated.Candidate("alpha", rates=fabricated.rates("2.50", "10.00")),
            fabricated.Candidate(
                "beta", ttft_s=0.35, kinds={"http_rate_limited": 0.05, "stream_truncated": 0.03}, coalesced=0.1
            ),
        ],
        levels=(4,),
        repetitions=2,
        slo=("ttft.p99 <= 800 ms",),
    )
    lines = [line for file in sorted(path.glob("journal-*")) for line in read_lines(file, JournalLine)]
    for file in path.glob("journal-*"):
        file.unlink()
    split(path, [line for line in lines if not _is_of_second(line)], 1, DEALS["in turn"])
    build(path)
    return path


def _is_of_second(line: object) -> bool:
    """Heads and last words are made anew, and what both workers said of themselves is kept once."""
    return isinstance(line, JournalHead | LastWord)


def split(path: Path, lines: Sequence[object], count: int, deal: Deal, clocks: Sequence[int] = ()) -> None:
    """These lines as journals of so many workers, whose clocks are that far ahead.

    Each has a health of its own, and all of them enter and leave a block at the moment that is recorded first.
    """
    run_id = path.name
    starts = [line for line in lines if isinstance(line, AttemptStart)]
    owner = {start.id: deal(number, count) for number, start in enumerate(starts)}
    marks = {(line.block, line.edge): line for line in reversed(lines) if isinstance(line, BlockMark)}
    health = {line.at_ns: line for line in reversed(lines) if type(line).__name__ == "Health"}
    _manifest(path, count)
    for worker in range(count):
        ahead_ns = clocks[worker] if clocks else 0
        mine = [each for each in lines if isinstance(each, AttemptStart | AttemptEnd) and owner[each.id] == worker]
        said = [each for number, each in enumerate((*LOOKED_UP, *SAID)) if number % count == worker]
        log = LineLog(path / f"journal-{worker:03d}.jsonl")
        log.write(JournalHead(v=1, run=run_id, worker=worker, pid=1, host="h", monotonic_ns=ahead_ns, wall_ns=0))
        for line in (*marks.values(), *health.values(), *mine, *said):
            log.write(shifted(line, ahead_ns))
        begun = sum(isinstance(each, AttemptStart) for each in mine)
        log.write(LastWord(begun, len(mine) - begun))
        log.close()


def shifted(line: msgspec.Struct, ahead_ns: int) -> msgspec.Struct:
    """As a clock that is ahead would have stamped it."""
    stamps = [name for each in STAMPS if (name := f"{each}_ns") in line.__struct_fields__]
    known = {name: value for name in stamps if (value := getattr(line, name)) is not None}
    return msgspec.structs.replace(line, **{name: value + ahead_ns for name, value in known.items()})


def _manifest(path: Path, workers: int) -> None:
    manifest: Manifest = results.read_manifest(path)
    results.write_manifest(path, msgspec.structs.replace(manifest, workers=workers))


def recorded(whole: Path) -> list[object]:
    return [line for line in read_lines(whole / "journal-000.jsonl", JournalLine) if not _is_of_second(line)]


def dealt(whole: Path, tmp_path: Path, count: int, deal: Deal, clocks: Sequence[int] = ()) -> Path:
    """A copy of the run whose attempts are dealt out to so many workers."""
    copy = tmp_path / "run"
    copy.mkdir()
    for name in (results.MANIFEST, results.SCORES):
        shutil.copy(whole / name, copy / name)
    split(copy, recorded(whole), count, deal, clocks)
    return copy


def differing(first: Path, second: Path, names: Sequence[str]) -> Iterator[str]:
    return (name for name in names if (first / name).read_bytes() != (second / name).read_bytes())


@pytest.mark.parametrize("deal", DEALS.values(), ids=DEALS)
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_the_number_of_workers_does_not_show(count: int, deal: Deal, whole: Path, tmp_path: Path) -> None:
    """However the attempts were dealt out: the same bytes in all files."""
    copy = dealt(whole, tmp_path, count, deal)
    build(copy)
    assert [] == list(differing(whole, copy, FILES))


def test_clocks_of_workers_have_nothing_in_common(whole: Path, tmp_path: Path) -> None:
    """Hosts that were started at other times: the figures are the same, and only the raw stamps of the attempts are not."""
    copy = dealt(whole, tmp_path, 4, DEALS["in turn"], [0, 9_000 * SECOND, 5 * SECOND, 77 * SECOND])
    build(copy)
    assert [] == list(differing(whole, copy, FIGURES))
    assert ["joined.csv"] == list(differing(whole, copy, FILES))


def test_the_run_that_is_dealt_out_can_tell(whole: Path) -> None:
    """Its intervals are of gaps of many answers, it has ties, several findings and more than one look-up of a name."""
    run = results.read_run(whole)
    assert ["client_limited", "clock_step", "clock_step"] == [each.code for each in run.findings][:3]
    assert ["a.example", "b.example", "b.example"] == [line.host for _, line in run.resolved]
    begun = [(each.start.block, each.begun_ns) for each in run.attempts]
    assert begun == sorted(begun)
    assert len(begun) > 400


@pytest.mark.parametrize("count", [1, 3])
def test_attempts_that_begin_at_once_keep_one_order(count: int, whole: Path, tmp_path: Path) -> None:
    """Ties are broken by example, user and id, whichever journal is read first."""
    copy = dealt(whole, tmp_path, count, DEALS["in turn"])
    starts = [line for line in recorded(whole) if isinstance(line, AttemptStart)][:6]
    tied = [msgspec.structs.replace(each, dispatched_ns=200 * SECOND, block=0) for each in starts]
    for file in copy.glob("journal-*"):
        file.unlink()
    split(copy, tied, count, DEALS["at random"])
    expected = [each.id for each in sorted(tied, key=lambda each: (each.example, each.user, each.id))]
    assert expected == [each.start.id for each in results.read_run(copy).attempts]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"run": "other"}, "the journal of another run, 'other', in the folder of 'run'"),
        ({"worker": 0}, "a second journal of worker 0 of run 'run', beside journal-000.jsonl"),
        (None, "its first line does not say that it is a journal of run 'run'"),
    ],
    ids=["another run", "the same worker", "no head"],
)
def test_a_journal_that_does_not_belong_there(head: dict[str, object] | None, words: str, whole: Path, tmp_path: Path) -> None:
    """A file and a run are named; nothing is merged in silence."""
    copy = dealt(whole, tmp_path, 1, DEALS["in turn"])
    foreign = copy / "journal-001.jsonl"
    log = LineLog(foreign)
    if head is not None:
        fields: dict[str, object] = {"v": 1, "run": "run", "worker": 1, "pid": 1, "host": "h", "monotonic_ns": 0, "wall_ns": 0}
        log.write(JournalHead(**fields | head))  # type: ignore[arg-type]
    log.write(LastWord(0, 0))
    log.close()
    with pytest.raises(InvalidRunError) as refused:
        results.read_run(copy)
    assert (words, str(foreign)) == (refused.value.what, refused.value.where)


def test_a_second_beginning_in_one_journal(whole: Path, tmp_path: Path) -> None:
    """A run directory that was used twice: refused, not merged."""
    copy = dealt(whole, tmp_path, 1, DEALS["in turn"])
    log = LineLog(copy / "journal-000.jsonl")
    log.write(JournalHead(v=1, run="run", worker=0, pid=2, host="h", monotonic_ns=0, wall_ns=0))
    log.close()
    with pytest.raises(InvalidRunError, match="a second journal of worker 0"):
        results.read_run(copy)


def test_a_journal_of_a_session_that_nobody_planned(whole: Path, tmp_path: Path) -> None:
    """`journal-1-000.jsonl` beside a manifest of one session: the manifest is an old one, or the journal of a copy."""
    copy = dealt(whole, tmp_path, 1, DEALS["in turn"])
    log = LineLog(copy / "journal-1-000.jsonl")
    log.write(JournalHead(v=1, run="run", worker=0, pid=2, host="h", monotonic_ns=0, wall_ns=0, session=1))
    log.write(LastWord(0, 0))
    log.close()
    with pytest.raises(InvalidRunError, match="a journal of session 1, of which manifest"):
        results.read_run(copy)
