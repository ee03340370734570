"""Journals of workers elsewhere, as the master appends them to its run directory: the same bytes in the same order.

The rule: a piece is appended where its file ends, or not at all; the answer says where that is, so that whoever sends knows
what is missing, whatever was lost, repeated or overtaken.
"""

import os
import zlib
from pathlib import Path

from harness.errors import StorageError
from harness.loadgen.messages import Kept, Piece
from harness.worker_host import files_of


class Intake:
    """Into this run directory. Slow: call it off the hub, one piece at a time. `full` says why it takes no more."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._files: dict[tuple[int, str], Path] = {}
        self.full: StorageError | None = None

    def expect(self, index: int) -> None:
        """From now on this worker's files are taken."""
        self._files |= {(index, name): self._run / name for name in files_of(index)}

    def size(self, index: int, file: str) -> int:
        """What is there; 0 where nobody is expected to send it."""
        path = self._files.get((index, file))
        return path.stat().st_size if path is not None and path.exists() else 0

    def append(self, piece: Piece) -> Kept:
        """Refuses what nobody is expected to send, and all that the disk does not take: see `full`."""
        path = self._files.get((piece.index, piece.file))
        if path is None:
            return Kept(piece.index, piece.file, 0, refused=True)
        size = self.size(piece.index, piece.file)
        if piece.offset == size and piece.crc == zlib.crc32(piece.data):
            try:
                _append(path, piece.data)
            except OSError as failed:
                self.full = self.full or _storage(path, failed)
                return Kept(piece.index, piece.file, size, refused=True)
            size += len(piece.data)
        return Kept(piece.index, piece.file, size)

    def sync(self) -> None:
        """To disk."""
        for path in self._files.values():
            if path.exists():
                try:
                    _sync(path)
                except OSError as failed:
                    raise _storage(path, failed) from failed


def _append(path: Path, data: bytes) -> None:
    """What was written before it failed is a beginning of the data."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(fd, "wb", buffering=0) as file:
        written = 0
        while written < len(data):
            written += file.write(memoryview(data)[written:])


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fdatasync(file.fileno())


def _storage(path: Path, failed: OSError) -> StorageError:
    remedy = "is it a place that you may write to, with space left?"
    return StorageError(failed.strerror or str(failed), where=str(path), remedy=remedy)
