"""A `signoff run` that goes on while a test looks at it, sends it signals and ends its processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

START_S = 40.0
POLL_S = 0.01


class Running:
    """Started at once, with `folder`/runs as its --out; what it prints goes to files, so that it can never block.

    Without a scenario it goes on with a run that is in there, which `words` name.
    """

    def __init__(self, scenario: Path | None, folder: Path, *words: object, **environ: str) -> None:
        self.out, self._printed, self._said = folder / "runs", folder / "stdout", folder / "stderr"
        begun = () if scenario is None else (scenario, "--out", self.out)
        command = [sys.executable, "-m", "harness.cli.app", "run", *begun, "--metrics", "", *words]
        with self._printed.open("wb") as stdout, self._said.open("wb") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **environ},
            )

    @property
    def run(self) -> Path:
        return (self.out / "latest").resolve()

    @property
    def err(self) -> str:
        return self._said.read_text()

    def until(self, holds: Callable[[], bool], limit_s: float = START_S) -> None:
        """Wait for a condition; a run that ends before it fails the test with what it said."""
        until = time.monotonic() + limit_s
        while not holds():
            assert self.process.poll() is None, self.err
            assert time.monotonic() < until, self.err
            time.sleep(POLL_S)

    def until_journal_says(self, text: str, times: int = 1) -> None:
        """Wait until the first worker's journal holds a text so often."""
        journal = self.out / "latest" / "journal-000.jsonl"
        self.until(lambda: journal.exists() and journal.read_text("utf-8").count(text) >= times)

    def send(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self, limit_s: float) -> int:
        """Its exit code; it may take so long and no longer."""
        return self.process.wait(limit_s)

    @property
    def family(self) -> set[int]:
        """Every process that works on this run, but the one that was started: they all name its folder."""
        mine = os.fsencode(self.out)
        return {pid for pid in _pids() if pid != self.process.pid and mine in _read(pid, "cmdline")}

    @property
    def simulator(self) -> int:
        return next(pid for pid in self.family if b"harness.simulator" in _read(pid, "cmdline"))

    @property
    def workers(self) -> list[int]:
        """The processes that make load: children of Locust's master, which is one of the family itself."""
        family = self.family
        return sorted(pid for pid in family if parent(pid) in family)

    def until_nobody_is_left(self, limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while self.family:
            assert time.monotonic() < until, [_read(pid, "cmdline") for pid in self.family]
            time.sleep(POLL_S)


Made = TypeVar("Made", bound=Running)


@contextmanager
def running(
    scenario: Path | None,
    folder: Path,
    *words: object,
    made: type[Made] = Running,
    **environ: str,  # type: ignore[assignment]
) -> Iterator[Made]:
    """A run of which nothing is left afterwards, whatever the test found."""
    run = made(scenario, folder, *words, **environ)
    try:
        yield run
    finally:
        for pid in {run.process.pid, *run.family} if run.process.poll() is None else run.family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run.process.wait()


def parent(pid: int) -> int | None:
    """None for a process that is gone."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else None


def memory_mb(pid: int) -> float:
    """Resident memory now, shared pages included."""
    line = next(line for line in _read(pid, "status").splitlines() if line.startswith(b"VmRSS:"))
    return int(line.split()[1]) / 1024


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    """A file of /proc, empty once the process is gone; a zombie has an empty command line."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
