"""The load process watches itself: a sample a second of how late it was, and of what kept it.

The rule: a sample ends at every edge of a block, so that a measure window is judged by its own seconds. Taking one keeps the
hub for a millisecond or two at most, however much was read.
"""

import gc
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.health import Health
from harness.loadgen.drain import Drain
from harness.measure.spread import spread
from harness.records import Finding

LEAST_NS = 500_000_000  # less than half a second says nothing by itself: the next sample then takes it in
MOST_LAGS = 4_096
_SCHEDSTAT = Path("/proc/self/schedstat")


class _Used(NamedTuple):
    """What the process has used so far."""

    at_ns: int
    cpu_ns: int
    waited_ns: int | None


class Watch:
    """One per load process, in the thread that makes the load. `close` it: it listens to the garbage collector."""

    def __init__(self, drain: Drain) -> None:
        self.newest: Health | None = None
        self._drain = drain
        self._before = _used()
        self._collecting_ns = 0
        self._pauses_ns: list[int] = []
        gc.callbacks.append(self._on_collection)

    def close(self) -> None:
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last sample for one more."""
        return time.monotonic_ns() - self._before.at_ns >= LEAST_NS

    def sample(self, in_flight: int) -> Health:
        """All that was seen since the last sample."""
        before, self._before = self._before, _used()
        gaps_ns, lags_ns = (np.frombuffer(each, np.int64) for each in self._drain.take_lags())
        pauses_ns, self._pauses_ns = self._pauses_ns, []
        interval_ns = self._before.at_ns - before.at_ns
        self.newest = Health(
            at_ns=self._before.at_ns,
            interval_ns=interval_ns,
            cpu_ratio=_ratio(self._before.cpu_ns - before.cpu_ns, interval_ns),
            wait_ratio=_waited(before, self._before),
            gaps=spread(gaps_ns),
            gap_max_ns=_longest(gaps_ns),
            reads=spread(lags_ns[:: len(lags_ns) // MOST_LAGS + 1]),
            read_n=len(lags_ns),
            read_max_ns=_longest(lags_ns),
            gc_n=len(pauses_ns),
            gc_ns=sum(pauses_ns),
            gc_max_ns=max(pauses_ns, default=0),
            backlog=self._drain.take_backlog(),
            open_fds=self._drain.open_sockets,
            in_flight=in_flight,
        )
        return self.newest

    def _on_collection(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_ns = time.monotonic_ns()
        else:
            self._pauses_ns.append(time.monotonic_ns() - self._collecting_ns)


def _used() -> _Used:
    return _Used(time.monotonic_ns(), time.process_time_ns(), _waited_ns())


def _waited_ns() -> int | None:
    """How long the main thread was runnable without a processor, since it began; None where the kernel does not say.

    The file is about the main thread alone, which is what is asked: hub and sockets are there. The other threads wait for the
    disk and for name servers, and what they wait for a processor makes no read late. The first field is its time on a
    processor, which cannot be 0 here: three zeros come from a kernel that does not count.
    """
    try:
        ran, waited, _ = _SCHEDSTAT.read_text("ascii").split()
    except (OSError, ValueError):
        return None
    return int(waited) if int(ran) else None


def _longest(values_ns: NDArray[np.int64]) -> int | None:
    return int(values_ns.max()) if len(values_ns) else None


def _waited(before: _Used, after: _Used) -> float | None:
    if before.waited_ns is None or after.waited_ns is None:
        return None
    return _ratio(after.waited_ns - before.waited_ns, after.at_ns - before.at_ns)


def _ratio(part_ns: int, whole_ns: int) -> float:
    """Four digits: a journal line shall be short."""
    return round(part_ns / whole_ns, 4) if whole_ns else 0.0


def findings(drain: Drain) -> list[Finding]:
    """What this process has to say against its own numbers."""
    found = []
    if drain.bugs:
        found.append(
            Finding(
                code="internal",
                what=f"signoff's own code failed {len(drain.bugs)} times: {drain.bugs[0]!r}",
                why="attempts that met it have no true outcome",
                remedy="report it with the run directory; the numbers of this run are not to be used",
                invalid=True,
            )
        )
    if drain.shortages:
        found.append(
            Finding(
                code="client_limited",
                what=f"{len(drain.shortages)} connections were not opened, for this machine refused: {drain.shortages[0]}",
                why="those attempts never came to the endpoint, and the level was not held",
                remedy="raise the limit on open files (ulimit -n; see `signoff doctor`), or use more processes (--processes)",
                invalid=True,
            )
        )
    clock = drain.clock
    if clock.steps:
        found.append(
            Finding(
                code="clock_step",
                what=f"the wall clock moved {clock.steps} times, by up to {clock.largest_step_ns / 1e6:.1f} ms",
                why="kernel stamps are on that clock; each drain converts anew, so a stamp errs by one step at most",
                remedy="let NTP settle before a run, or stop it for the run",
            )
        )
    return found
