"""Processes of this host that were given up: none of them is left behind, running or standing still.

The rule: only our own children are touched. One that stands still is woken first: it sees that it has been given up, writes
down what became of its requests, and goes; one that does not is killed.
"""

import os
import signal
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


def forks() -> int | None:
    """How many of the processes that this one was forked into go on: children of its command line. None: nobody can tell."""
    mine = Path("/proc/self/cmdline")
    try:
        pids = {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
        return sum(_command(pid) == mine.read_bytes() for pid in pids)
    except OSError:
        return None


def _command(pid: str) -> bytes:
    """Empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def end(pid: int, host: str) -> None:
    """Takes up to `WAIT_S`; returns when it is gone, or was none of ours."""
    for _ in range(round(WAIT_S / POLL_S)):
        if _is_ended(pid, host) is not False:
            return
        os.kill(pid, signal.SIGCONT)
        gevent.sleep(POLL_S)
    if _is_ended(pid, host) is False:
        os.kill(pid, signal.SIGKILL)


def has_ended(pid: int, host: str) -> bool:
    """Whether it was a child of ours and is gone; False where nobody can tell."""
    return _is_ended(pid, host) is True


def _is_ended(pid: int, host: str) -> bool | None:
    """None of what is no child of ours. Whoever started it waits for it in the end, and it is left for that.

    Subtle: gevent may have waited for it already; then there is none of that number.
    """
    if not host or host != here():
        return None
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return None if Path(f"/proc/{pid}").exists() else True
