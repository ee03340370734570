"""The journals of a run that goes on, read by its master: what a search judges is what the report will read.

The rule: a line counts when its end is there; everything that a worker has said to be over is in its file by then.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from statistics import fmean

from harness.journal_log import records_of
from harness.measure.rows import Seen
from harness.records import AttemptEnd, AttemptStart, BlockMark, JournalHead, JournalLine

_BREATH = 500  # lines: 5 ms


class Journals:
    """Attempts and marks of the blocks that are watched. `breathe` is called now and then, for reading may take seconds."""

    def __init__(self, run: Path, breathe: Callable[[], None]) -> None:
        self._run, self._breathe = run, breathe
        self._offsets: dict[Path, int] = {}
        self._workers: dict[Path, int] = {}
        self._blocks: frozenset[int] = frozenset()
        self._starts: dict[str, tuple[AttemptStart, int]] = {}
        self._ends: dict[str, AttemptEnd] = {}
        self._marks: dict[tuple[int, int, str], int] = {}

    def watch(self, blocks: Collection[int]) -> None:
        """These blocks from now on; the earlier ones are forgotten."""
        self.read()
        self._blocks = frozenset(blocks)
        self._starts.clear()
        self._ends.clear()
        self._marks.clear()

    def read(self) -> None:
        """What is new in all journals."""
        for path in sorted(self._run.glob("journal-*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for number, line in enumerate(records_of(whole.splitlines(keepends=True), JournalLine)):
                self._take(path, line)
                if number % _BREATH == _BREATH - 1:
                    self._breathe()

    def count(self, block: int | None = None) -> int:
        """Attempts that were begun: of one block, or of all that are watched."""
        return sum(block is None or start.block == block for start, _ in self._starts.values())

    def seen(self, measure: int) -> list[Seen]:
        """All attempts; their zero is the opening of that block. Workers that have not opened it are left out."""
        opened = {worker: at_ns for (block, worker, edge), at_ns in self._marks.items() if (block, edge) == (measure, "open")}
        return [
            Seen(start, self._ends.get(start.id), opened[worker]) for start, worker in self._starts.values() if worker in opened
        ]

    def window_s(self, block: int) -> float:
        """How long it was open: the mean of its workers."""
        return fmean(
            at_ns - self._marks[block, worker, "open"]
            for (number, worker, edge), at_ns in self._marks.items()
            if (number, edge) == (block, "close")
        ) / 1e9  # fmt: skip

    def _take(self, path: Path, line: object) -> None:
        match line:
            case JournalHead():
                self._workers[path] = line.worker
            case BlockMark() if line.block in self._blocks:
                self._marks[line.block, self._workers[path], line.edge] = line.at_ns
            case AttemptStart() if line.block in self._blocks:
                self._starts[line.id] = (line, self._workers[path])
            case AttemptEnd() if line.id in self._starts:
                self._ends[line.id] = line
