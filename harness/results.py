"""The run directory: the only interface between making load, grading, pricing and reporting.

Journals are append-only (`journal_log`); every other file is written whole, to a temporary name, synced and renamed.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from harness import undelivered
from harness.calibration import CALIBRATION_VERSION, Calibration
from harness.errors import HarnessError, StorageError
from harness.health import Health
from harness.journal_log import LineLog, cannot, read_lines, sync_folder
from harness.journal_reader import Attempt, JournalReader, doubts, torn
from harness.kept import kept
from harness.records import (
    Answer,
    BlockMark,
    Finding,
    GradeRow,
    Manifest,
)
from harness.resolved import Resolved

MANIFEST, SCORES, SUMMARY, CALIBRATION = "manifest.json", "scores.jsonl", "summary.json", "calibration.json"


@dataclass(frozen=True, slots=True)
class Run:
    """All that the report stage reads. `torn` lines could not be read back and are counted, never guessed.

    marks, health and resolved come with the number of their worker; `aside` is what `kept` sets aside.
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
    aside: list[Attempt] = field(default_factory=list)


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
        raise cannot(root, failed) from failed
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
        raise cannot(path / MANIFEST, failed) from failed
    except msgspec.DecodeError as broken:
        raise StorageError(f"cannot be read: {broken}", where=str(path / MANIFEST)) from broken


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Whole or not at all; its folder is made where it is missing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise cannot(file.parent, failed) from failed
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
    """Read a run back from its manifest, journals and scores.

    Raises `InvalidRunError` for a journal of another run, a second one of a worker, and an attempt that begins or ends twice.
    """
    manifest = read_manifest(path)
    reader = JournalReader(manifest.run_id, manifest.sessions)
    for journal in sorted(path.glob("journal-*.jsonl")):
        reader.read(journal)
    of_all = reader.attempts()
    reader.in_order()
    attempts, marks, aside = kept(manifest, of_all, reader.marks)
    return Run(
        path=path,
        manifest=manifest,
        attempts=attempts,
        marks=marks,
        findings=[
            *manifest.findings,
            *reader.findings,
            *doubts(manifest, reader, attempts, aside),
            *undelivered.doubts(path, manifest, of_all),
        ],
        grades=read_grades(path),
        health=reader.health,
        resolved=reader.resolved,
        torn=torn(manifest, reader),
        aside=aside,
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
        sync_folder(path.parent)
    except OSError as failed:
        raise cannot(path, failed) from failed


class _Versioned(msgspec.Struct):
    v: int
