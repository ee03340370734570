"""Room on the disk that a run keeps for its own end: it is given back when a write fails for the first time.

A worker elsewhere has a disk of its own, so it keeps room for itself there.

The rule: what is in flight then can still be written down, and so can the state of the run; nothing new is begun.
"""

import os
from pathlib import Path

from harness.journal_log import cannot

RESERVE = ".reserve"
LEAST_BYTES = 512 * 1024
USER_BYTES = 4 * 1024  # a user's last two lines and its short answer


def of_worker(index: int) -> str:
    """The name of what one worker keeps for itself."""
    return f"{RESERVE}-{index:03d}"


def hold(run: Path, users: int, name: str = RESERVE) -> None:
    """`StorageError` where there is no room for it: then there is none for a run, either."""
    file, size = run / name, max(LEAST_BYTES, users * USER_BYTES)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, size)
            else:
                os.write(fd, bytes(size))
        finally:
            os.close(fd)
    except OSError as failed:
        file.unlink(missing_ok=True)
        raise cannot(file, failed) from failed


def free(run: Path, name: str = RESERVE) -> None:
    """Any process of the run may, and any number of times."""
    (run / name).unlink(missing_ok=True)
