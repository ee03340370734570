"""The right to make a run: once for each session of it, and to one process at a time.

The rule: a session that was begun is never begun again, for its journals are only appended to and would hold two in one.
"""

import fcntl
import os
from pathlib import Path

from harness import results, sessions
from harness.errors import HarnessError
from harness.journal_log import cannot

LOCK, RESUMING = ".lock", ".resuming.lock"
_GOES_ON = "this run is going on"
_WAIT = "wait for its end; a run whose processes were killed is free at once"
_ANEW = "make a new run: `signoff run SCENARIO`, or a bare locust with --scenario SCENARIO"


def claim(run: Path) -> int:
    """The lock's file descriptor: the right ends when it is closed, or with the process, however that ends.

    `HarnessError` for a run that was begun before, or that another process is making.
    """
    results.read_manifest(run)
    fd = _locked(run / LOCK, "another process is making this run", _ANEW)
    try:
        _check_unbegun(run)
    except BaseException:
        os.close(fd)
        raise
    return fd


def claim_resuming(run: Path) -> int:
    """The same for who goes on with a run. Its load process claims the session for itself.

    `HarnessError` where the run is going on, or another process is about to go on with it.
    """
    fd = _locked(run / RESUMING, "another process goes on with this run", _WAIT)
    try:
        os.close(_locked(run / LOCK, _GOES_ON, _WAIT))
    except BaseException:
        os.close(fd)
        raise
    return fd


def claim_collecting(run: Path) -> int:
    """The same for who brings files into a run. `HarnessError` while somebody makes it: they write its manifest, too."""
    return _locked(run / LOCK, _GOES_ON, _WAIT)


def _locked(file: Path, taken: str, remedy: str) -> int:
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as failed:
        raise cannot(file, failed) from failed
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        os.close(fd)
        raise HarnessError(taken, where=str(file.parent), remedy=remedy) from held
    return fd


def _check_unbegun(run: Path) -> None:
    """Only now: who held the lock until now may have begun it."""
    manifest = results.read_manifest(run)
    if manifest.state == "complete":
        raise HarnessError("this run is complete, and is not to be made again", where=str(run), remedy=_ANEW)
    go_on = f"go on with it: `signoff run --resume {run}`; or {_ANEW}"
    if manifest.state != "planned":
        raise HarnessError(f"this run is not to be made again, its state is {manifest.state!r}", where=str(run), remedy=go_on)
    begun = next(iter(sessions.journals(run, sessions.current(manifest.sessions))), None)
    if begun is not None:
        raise HarnessError(f"this run was begun before: {begun.name} is there", where=str(run), remedy=go_on)
