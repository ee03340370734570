"""The right to make a run: once for each run directory, and to one process at a time.

The rule: a run that was begun is never begun again, for its journals are only appended to and would hold two runs in one.
"""

import fcntl
import os
from pathlib import Path

from harness import results
from harness.errors import HarnessError
from harness.journal_log import cannot

LOCK = ".lock"
_ANEW = "make a new run: `signoff run SCENARIO`, or a bare locust with --scenario SCENARIO"


def claim(run: Path) -> int:
    """The lock's file descriptor: the right ends when it is closed, or with the process, however that ends.

    `HarnessError` for a run that was begun before, or that another process is making.
    """
    results.read_manifest(run)
    try:
        fd = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as failed:
        raise cannot(run / LOCK, failed) from failed
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _check_unbegun(run)
    except BlockingIOError as taken:
        os.close(fd)
        raise HarnessError("another process is making this run", where=str(run), remedy=_ANEW) from taken
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_unbegun(run: Path) -> None:
    """Only now: who held the lock until now may have begun it."""
    state = results.read_manifest(run).state
    if state != "planned":
        raise HarnessError(f"this run is not to be made again, its state is {state!r}", where=str(run), remedy=_ANEW)
    begun = next(iter(sorted(run.glob("journal-*.jsonl"))), None)
    if begun is not None:
        raise HarnessError(f"this run was begun before: {begun.name} is there", where=str(run), remedy=_ANEW)
