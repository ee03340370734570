"""Processes of this host that were given up: none of them is left behind, running or standing still.

The rule: only our own children are touched. One that stands still is woken first: it sees that it has been given up, writes
down what became of its requests, and goes; one that does not is killed.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

import gevent

WAIT_S = 3.0
POLL_S = 0.05


def here() -> str:
    """Where the number of a process means the same: this boot of this host, or the part of it that we see."""
    boot, numbers = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text().strip()} {numbers.readlink()}"
    except OSError:
        return ""  # no Linux: nobody can be sure


def end(pid: int, host: str) -> None:
    """Takes up to `WAIT_S`; returns when it is gone, or was none of ours."""
    if not host or host != here():
        return
    tries = round(WAIT_S / POLL_S)
    for _ in range(tries):
        if not _is_running(pid):
            return
        os.kill(pid, signal.SIGCONT)
        gevent.sleep(POLL_S)
    if _is_running(pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_running(pid: int) -> bool:
    """Whether it is a child of ours that has not ended. Whoever started it waits for it later: it is left to be waited for."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
