"""The Locust child of `signoff run`: started in a session of its own, told to stop, reaped to the last process.

The parent is never monkey-patched and makes no load. Status comes back as JSON lines on a pipe.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from harness.errors import ExitCode, HarnessError

LOG = "locust.log"
STATUS_FD = "SIGNOFF_STATUS_FD"


def command(locustfile: Path, run: Path, processes: int, metrics: str | None) -> list[str]:
    """What is run, and what a user could type: Locust, headless, with one of our locustfiles."""
    port = str(_free_port())
    words = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--run-dir", str(run)]
    words += ["--processes", str(processes), "--master-bind-host", "127.0.0.1"]
    words += ["--master-bind-port", port, "--master-port", port, "--loglevel", "WARNING", "--only-summary"]
    return words + (["--metrics", metrics] if metrics else [])


class Child:
    """Iterate over its status lines until it has ended; Ctrl-C meanwhile is passed on: once to drain, twice to cut."""

    def __init__(self, words: list[str], run: Path, environ: dict[str, str]) -> None:
        reading, writing = os.pipe()
        self._log = run / LOG
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environ, STATUS_FD: str(writing)},
                pass_fds=[writing],
                umask=0o077,
                start_new_session=True,
            )
        os.close(writing)
        self._status = os.fdopen(reading, "rb")
        self.interrupts = 0

    def statuses(self) -> Iterator[dict[str, Any]]:
        """One dict a second while the run goes on."""
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for line in self._status:
                yield msgspec.json.decode(line)
            self._process.wait()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._reap()

    def exit_code(self) -> ExitCode:
        """As the child said; a child that died in another way is a bug, and its log is quoted."""
        code = self._process.returncode
        with suppress(ValueError):
            return ExitCode(code)
        raise HarnessError(f"the load process ended with {code}", where=str(self._log), remedy=self.log_tail())

    def log_tail(self, lines: int = 12) -> str:
        return "\n  ".join(self._log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self.interrupts += 1
        with suppress(ProcessLookupError):
            if self.interrupts > 2:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.send_signal(signal.SIGINT)

    def _reap(self) -> None:
        """Nothing of the child's session is left, whatever became of it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._status.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
