"""The journals of a run, read back: attempts, marks and all that the processes that made load wrote down beside them.

The rule: what is read does not depend on how attempts were dealt out to workers. A line counts when its CRC does, and what
cannot be read back is counted, never guessed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import sessions
from harness.errors import InvalidRunError
from harness.health import Health
from harness.journal_log import is_finished, read_lines
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
from harness.resolved import Resolved
from harness.sessions import Session


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the journal tells it. `end` is None when its worker was lost."""

    start: AttemptStart
    end: AttemptEnd | None
    worker: int

    @property
    def begun_ns(self) -> int:
        """When a user began with it; when it was due, where none ever did."""
        begun = self.start.scheduled_ns if self.start.dispatched_ns is None else self.start.dispatched_ns
        assert begun is not None, "only what a schedule had is dropped before anybody begins with it"
        return begun


class JournalReader:
    """Workers are counted through the sessions of the run.

    owners      the journals that were read, by worker; one whose worker wrote no whole line is none
    torn        lines that cannot be read back; missing_lines: that a journal's last line tells of and that are not there
    unfinished  the workers of the last session whose last line was cut off while it was written
    """

    def __init__(self, run_id: str, of: Sequence[Session] = ()) -> None:
        self.marks: list[tuple[int, BlockMark]] = []
        self.findings: list[Finding] = []
        self.health: list[tuple[int, Health]] = []
        self.resolved: list[tuple[int, Resolved]] = []
        self.torn = self.missing_lines = 0
        self.unfinished: set[int] = set()
        self.last_words: dict[Path, LastWord] = {}
        self._run_id, self._sessions = run_id, of
        self._first_of_last = sessions.first_worker(of, sessions.current(of))
        self.owners: dict[int, Path] = {}
        self._starts: dict[str, tuple[AttemptStart, int]] = {}
        self._ends: dict[str, AttemptEnd] = {}

    @property
    def cut(self) -> set[int]:
        """The workers of the last session whose journals are without their last line; how one before it ended is known."""
        own = {worker: journal for worker, journal in self.owners.items() if worker >= self._first_of_last}
        return {worker for worker, journal in own.items() if journal not in self.last_words}

    def is_of_last(self, worker: int) -> bool:
        """Whether it is of the last session: how one before it ended is known."""
        return worker >= self._first_of_last

    def began(self, worker: int) -> int:
        """How many attempts, as its last line says; 0 without it."""
        word = self.last_words.get(self.owners[worker])
        return 0 if word is None else word.started

    def read(self, journal: Path) -> None:
        """`InvalidRunError` for what is no journal of this run, and for what was read already."""
        lines = read_lines(journal, JournalLine)
        line = next(lines, None)
        if not isinstance(line, JournalHead):
            self._read_headless(journal, [line, *lines])
            return
        worker, torn = self._owner(line, journal), self.torn
        number = 0
        for number, line in enumerate(lines, 1):  # noqa: B007 - how many there were
            match line:
                case AttemptStart():
                    if line.id in self._starts:
                        raise _spliced(f"attempt {line.id!r} starts twice", journal)
                    self._starts[line.id] = (line, worker)
                case AttemptEnd():
                    if line.id in self._ends:
                        raise _spliced(f"attempt {line.id!r} ends twice", journal)
                    self._ends[line.id] = line
                case None:
                    self.torn += 1
                case _:
                    self._take(line, worker, journal)
        if line is None and not is_finished(journal):
            self.torn -= 1
            if worker >= self._first_of_last:
                self.unfinished.add(worker)
        self._count(journal, number - (self.torn - torn), self.torn - torn)

    def _count(self, journal: Path, whole: int, torn: int) -> None:
        """Against what its last line says; it stands after as many as were written, its own not among them."""
        told = self.last_words.get(journal)
        if told is None or not told.lines:
            return
        if whole > told.lines:
            raise _spliced(f"{whole - told.lines} lines more than its last line tells of", journal)
        self.missing_lines += max(0, told.lines - whole - torn)

    def _take(self, line: object, worker: int, journal: Path) -> None:
        """What there are few of."""
        match line:
            case Health():
                self.health.append((worker, line))
            case BlockMark():
                self.marks.append((worker, line))
            case Resolved():
                self.resolved.append((worker, line))
            case Finding():
                self.findings.append(line)
            case LastWord():
                self.last_words[journal] = line
            case JournalHead():
                self._owner(line, journal)

    def _owner(self, head: JournalHead, journal: Path) -> int:
        if head.run != self._run_id:
            what = f"the journal of another run, {head.run!r}, in the folder of {self._run_id!r}"
            raise InvalidRunError(what, where=str(journal), remedy="take it away; each run has a folder of its own")
        if head.session > sessions.current(self._sessions):
            what = f"a journal of session {head.session}, of which manifest.json says nothing"
            raise InvalidRunError(what, where=str(journal), remedy="bring the manifest.json back that belongs to it")
        worker = sessions.first_worker(self._sessions, head.session) + head.worker
        if worker in self.owners:
            what = f"a second journal of worker {head.worker} of run {head.run!r}, beside {self.owners[worker].name}"
            raise InvalidRunError(what, where=str(journal), remedy="keep the one that this worker wrote last")
        self.owners[worker] = journal
        return worker

    def _read_headless(self, journal: Path, lines: list[object]) -> None:
        """A worker that was killed as it began leaves nothing that can be read; anything else has lost its first line."""
        if any(line is not None for line in lines):
            what = f"its first line does not say that it is a journal of run {self._run_id!r}"
            raise InvalidRunError(what, where=str(journal), remedy="bring the untouched journal back, or take this one away")
        self.torn += len(lines) if journal.stat().st_size else 0

    def attempts(self) -> list[Attempt]:
        """By block, and in it by the time since its own worker opened it: the same order however many workers there were."""
        whole = [Attempt(start, self._ends.get(start.id), worker) for start, worker in self._starts.values()]
        self.torn += len(self._ends.keys() - self._starts.keys())
        opened_ns = self._opened_ns(whole)

        def order(attempt: Attempt) -> tuple[int, int, str, int, str]:
            start = attempt.start
            since_ns = attempt.begun_ns - opened_ns[start.block, attempt.worker]
            return start.block, since_ns, start.example, start.user, start.id

        return sorted(whole, key=order)

    def _opened_ns(self, attempts: list[Attempt]) -> dict[tuple[int, int], int]:
        """When each worker opened each block; where that line is torn, when it began its first attempt there."""
        opened_ns = {(mark.block, worker): mark.at_ns for worker, mark in self.marks if mark.edge == "open"}
        lacking = [each for each in attempts if (each.start.block, each.worker) not in opened_ns]
        for each in sorted(lacking, key=lambda each: each.begun_ns):
            opened_ns.setdefault((each.start.block, each.worker), each.begun_ns)
        return opened_ns

    def in_order(self) -> None:
        """What was said beside the attempts, sorted so that it does not tell which worker said it first."""
        self.marks.sort(key=lambda each: (each[1].block, each[0], each[1].at_ns))
        self.health.sort(key=lambda each: each[0])
        self.resolved.sort(key=lambda each: (each[1].host, each[1].port, each[1].addresses, each[1].took_ns, each[0]))
        self.findings.sort(key=lambda each: (each.code, each.what, each.why, each.remedy))


