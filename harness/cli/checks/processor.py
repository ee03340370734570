"""The processor: how much of it there is, who takes it away, and whether it runs at full speed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.cli.checks.check import Check, Planned, counted, kernel_text, warn_if

CORES = Path("/sys/devices/system/cpu")
WATCHED_S = 1.0
STEAL_RATIO = 0.01
BUSY_CORES = 0.25
NAMED = 3  # cores in a line
_IDLE = (3, 4)  # of the columns in /proc/stat: idle, and waiting for a disk
_STEAL = 7


class Spent(NamedTuple):
    """What all cores did meanwhile: how many of them were busy, and which share of the time a virtual machine's host took."""

    busy_cores: float
    stolen_ratio: float


class Quota(NamedTuple):
    """A CPU limit in cores, and the control group that has it."""

    cores: float
    group: str


def cores(planned: Planned) -> Check:
    usable, limit, needed = usable_cores(), quota(), planned.processes + 1
    found = f"{usable} usable" + ("" if limit is None else f", limited to {limit.cores:g} by the control group {limit.group}")
    found += f", and {counted(planned.processes, 'load process')} need{'s' if planned.processes == 1 else ''} {needed}"
    why = "each load process needs a core, and one merges; a throttled core stands still for up to 0.1 s at a time"
    lacking = usable < needed or (limit is not None and limit.cores < usable)
    return warn_if(lacking, "cores", found, why, f"use {needed} or more cores, without a CPU quota")


def idleness() -> Check:
    """What else runs here, and what the host takes: watched for a second in which this process sleeps."""
    why = "whoever uses the load process's core makes it read late; what a host takes stops every process at once"
    spent = watched(WATCHED_S)
    if spent is None:
        return Check("other load", "none", "no /proc/stat to read here", why)
    took = f"the host of this machine took {100 * spent.stolen_ratio:.1f} %"
    found = f"for {WATCHED_S:g} s other processes used {spent.busy_cores:.2f} cores, {took}"
    remedy = "stop what else runs; on a virtual machine, take a type with dedicated cores"
    taken = spent.busy_cores > BUSY_CORES or spent.stolen_ratio > STEAL_RATIO
    return warn_if(taken, "other load", found, why, remedy)


def governor() -> Check:
    files = sorted(CORES.glob("cpu[0-9]*/cpufreq/scaling_governor"), key=lambda file: (len(str(file)), file))
    governors = {file.parts[-3]: text for file in files if (text := kernel_text(str(file)))}
    why = "a clock rate that follows the load makes the first requests after a pause slower"
    if not governors:
        return Check("CPU governor", "none", "no core says: in a virtual machine it is the host's business", why)
    others = {core: governor for core, governor in governors.items() if governor != "performance"}
    if not others:
        return Check("CPU governor", "ok", "performance", why)
    places = ", ".join([*others][:NAMED]) + (", ..." if len(others) > NAMED else "")
    found = f"{', '.join(sorted({*others.values()}))} on {len(others)} of {len(governors)} cores ({places})"
    return Check("CPU governor", "warn", found, why, "cpupower frequency-set -g performance")


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def quota() -> Quota | None:
    """The smallest CPU limit of our control group and of those around it; None where there is none."""
    return min((Quota(limit, group) for limit, group in _limits() if limit is not None), default=None)


def _limits() -> Iterator[tuple[float | None, str]]:
    for line in (kernel_text("/proc/self/cgroup") or "0::/").splitlines():
        _, controllers, path = line.split(":", 2)
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            if not controllers:
                yield _ratio(kernel_text(f"/sys/fs/cgroup{group}/cpu.max".replace("//", "/"))), str(group)
            elif "cpu" in controllers.split(","):
                folder = f"/sys/fs/cgroup/{controllers}{group}"
                parts = [kernel_text(f"{folder}/cpu.cfs_{name}_us".replace("//", "/")) for name in ("quota", "period")]
                yield _ratio(" ".join(filter(None, parts))), str(group)


def _ratio(text: str | None) -> float | None:
    """`50000 100000` is half a core; `max` and -1 are no limit."""
    limit, _, period = (text or "max").partition(" ")
    return int(limit) / int(period) if limit.isdigit() and period else None


def watched(seconds: float) -> Spent | None:
    """What all cores spend while this process sleeps; None where the kernel does not say."""
    before, began = _ticks(), time.monotonic()
    time.sleep(seconds)
    after, wall_s = _ticks(), time.monotonic() - began
    return None if before is None or after is None else _spent(before, after, wall_s)


def _spent(before: list[int], after: list[int], wall_s: float) -> Spent:
    ticks = [later - earlier for earlier, later in zip(before, after, strict=True)]
    stolen = ticks[_STEAL] if len(ticks) > _STEAL else 0
    busy = sum(ticks) - stolen - sum(ticks[column] for column in _IDLE)
    return Spent(busy / os.sysconf("SC_CLK_TCK") / wall_s, stolen / max(1, sum(ticks)))


def _ticks() -> list[int] | None:
    """The first line of /proc/stat without its last columns, which count guests a second time."""
    name, *columns = ((kernel_text("/proc/stat") or "").partition("\n")[0].split() or [""])[:9]
    return [int(column) for column in columns] if name == "cpu" else None
