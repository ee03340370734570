"""The truth: one line of JSON for each request, with what was really sent and when. Never what was planned.

Lines are encoded and written in idle moments, so that keeping the truth does not change it.
"""

import os
from collections import deque
from io import FileIO
from pathlib import Path

import msgspec

from harness.errors import StorageError
from harness.simulator.limits import Levels

SLICE = 8  # lines encoded and written in one idle moment: about 0.2 ms
BACKLOG = 1_024  # lines kept while no moment is idle; beyond it, a new line writes a slice of old ones


class Sending:
    """What one reply has really sent, event by event."""

    __slots__ = ("blocked", "chunk_tokens", "done_ns", "late_ns", "sent_ns")

    def __init__(self) -> None:
        self.sent_ns: list[int] = []
        self.late_ns: list[int] = []
        self.chunk_tokens: list[int] = []
        self.blocked = 0
        self.done_ns: int | None = None

    def note(self, sent_ns: int, due_ns: int, tokens: int) -> None:
        """One event that carries tokens."""
        self.sent_ns.append(sent_ns)
        self.late_ns.append(sent_ns - due_ns)
        self.chunk_tokens.append(tokens)


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. Stamps are CLOCK_MONOTONIC in ns, so a client on the same host compares them with its own.

    n             number of the request among this candidate's, from 1; also in the response's id and x-request-id
    right         which text was spoken: True the right one, False the wrong one, None neither (unknown prompt, or refused)
    completion_tokens, reasoning_tokens   what was sent, so less than planned when aborted
    received_ns   the last byte of the request had come to the kernel, or where that gives no stamp: was read
    sent_ns       just before each event that carries tokens was handed to the kernel
    late_ns       how long after its due time that was; in step with sent_ns, as are chunk_tokens
    blocked       how often the kernel took nothing or only a part, because the client did not read
    done_ns       the kernel has taken the last byte; None when aborted

    Only where the candidate does such things, and by its own reckoning:
    began_ns      its service began, so that it has waited `began_ns - received_ns`; None where it was refused
    service_ns    from there to the moment its last token is due (but for a freeze)
    freezes       (from, until) of those that it met from received_ns until it ended; what was due inside is due at `until`
    limits        what the buckets held after it was admitted, at received_ns, or refused
    """

    candidate: str
    n: int
    status: int
    aborted: bool
    example: str | None
    right: bool | None
    finish: str | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    received_ns: int
    sent_ns: list[int]
    late_ns: list[int]
    chunk_tokens: list[int]
    blocked: int
    done_ns: int | None
    began_ns: int | None = None
    service_ns: int | None = None
    freezes: tuple[tuple[int, int], ...] = ()
    limits: Levels | None = None


class TruthFile:
    """The file, begun anew, or gone on with. With no path it keeps nothing. `StorageError` when it cannot be written.

    A line that a killed simulator left without its end is closed, so that it spoils no other.
    """

    def __init__(self, path: Path | None, *, goes_on: bool = False) -> None:
        self._path = path
        self._pending: deque[Delivery] = deque()
        self._file: FileIO | None = None
        if path is not None:
            try:
                self._file = path.open("ab+" if goes_on else "wb", buffering=0)
                if goes_on and not _is_finished(self._file):
                    _write_all(self._file, b"\n")
            except OSError as problem:
                raise self._failure(problem) from problem

    def add(self, delivery: Delivery) -> None:
        if self._file is not None:
            self._pending.append(delivery)
            if len(self._pending) > BACKLOG:
                self.write_some()

    def write_some(self, most: int = SLICE) -> bool:
        """Writes the oldest lines; True while there are more."""
        if not self._pending or self._file is None:
            return False
        lines = [msgspec.json.encode(self._pending.popleft()) for _ in range(min(most, len(self._pending)))]
        try:
            _write_all(self._file, b"\n".join([*lines, b""]))
        except OSError as problem:
            raise self._failure(problem) from problem
        return bool(self._pending)

    def close(self) -> None:
        """Writes all that is pending."""
        while self.write_some():
            pass
        if self._file is not None:
            self._file.close()

    def _failure(self, problem: OSError) -> StorageError:
        return StorageError(f"cannot write the truth: {problem.strerror}", where=str(self._path))


def _is_finished(file: FileIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _write_all(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
