"""A worker's own journal on its way to the master: pieces of growing files, of which few are under way at once.

The rule: what is sent was read back from the file, so the master gets what this host keeps; nothing is held for it in memory,
and while load is made a piece waits, not the load.
"""

import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import gevent
from gevent import get_hub
from gevent.event import Event

from harness.loadgen.messages import Kept, Piece

PIECE_BYTES = 262_144
WINDOW = 4
LOOK_S = 1.0  # how often is looked for something new while load is made
BEHIND_S = 0.25  # how often a window is filled where more is there than fits: at most 4 MiB/s
AGAIN_S = 5.0  # nothing was acknowledged for so long: a message was lost with a connection
LIMIT_S = 60.0  # and this long: it cannot be delivered
BREATH_S = 0.001


class Due(NamedTuple):
    file: str
    offset: int
    length: int


class Outbox:
    """How much of each file has been sent, and how much is known to be kept. Files are sent one after the other."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self._sent = dict.fromkeys(files, 0)
        self._kept = dict.fromkeys(files, 0)
        self._flying: list[tuple[str, int]] = []

    @property
    def is_waiting(self) -> bool:
        """For an answer."""
        return bool(self._flying)

    def due(self, sizes: Mapping[str, int]) -> Due | None:
        """The next piece of files of these sizes; None where all is sent, or enough is under way."""
        if len(self._flying) < WINDOW:
            for name, sent in self._sent.items():
                if sent < sizes[name]:
                    return Due(name, sent, min(PIECE_BYTES, sizes[name] - sent))
        return None

    def sent(self, piece: Due) -> None:
        self._sent[piece.file] = piece.offset + piece.length
        self._flying.append((piece.file, piece.offset + piece.length))

    def kept(self, file: str, offset: int) -> bool:
        """Whether that is news. Answers may be old ones, and the master may have had more than was known here."""
        if offset <= self._kept[file]:
            return False
        self._kept[file] = offset
        self._sent[file] = max(offset, self._sent[file])
        self._flying = [each for each in self._flying if each[0] != file or each[1] > offset]
        return True

    def again(self) -> None:
        """All that is not known to be kept is to be sent again."""
        self._sent = dict(self._kept)
        self._flying.clear()

    def is_whole(self, sizes: Mapping[str, int]) -> bool:
        return all(self._kept[name] >= size for name, size in sizes.items())


class Courier:
    """Of one worker; `say` sends a piece. `run` goes on for ever, in a greenlet of its own."""

    def __init__(self, index: int, files: Mapping[str, Path], say: Callable[[Piece], None]) -> None:
        self._index, self._files, self._say = index, files, say
        self._outbox = Outbox(tuple(files))
        self._wake = Event()
        self._hurried = self._refused = False
        self._moved_at = self._kept_at = time.monotonic()

    @property
    def folder(self) -> Path:
        return next(iter(self._files.values())).parent

    def sizes(self) -> dict[str, int]:
        """Of its files, in bytes."""
        return {name: path.stat().st_size for name, path in self._files.items()}

    def run(self) -> None:
        while not self._refused:
            sizes = self.sizes()
            self._send_window(sizes)
            if self._outbox.is_whole(sizes):
                self._hurried = False
            self._wake.clear()
            self._wake.wait(self._pause_s(sizes))
            if self._outbox.is_waiting and time.monotonic() - self._moved_at > AGAIN_S:
                self._outbox.again()
                self._moved_at = time.monotonic()

    def hurry(self) -> None:
        """No load is made now: send as fast as it is taken, until all is there."""
        self._hurried = True
        self._wake.set()

    def deliver(self) -> bool:
        """Wait until all that is in the files now is kept; False where that does not come to be, or where it was given up."""
        self.hurry()
        sizes, progress_at = self.sizes(), time.monotonic()
        while not self._outbox.is_whole(sizes):
            progress_at = max(progress_at, self._kept_at)
            if self._refused or time.monotonic() - progress_at > LIMIT_S:
                return False
            gevent.sleep(BREATH_S)
        return True

    def give_up(self) -> None:
        """Nothing more is sent."""
        self._refused = True
        self._wake.set()

    def on_kept(self, kept: Kept) -> None:
        if kept.refused:
            self.give_up()
        elif self._outbox.kept(kept.file, kept.offset):
            self._moved_at = self._kept_at = time.monotonic()
            if self._hurried:
                self._wake.set()

    def _pause_s(self, sizes: Mapping[str, int]) -> float:
        return BEHIND_S if self._hurried or (self._outbox.is_waiting and not self._outbox.is_whole(sizes)) else LOOK_S

    def _send_window(self, sizes: Mapping[str, int]) -> None:
        while not self._refused and (due := self._outbox.due(sizes)) is not None:
            data = get_hub().threadpool.apply(_read, (self._files[due.file], due.offset, due.length))
            if not self._outbox.is_waiting:
                self._moved_at = time.monotonic()
            self._outbox.sent(due)
            self._say(Piece(self._index, due.file, due.offset, data, zlib.crc32(data)))
            gevent.sleep(BREATH_S)


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)
