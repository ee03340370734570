"""Where a worker keeps its journal: in the master's run directory where it sees that, else in a folder of its own.

The rule: at a path that the master names nothing is done but to look for a file whose name cannot be guessed.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness import reserve, results, scenario_file
from harness.errors import HarnessError, StorageError
from harness.loadgen import agreement
from harness.loadgen.messages import Setup
from harness.records import Manifest
from harness.worker_host import files_of

_MARK = re.compile(r"\.here-[0-9a-f]{32}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Own:
    """What this host has: a scenario (a folder, a file or a bundled name; empty for none), and where its journals go."""

    scenario: str = ""
    out: Path = Path("runs")


class Home(NamedTuple):
    """`is_own`: what is written here has to be sent."""

    run: Path
    manifest: Manifest
    is_own: bool


def hang_mark(run: Path) -> str:
    """The master: a file in the run directory by which a worker knows that it sees the same one. Returns its name.

    It stays: a setup may be on its way when the run is over.
    """
    for earlier in run.glob(".here-*"):
        earlier.unlink()
    name = f".here-{secrets.token_hex(16)}"
    results.write_atomic(run / name, b"")
    return name


def setup(run: Path, manifest: bytes, mark: str, index: int, count: int, users: int = 1) -> Setup:
    """The master's to one worker."""
    return Setup(str(run), index, count, manifest, hashlib.sha256(manifest).hexdigest(), mark, users)


def settle(told: Setup, own: Own) -> Home:
    """The worker: `HarnessError` where it can take part in this run neither there nor with its own files."""
    if hashlib.sha256(told.manifest).hexdigest() != told.sha256:
        raise HarnessError("the master's manifest did not arrive as it was sent", remedy="start the run again")
    manifest = agreement.decoded(told.manifest)
    if _MARK.fullmatch(told.mark) and (Path(told.run) / told.mark).is_file():
        return Home(Path(told.run), manifest, is_own=False)
    if manifest.sessions:
        what = f"this host does not see the master's run directory {told.run}, and a run that is gone on with needs that"
        raise HarnessError(what, remedy="go on with workers on hosts that see it, or make a new run")
    if not own.scenario:
        what = f"this host does not see the master's run directory {told.run}, and has no scenario of its own"
        remedy = "start the worker with --scenario (the same files as the master's) and --out (where its journal stays)"
        raise HarnessError(what, where="--scenario", remedy=remedy)
    mine = agreement.own(manifest, scenario_file.load(own.scenario))
    return Home(_folder(own.out, mine, told), mine, is_own=True)


def _folder(out: Path, manifest: Manifest, told: Setup) -> Path:
    """OUT/RUN_ID with the manifest in it, shared by the workers of this host, and room for the end of this one."""
    if not _RUN_ID.fullmatch(manifest.run_id):
        raise HarnessError(f"{manifest.run_id!r} is no name of a run", remedy="start master and workers with the same signoff")
    folder = out / manifest.run_id
    with _locked(folder):
        if not (folder / results.MANIFEST).exists():
            results.write_manifest(folder, manifest)
        elif results.read_manifest(folder) != manifest:
            raise _taken(folder, "this folder holds another run of the same name")
        journal = folder / files_of(told.index)[0]
        if journal.exists():
            raise _taken(journal, "this worker's journal is there already")
        reserve.hold(folder, told.users, reserve.of_worker(told.index))
    return folder


def _taken(where: Path, what: str) -> HarnessError:
    return HarnessError(what, where=str(where), remedy="name another folder with --out")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Workers of one host come at the same moment."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
    except OSError as failed:
        remedy = "name a folder that you may write to with --out"
        raise StorageError(failed.strerror or str(failed), where=str(folder), remedy=remedy) from failed
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
