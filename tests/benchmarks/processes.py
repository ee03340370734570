"""Processes under measurement: the core that they stay on, the processor time and memory that they use, a neighbour that burns.

All is read from /proc while they work. All processes of one host share the monotonic clock, so what was used between two
samples can be held against what the simulator's truth says was sent between the same two moments. Who takes the samples keeps
a `Pulse`: what was measured around a moment at which everything stood still is worth nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

GONE = (FileNotFoundError, ProcessLookupError)
STILL_S = 3.0  # between two samples, of which there are twenty a second
_TICKS_PER_S, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = _CORES[0], _CORES[-1]
ALL_CORES = (SERVER_CORE, CLIENT_CORE)


class Sample(NamedTuple):
    """Processor seconds, user and system, that processes have used up to a moment, and their resident memory then."""

    at_ns: int
    cpu_s: float
    rss_bytes: int


class Used(NamedTuple):
    """What was used between two samples."""

    from_ns: int
    to_ns: int
    cpu_s: float

    @property
    def wall_s(self) -> float:
        return (self.to_ns - self.from_ns) / 1e9

    @property
    def core_ratio(self) -> float:
        """Of one core."""
        return self.cpu_s / self.wall_s


class Tree:
    """A process and all that descend from it. What one of them had used when it was last seen stays counted after its end."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s: dict[int, float] = {}

    def sample(self) -> Sample:
        rss_bytes = 0
        for pid in descent(self._pid):
            with suppress(*GONE):
                seen = sample(pid)
                self._cpu_s[pid] = seen.cpu_s
                rss_bytes += seen.rss_bytes
        return Sample(time.monotonic_ns(), sum(self._cpu_s.values()), rss_bytes)


class StoodStillError(Exception):
    """The machine was suspended, or the benchmark was stopped: the round has to be measured again."""


class Pulse:
    """Call `beat` with every sample. `clock` goes on while the machine is suspended, as the monotonic clock does not."""

    def __init__(self, clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)) -> None:
        self._clock = clock
        self._last_s = clock()

    def beat(self) -> None:
        """Raises `StoodStillError` when the last beat was too long ago."""
        last_s, self._last_s = self._last_s, self._clock()
        if self._last_s - last_s > STILL_S:
            raise StoodStillError(f"everything stood still for {self._last_s - last_s:.1f} s")


def sample(pid: int) -> Sample:
    """Of one process. `ProcessLookupError` or `FileNotFoundError` when it is gone."""
    # In `/proc/PID/stat` after the name: the 12th and 13th field are user and system time, the 22nd the resident pages.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Sample(time.monotonic_ns(), (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, int(fields[21]) * _PAGE_BYTES)


def machine() -> Sample:
    """Of all that the machine does, whoever asked for it; memory is not looked at."""
    # In the first line of `/proc/stat` idle time and the wait for disks are the 4th and 5th figure; guests are in user time.
    times = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return Sample(time.monotonic_ns(), (sum(times) - sum(times[3:5])) / _TICKS_PER_S, 0)


def descent(pid: int) -> Iterator[int]:
    """The process and its children's children, as far as they live."""
    yield pid
    with suppress(*GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*GONE):
                for child in (thread / "children").read_text().split():
                    yield from descent(int(child))


def within(samples: Sequence[Sample], from_ns: int, to_ns: int) -> Used:
    """From the first to the last sample of a window. `SystemExit` where it has fewer than two."""
    inside = [each for each in samples if from_ns <= each.at_ns < to_ns]
    if len(inside) < 2:
        raise SystemExit(f"{len(inside)} samples in a window of {(to_ns - from_ns) / 1e9:.2f} s: too few to measure by")
    return Used(inside[0].at_ns, inside[-1].at_ns, inside[-1].cpu_s - inside[0].cpu_s)


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Processes that are started in the body stay on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def burning(core: int) -> Iterator[None]:
    """Another process takes what it can get of this core while the body runs."""
    with pinned(core):
        hog = subprocess.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        hog.kill()
        hog.wait()
