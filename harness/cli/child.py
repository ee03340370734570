"""The Locust child of `signoff run`: started in a session of its own, told to stop, reaped to the last process.

The parent is never monkey-patched and makes no load. Status comes back as JSON lines on a pipe.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import msgspec

from harness.errors import ExitCode
from harness.loadgen import seal

STATUS_FD = "SIGNOFF_STATUS_FD"
ORPHANS_S = 5.0


def command(locustfile: Path, run: Path, processes: int, metrics: str | None) -> list[str]:
    """What is run, and what a user could type: Locust, headless, with one of our locustfiles."""
    port = str(_free_port())
    words = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--run-dir", str(run)]
    words += ["--processes", str(processes), "--expect-workers-max-wait", "60", "--master-bind-host", "127.0.0.1"]
    words += ["--master-bind-port", port, "--master-port", port, "--loglevel", "WARNING", "--only-summary"]
    return words + (["--metrics", metrics] if metrics else [])


class Child:
    """Iterate over its status lines inside a `with`; after it nothing of the child is left, whatever became of it.

    Ctrl-C meanwhile is passed on: once to drain, twice to cut. The third kills, and so does the first one before the first
    status: there is nothing to keep then, and a Locust that is still importing itself takes no orders.
    """

    def __init__(self, words: list[str], log: Path, environ: dict[str, str]) -> None:
        self._words, self._environ, self._log = words, environ, log
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = False
        self.interrupts = 0

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        reading, writing = os.pipe()
        self._status = os.fdopen(reading, "rb")
        try:
            self._process = self._start(writing)
        finally:
            os.close(writing)
        if self.interrupts:
            self._kill()  # the signal came before there was a process to pass it to
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._status.close()
        self._reap()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def statuses(self) -> Iterator[dict[str, Any]]:
        """One dict a second while the run goes on. `KeyboardInterrupt` when it was stopped before it had begun."""
        for line in self._status:
            self._begun = True
            if line.endswith(b"\n"):  # a killed process may leave half a line
                yield msgspec.json.decode(line)
        self._started.wait()
        if self.interrupts and not self._begun:
            raise KeyboardInterrupt

    def exit_code(self) -> ExitCode:
        """As the child said. One that was killed is a measurement that was not brought to its end."""
        code = self._started.returncode
        if code < 0:
            return ExitCode.INTERRUPTED if self.interrupts else ExitCode.INVALID
        return ExitCode(code) if code in set(ExitCode) else ExitCode.BUG

    def complaint(self) -> str | None:
        """What the user has to read of the child's log; None when the report says it all."""
        code = self._started.returncode
        if code < 0 and not self.interrupts:
            return f"signoff: the load process was killed by signal {-code} ({signal.strsignal(-code)}); see {self._log}"
        if self.exit_code() in (ExitCode.BUG, ExitCode.USAGE, ExitCode.STORAGE):
            return self._log_tail()
        return None

    def _start(self, status_fd: int) -> "subprocess.Popen[bytes]":
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            return subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self._environ, STATUS_FD: str(status_fd), seal.TOKEN: secrets.token_hex(32)},
                pass_fds=[status_fd],
                umask=0o077,
                start_new_session=True,
            )

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "there is a process inside the `with`"
        return self._process

    def _log_tail(self, lines: int = 12) -> str:
        """The last that was logged, without the table that Locust prints when it ends."""
        logged, _, _ = self._log.read_text("utf-8", "replace").partition("\nType ")
        return "\n  ".join(logged.splitlines()[-lines:])

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self.interrupts += 1
        if self._process is None:
            return
        if self.interrupts > 2 or not self._begun:
            self._kill()
        else:
            self._process.send_signal(signal.SIGINT)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._started.pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Workers whose master died write their last lines and leave by themselves; who stays or stands still is killed."""
        if self._process is None:
            return
        until = time.monotonic() + ORPHANS_S
        while self._process.poll() is not None and self._has_processes() and time.monotonic() < until:
            self._kill_stopped()
            time.sleep(0.02)
        self._kill()
        self._process.wait()

    def _kill_stopped(self) -> None:
        """Whatever stands still cannot leave."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if state in "Tt" and int(group) == self._started.pid:
                    os.kill(int(stat.parent.name), signal.SIGKILL)

    def _has_processes(self) -> bool:
        try:
            os.killpg(self._started.pid, 0)
        except ProcessLookupError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