def _spliced(what: str, journal: Path) -> InvalidRunError:
    return InvalidRunError(what, where=str(journal), remedy="the journal was altered or spliced: report from an untouched copy")


def doubts(manifest: Manifest, reader: JournalReader, attempts: list[Attempt], aside: list[Attempt]) -> Iterator[Finding]:
    """What the state of the files says against the run, whoever reads it and whenever; `aside` as `kept` says."""
    missing = _missing(manifest, reader, attempts)
    if not _is_over(manifest):
        yield Finding(
            code="not_finished",
            what="the run was not started" if _is_unbegun(manifest) else "the run has not come to its end",
            why="what is there is a part of the plan, and nobody checked that it is whole",
            remedy="wait for the run that is still going on; where the load process was killed: `signoff run --resume RUN`",
            invalid=True,
        )
    elif missing > 0:
        yield Finding(
            code="journal_missing",
            what=f"{missing} of {missing + len(reader.owners)} journals are not here",
            why="all attempts of these workers are missing from every figure",
            remedy="bring those of each worker's own folder: signoff report RUN --collect FOLDER",
            invalid=True,
        )
    yield from _lost(manifest, reader, attempts, aside)
    if reader.missing_lines:
        yield Finding(
            code="lines_missing",
            what=f"{reader.missing_lines} lines that journals tell of are not in them",
            why="somebody took them out: attempts, marks or findings against the numbers",
            remedy="report from an untouched copy of the run",
            invalid=True,
        )
    count = torn(manifest, reader)
    if count:
        yield Finding(
            code="torn_lines",
            what=f"{count} journal lines cannot be read back",
            why="what they said is missing from every figure",
            remedy="report from an untouched copy of the run",
            invalid=True,
        )


