"""Files of JSON lines that are only ever appended to: the form of journals, answers and grades.

The rule: one CRC a line and one `os.write` (more for a long answer), so a killed process loses no line that was finished, and
what it left unfinished is found when it is read.
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import StorageError

WRITE_BYTES = 8_192  # of a long line that are not kept until more come
_CRC = b',"crc":"%08x"}\n'
_CRC_BYTES = len(b',"crc":"00000000"}')


class LineLog:
    """An append-only file of JSON lines. Not buffered: when `write` returns, a killed process has not lost the line.

    A line that could not be written to its end is closed before the next one begins: it is torn, and spoils no other.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encode = msgspec.json.Encoder().encode
        self._is_open = False
        self.lines = 0  # whole ones, of this process
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            sync_folder(path.parent)
        except OSError as failed:
            raise cannot(path, failed) from failed

    def write(self, record: msgspec.Struct) -> None:
        body = self._encode(record)
        self._end_torn()
        self._append(body[:-1] + _CRC % zlib.crc32(body))

    def write_long(self, record: msgspec.Struct, texts: Iterable[str]) -> Iterator[None]:
        """The line of `record`, whose last field is "", with these texts, joined, in there: the bytes that `write` would write.

        Goes on while it is iterated, a write at a time: no step is long and no long line is held. Until it has ended, no other
        line may be written.
        """
        body = self._encode(record)
        if not body.endswith(b'""}'):
            raise ValueError("the last field of the record is no empty text")
        self._end_torn()
        held, crc = body[:-2], 0
        for text in texts:
            if len(held) > WRITE_BYTES:
                self._append(held, ends=False)
                crc = zlib.crc32(held, crc)
                yield
                held = b""
            held += memoryview(self._encode(text))[1:-1]
        held += b'"'
        self._append(held + _CRC % zlib.crc32(b"}", zlib.crc32(held, crc)))

    def _end_torn(self) -> None:
        if self._is_open:
            self._append(b"\n")

    def _append(self, data: bytes, *, ends: bool = True) -> None:
        self._is_open = True
        try:
            written = os.write(self._fd, data)
        except OSError as failed:
            raise cannot(self._path, failed) from failed
        if written != len(data):
            raise StorageError(
                f"only {written} of {len(data)} bytes were written", where=str(self._path), remedy="is the disk full?"
            )
        self._is_open = not ends
        self.lines += ends and data != b"\n"

    def sync(self) -> None:
        """Force to disk what has been written: only a power cut can lose a line before this.

        Not its times: they would cost a second write, to the file system's own journal. That the file exists was forced to disk
        when it was made.
        """
        try:
            os.fdatasync(self._fd)
        except OSError as failed:
            raise cannot(self._path, failed) from failed

    def close(self) -> None:
        os.close(self._fd)


def read_lines(path: Path, kind: Any) -> Iterator[Any]:
    """The records of a line log, None for every line that is torn or whose CRC does not match."""
    with path.open("rb") as lines:
        yield from records_of(lines, kind)


def is_finished(path: Path) -> bool:
    """Whether the last line has its end; one that has not was being written when its process, or its disk, gave up."""
    with path.open("rb") as lines:
        if lines.seek(0, os.SEEK_END) == 0:
            return True
        lines.seek(-1, os.SEEK_END)
        return lines.read() == b"\n"


def records_of(lines: Iterable[bytes], kind: Any) -> Iterator[Any]:
    """The same of lines with their ends, however they were read."""
    decode = msgspec.json.Decoder(kind).decode
    for line in lines:
        body = line[: -_CRC_BYTES - 1] + b"}"
        yield decode(body) if line[-_CRC_BYTES - 1 :] == _CRC % zlib.crc32(body) else None


def cannot(path: Path, failed: OSError) -> StorageError:
    """What the operating system would not do with this file or folder, as bad news for the user."""
    return StorageError(
        failed.strerror or str(failed), where=str(path), remedy="is it a place that you may write to, with space left?"
    )


def sync_folder(folder: Path) -> None:
    """Force to disk which files there are in it."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
