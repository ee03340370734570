"""Bare Locust with a locustfile of ours, as somebody types it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


class Locust:
    """Started at once; what it says goes to a file. Not as a test leaves it: `locust` of conftest.py sees to that."""

    def __init__(self, folder: Path, name: str, *words: object, **environ: str) -> None:
        self._log = folder / f"{name}.log"
        command = [sys.executable, "-m", "locust", "-f", "locustfiles/open_loop.py", "--only-summary", *map(str, words)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environ}
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until(self, holds: Callable[[], bool], limit_s: float = 40) -> None:
        until = time.monotonic() + limit_s
        while not holds():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.02)

    def end(self, limit_s: float = 60) -> int:
        return self.process.wait(limit_s)