def torn(manifest: Manifest, reader: JournalReader) -> int:
    """Lines that cannot be read back, and that no known end of a worker explains."""
    return reader.torn + (0 if _is_explained(manifest, reader) else len(reader.unfinished))


def _missing(manifest: Manifest, reader: JournalReader, attempts: list[Attempt]) -> int:
    """Journals that are not here, of the sessions that figures are of."""
    if not manifest.sessions:
        return manifest.workers - len(reader.owners)
    told = {sessions.of_worker(manifest.sessions, worker) for worker in {each.worker for each in attempts}}
    here = [worker for worker in reader.owners if sessions.of_worker(manifest.sessions, worker) in told]
    return sum(each.workers for each in manifest.sessions if each.number in told) - len(here)


def _lost(manifest: Manifest, reader: JournalReader, attempts: list[Attempt], aside: list[Attempt]) -> Iterator[Finding]:
    """What each worker has left unsaid: exact, for every attempt has a line before it is sent, and one when it has ended."""
    begun = Counter(each.worker for each in (*attempts, *aside))
    told_of = (*attempts, *(each for each in aside if reader.is_of_last(each.worker)))
    unended = Counter(each.worker for each in told_of if each.end is None)
    told: dict[int, str] = {}
    for worker in sorted(reader.owners):
        gone = reader.began(worker) - begun[worker]
        said = [
            *([f"{unended[worker]} of {begun[worker]} requests have no end"] if unended[worker] else []),
            *([f"{gone} requests are not in its journal"] if gone > 0 else []),
            *(["its journal stops short"] if worker in reader.cut and _is_over(manifest) else []),
        ]
        if said:
            told[worker] = f"worker {worker}: {', '.join(said)}"
    if told:
        yield Finding(
            code="attempts_lost",
            what=f"not all that was done was written down: {'; '.join(told.values())}",
            why="a request without an end counts as lost_worker: what came of it, and what it cost, only its endpoint knows",
            remedy="an untouched copy of the journal has what was cut off later; what was never written is lost: run again",
            invalid=not _is_explained(manifest, reader, told),
        )


def _is_unbegun(manifest: Manifest) -> bool:
    return manifest.state == "planned" and not manifest.sessions


def _is_over(manifest: Manifest) -> bool:
    return manifest.state not in ("planned", "running")


def _is_explained(manifest: Manifest, reader: JournalReader, lacking: Iterable[int] = ()) -> bool:
    """Whether something says already, and makes the run INVALID by it, that these workers could not write all of it.

    A full disk does, and so does the end of as many workers as have no last line; one that has it has had its say.
    """
    if not _is_over(manifest) or manifest.state == "failed_storage":
        return True
    ended = sum(finding.code in ("worker_lost", "worker_failed") for finding in manifest.findings)
    return len(reader.cut) <= ended and reader.cut.issuperset(lacking)
