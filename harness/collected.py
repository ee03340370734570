"""Journals and answers that a worker elsewhere kept, brought into the run directory that they are missing from.

The rule: a file is taken whole, and only where what is here of it is a beginning of it. All is looked at before anything is
written.
"""

import os
from pathlib import Path

import msgspec

from harness import claim, results
from harness.errors import HarnessError
from harness.records import Manifest
from harness.worker_host import WorkerHost, files_of

_KINDS = ("journal-*.jsonl", "answers-*.jsonl")


def collect(run: Path, folder: Path) -> tuple[str, ...]:
    """Names of the files that are now longer, or new. `HarnessError` where the folder is of another run, or the run goes on."""
    _refuse_other_run(run, results.read_manifest(run), folder)
    lock = claim.claim_collecting(run)
    try:
        return _brought(run, results.read_manifest(run), folder)
    finally:
        os.close(lock)


def _brought(run: Path, manifest: Manifest, folder: Path) -> tuple[str, ...]:
    found = sorted(path for kind in _KINDS for path in folder.glob(kind))
    if not found:
        raise HarnessError("no journal is here", where=str(folder), remedy="give the folder that the worker wrote into")
    longer = [path.name for path in found if _is_longer(path, run / path.name)]
    for name in longer:
        results.write_atomic(run / name, (folder / name).read_bytes())
    hosts = tuple(_noted(each, {path.name for path in found}) for each in manifest.hosts)
    if hosts != manifest.hosts:
        results.write_manifest(run, msgspec.structs.replace(manifest, hosts=hosts))
    return tuple(longer)


def _refuse_other_run(run: Path, manifest: Manifest, folder: Path) -> None:
    theirs = results.read_manifest(folder)
    if folder.resolve() == run.resolve():
        raise HarnessError("this is the run itself", where=str(folder), remedy="give the folder that a worker wrote into")
    if theirs.run_id != manifest.run_id:
        what = f"a folder of the run {theirs.run_id}, and this is {manifest.run_id}"
        raise HarnessError(what, where=str(folder), remedy="give the folder of the same name that the worker wrote into")


def _is_longer(theirs: Path, ours: Path) -> bool:
    """Whether theirs goes on where ours ends. `HarnessError` where they are not the same up to there."""
    if not ours.exists():
        return True
    here, there = ours.read_bytes(), theirs.read_bytes()
    if not there.startswith(here):
        what = "the run's own file has more" if here.startswith(there) else "differs from the run's own file before that ends"
        raise HarnessError(what, where=str(theirs), remedy=f"compare it with {ours}; remove the one that is not the worker's")
    return len(there) > len(here)


def _noted(of: WorkerHost, names: set[str]) -> WorkerHost:
    """Where both of its files are there."""
    return msgspec.structs.replace(of, collected=True) if of.own and names.issuperset(files_of(of.worker)) else of
