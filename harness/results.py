"""The run directory: the only interface between making load, grading, pricing and reporting.

Journals are append-only, one `os.write` (more for a long answer) and one CRC per line, so a killed worker loses no finished
attempt; every other file is written whole, to a temporary name, synced and renamed.
"""

import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from harness import undelivered
from harness.calibration import CALIBRATION_VERSION, Calibration
from harness.errors import HarnessError, InvalidRunError, StorageError
from harness.health import Health
from harness.records import (
    Answer,
    AttemptEnd,
    AttemptStart,
    BlockMark,
    Finding,
    GradeRow,
    JournalHead,
    JournalLine,
    Manifest,
    Resolved,
)

MANIFEST, SCORES, SUMMARY, CALIBRATION = "manifest.json", "scores.jsonl", "summary.json", "calibration.json"
WRITE_BYTES = 8_192  # of a long line that are not kept until more come
_CRC = b',"crc":"%08x"}\n'
_CRC_BYTES = len(b',"crc":"00000000"}')


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


@dataclass(frozen=True, slots=True)
class Run:
    """All that the report stage reads. `torn` lines could not be read back and are counted, never guessed.

    marks, health and resolved come with the number of their worker.
    """

    path: Path
    manifest: Manifest
    attempts: list[Attempt]
    marks: list[tuple[int, BlockMark]]
    findings: list[Finding]
    grades: dict[tuple[str, str], GradeRow] = field(default_factory=dict)
    health: list[tuple[int, Health]] = field(default_factory=list)
    resolved: list[tuple[int, Resolved]] = field(default_factory=list)
    torn: int = 0


class LineLog:
    """An append-only file of JSON lines. Not buffered: when `write` returns, a killed process has not lost the line.

    A line that could not be written to its end is closed before the next one begins: it is torn, and spoils no other.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encode = msgspec.json.Encoder().encode
        self._is_open = False
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as failed:
            raise _storage(path, failed) from failed

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
            raise _storage(self._path, failed) from failed
        if written != len(data):
            raise StorageError(
                f"only {written} of {len(data)} bytes were written", where=str(self._path), remedy="is the disk full?"
            )
        self._is_open = not ends

    def sync(self) -> None:
        """Force to disk what has been written: only a power cut can lose a line before this."""
        try:
            os.fsync(self._fd)
        except OSError as failed:
            raise _storage(self._path, failed) from failed

    def close(self) -> None:
        os.close(self._fd)


def read_lines(path: Path, kind: Any) -> Iterator[Any]:
    """The records of a line log, None for every line that is torn or whose CRC does not match."""
    with path.open("rb") as lines:
        yield from records_of(lines, kind)


def records_of(lines: Iterable[bytes], kind: Any) -> Iterator[Any]:
    """The same of lines with their ends, however they were read."""
    decode = msgspec.json.Decoder(kind).decode
    for line in lines:
        body = line[: -_CRC_BYTES - 1] + b"}"
        yield decode(body) if line[-_CRC_BYTES - 1 :] == _CRC % zlib.crc32(body) else None


def create(root: Path, name: str, now: datetime) -> Path:
    """A fresh run directory `root/<utc time>_<name>`, private to its owner."""
    path = root / f"{now:%Y%m%dT%H%M%SZ}_{name}"
    suffix = 1
    try:
        root.mkdir(parents=True, exist_ok=True)
        while path.exists():
            suffix += 1
            path = root / f"{now:%Y%m%dT%H%M%SZ}_{name}_{suffix}"
        path.mkdir(mode=0o700)
    except OSError as failed:
        raise _storage(root, failed) from failed
    return path


def point_latest(run: Path) -> None:
    """`runs/latest` means this run from now on."""
    latest = run.parent / "latest"
    try:
        latest.unlink(missing_ok=True)
        latest.symlink_to(run.name)
    except OSError:
        return  # a convenience: a file system without links loses nothing but the short name


def write_manifest(path: Path, manifest: Manifest) -> None:
    write_atomic(path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def read_manifest(path: Path) -> Manifest:
    try:
        return msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError) as missing:
        remedy = "give the folder that `signoff run` printed, or runs/latest"
        raise StorageError("no manifest.json: not a run directory", where=str(path), remedy=remedy) from missing
    except OSError as failed:
        raise _storage(path / MANIFEST, failed) from failed
    except msgspec.DecodeError as broken:
        raise StorageError(f"cannot be read: {broken}", where=str(path / MANIFEST)) from broken


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Whole or not at all; its folder is made where it is missing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise _storage(file.parent, failed) from failed
    write_atomic(file, msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")


def read_calibration(file: Path) -> Calibration:
    """`HarnessError` for a file that is not there, is none, or is of another version."""
    remedy = "make it again: `signoff calibrate`"
    try:
        data = file.read_bytes()
        version = msgspec.json.decode(data, type=_Versioned).v
        if version != CALIBRATION_VERSION:
            what = f"a calibration of version {version}, and this signoff reads version {CALIBRATION_VERSION}"
            raise HarnessError(what, where=str(file), remedy=remedy)
        return msgspec.json.decode(data, type=Calibration)
    except OSError as failed:
        raise HarnessError(failed.strerror or str(failed), where=str(file), remedy=remedy) from failed
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        raise HarnessError(f"not a calibration: {broken}", where=str(file), remedy=remedy) from broken


def read_run(path: Path) -> Run:
    """Read a run back from its manifest, journals and scores. A second end of one attempt is fatal."""
    reader = _JournalReader()
    journals = sorted(path.glob("journal-*.jsonl"))
    for journal in journals:
        reader.read(journal)
    manifest, attempts = read_manifest(path), reader.attempts()
    return Run(
        path=path,
        manifest=manifest,
        attempts=attempts,
        marks=reader.marks,
        findings=[
            *manifest.findings,
            *reader.findings,
            *_doubts(manifest, len(journals), reader.torn),
            *undelivered.doubts(path, manifest, Counter(each.worker for each in attempts)),
        ],
        grades=read_grades(path),
        health=reader.health,
        resolved=reader.resolved,
        torn=reader.torn,
    )


def read_answers(path: Path) -> Iterator[Answer]:
    """The answer texts of a run in file order; lines that cannot be read back are passed over: grading misses them."""
    for file in sorted(path.glob("answers-*.jsonl")):
        yield from (answer for answer in read_lines(file, Answer) if answer is not None)


def read_grades(path: Path) -> dict[tuple[str, str], GradeRow]:
    """Grades by (example, sha256 of the answer); empty before `signoff score` has run."""
    file = path / SCORES
    if not file.exists():
        return {}
    rows = (row for row in read_lines(file, GradeRow) if row is not None)
    return {(row.example, row.answer_sha256): row for row in rows}


def append_grades(path: Path, rows: Iterable[GradeRow]) -> int:
    """Append grades to scores.jsonl; returns how many were written."""
    log = LineLog(path / SCORES)
    written = 0
    try:
        for row in rows:
            log.write(row)
            written += 1
        log.sync()
    finally:
        log.close()
    return written


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file so that a reader sees the old one or the new one, also after a power cut."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as failed:
        raise _storage(path, failed) from failed


class _Versioned(msgspec.Struct):
    v: int


class _JournalReader:
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


def _doubts(manifest: Manifest, journals: int, torn: int) -> Iterator[Finding]:
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
            remedy="bring those of each worker's own folder: signoff report RUN --collect FOLDER",
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


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _storage(path: Path, failed: OSError) -> StorageError:
    return StorageError(
        failed.strerror or str(failed), where=str(path), remedy="is it a place that you may write to, with space left?"
    )
