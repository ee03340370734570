"""The journals of a run, read back: attempts, marks and all that the processes that made load wrote down beside them.

The rule: a line counts when its CRC does, and what cannot be read back is counted, never guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InvalidRunError
from harness.health import Health
from harness.journal_log import read_lines
from harness.records import (
    AttemptEnd,
    AttemptStart,
    BlockMark,
    Finding,
    JournalHead,
    JournalLine,
    Manifest,
    Resolved,
)


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
    def __init__(self) -> None:
        self.marks: list[tuple[int, BlockMark]] = []
        self.findings: list[Finding] = []
        self.health: list[tuple[int, Health]] = []
        self.resolved: list[tuple[int, Resolved]] = []
        self.torn = 0
        self._starts: dict[str, tuple[AttemptStart, int]] = {}
        self._ends: dict[str, AttemptEnd] = {}

    def read(self, journal: Path) -> None:
        worker = -1
        for line in read_lines(journal, JournalLine):
            match line:
                case None:
                    self.torn += 1
                case JournalHead():
                    worker = line.worker
                case BlockMark():
                    self.marks.append((worker, line))
                case Health():
                    self.health.append((worker, line))
                case Resolved():
                    self.resolved.append((worker, line))
                case Finding():
                    self.findings.append(line)
                case AttemptStart():
                    self._starts[line.id] = (line, worker)
                case AttemptEnd():
                    self._take_end(line, journal)

    def _take_end(self, end: AttemptEnd, journal: Path) -> None:
        if end.id in self._ends:
            remedy = "the journal was altered or spliced: report from an untouched copy"
            raise InvalidRunError(f"attempt {end.id!r} ends twice", where=str(journal), remedy=remedy)
        self._ends[end.id] = end

    def attempts(self) -> list[Attempt]:
        whole = [Attempt(start, self._ends.get(start.id), worker) for start, worker in self._starts.values()]
        self.torn += len(self._ends.keys() - self._starts.keys())
        return sorted(whole, key=lambda attempt: (attempt.worker, attempt.begun_ns, attempt.start.id))


def doubts(manifest: Manifest, journals: int, torn: int) -> Iterator[Finding]:
    """What the state of the files says against the run, whoever reads it and whenever."""
    if manifest.state in ("planned", "running"):
        yield Finding(
            code="not_finished",
            what="the run was not started" if manifest.state == "planned" else "the run has not come to its end",
            why="what is there is a part of the plan, and nobody checked that it is whole",
            remedy="wait for the run that is still going on, or run again: the load process was killed",
            invalid=True,
        )
    elif journals < manifest.workers:
        yield Finding(
            code="journal_missing",
            what=f"{manifest.workers - journals} of {manifest.workers} journals are not here",
            why="all attempts of these workers are missing from every figure",
            remedy="copy journal-*.jsonl and answers-*.jsonl of every worker into this folder",
            invalid=True,
        )
    if torn:
        yield Finding(
            code="torn_lines",
            what=f"{torn} journal lines cannot be read back",
            why="what they said is missing from every figure",
            remedy="report from an untouched copy of the run",
            invalid=True,
        )
