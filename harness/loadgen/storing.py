"""The files that a load process appends to: its journal, and the answers beside it.

The rule: a full disk ends the load and loses nothing that is in flight: the first failure frees the run's reserve, and what
could not be written is written again.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from harness import reserve, sessions
from harness.errors import StorageError
from harness.journal_log import LineLog
from harness.loadgen.head import head
from harness.records import Manifest
from harness.worker_host import files_of


class Storing:
    """`stop` is called at each failure, and must bear that; `failed` is what the first one was."""

    def __init__(self, run: Path, manifest: Manifest, index: int, stop: Callable[[], None]) -> None:
        self.failed: str | None = None
        self._run, self._stop, self._own_reserve = run, stop, reserve.of_worker(index)
        session = sessions.current(manifest.sessions)
        self.journal, self.answers = (LineLog(run / name) for name in files_of(index, session))
        self.journal.write(head(manifest.run_id, index, session))

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
            for name in (reserve.RESERVE, self._own_reserve):
                reserve.free(self._run, name)
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
        reserve.free(self._run, self._own_reserve)  # what the run keeps is for the others, too
