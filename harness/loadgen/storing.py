"""The files that a load process appends to: its journal, and the answers beside it.

The rule: a full disk ends the load and loses nothing that is in flight: the first failure frees the run's reserve, and what
could not be written is written again.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from harness import reserve
from harness.errors import StorageError
from harness.journal_log import LineLog
from harness.loadgen.head import head


class Storing:
    """`stop` is called at each failure, and must bear that; `failed` is what the first one was."""

    def __init__(self, run: Path, run_id: str, index: int, stop: Callable[[], None]) -> None:
        self.failed: str | None = None
        self._run, self._stop = run, stop
        self.journal = LineLog(run / f"journal-{index:03d}.jsonl")
        self.answers = LineLog(run / f"answers-{index:03d}.jsonl")
        self.journal.write(head(run_id, index))

    def write(self, log: LineLog, record: msgspec.Struct) -> None:
        """A full disk stops the load; it must not kill the users one by one."""
        try:
            log.write(record)
        except StorageError as failed:
            if self.fail(failed):
                self.write(log, record)

    def fail(self, failed: StorageError) -> bool:
        """Whether there may be room now."""
        is_first = self.failed is None
        if is_first:
            self.failed = str(failed)
            reserve.free(self._run)
        self._stop()
        return is_first

    def sync(self) -> StorageError | None:
        """To disk. What went wrong comes back, for this may be called in a thread of its own, where nothing can be stopped."""
        try:
            self.answers.sync()
            self.journal.sync()
        except StorageError as failed:
            return failed
        return None

    def close(self) -> None:
        self.journal.close()
        self.answers.close()
