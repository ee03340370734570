"""`signoff doctor`: can this machine measure? Each check says what it found, why that matters and what to do."""

import os
import platform
import re
import resource
import shutil
import socket
import time
from collections.abc import Callable
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from harness.errors import ExitCode
from harness.loadgen import clock

STAMP_TRIES = 20
RESERVED_FDS = 100  # of a worker, beside one per user
PRECISE_CLOCKS = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"}


class Check(msgspec.Struct, frozen=True):
    """`remedy` is empty where nothing needs to be done."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    why: str
    remedy: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> ExitCode:
    """Check whether this machine can measure. Exits 2 when a check fails; a warning alone does not."""
    checks = [check() for check in CHECKS]
    print(msgspec.json.format(msgspec.json.encode(checks)).decode() if as_json else "\n".join(map(_line, checks)))
    return ExitCode.USAGE if any(check.status == "fail" for check in checks) else ExitCode.OK


def _line(check: Check) -> str:
    advice = "" if check.status == "ok" else f"\n      why: {check.why}\n      do:  {check.remedy}"
    return f"{check.status:<4}  {check.name}: {check.found}{advice}"


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.release()}"
    why = "Linux is the platform of record: epoll and kernel stamps are there"
    if platform.system() == "Linux":
        return Check("python", "ok", found, why)
    return Check("python", "warn", found, why, "measure on Linux; elsewhere stamps are taken after the read")


def _packages() -> Check:
    why = "a missing package stops a run half way"
    needed = [line for line in metadata.requires("signoff") or () if "extra ==" not in line]
    versions, missing = [], []
    for name in (re.split(r"[^\w.-]", line)[0] for line in needed):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", why, f"pip install {' '.join(missing)}")
    return Check("packages", "ok", ", ".join(versions), why)


def _kernel_stamps() -> Check:
    """Send bytes over loopback and look whether the arrival stamp is there and lies between the moments around the sending."""
    why = "stamps of the kernel stay true while this process is busy; without them a stamp is taken after the read"
    remedy = "measure on Linux, outside of a sandbox that rewrites sockets (gVisor)"
    try:
        error_ns = _stamp_error_ns()
    except OSError as failed:
        return Check("kernel receive stamps", "warn", f"not available: {failed}", why, remedy)
    if error_ns is None:
        return Check("kernel receive stamps", "warn", "tried on loopback: none came", why, remedy)
    if error_ns > clock.STEP_NS:
        return Check("kernel receive stamps", "warn", f"tried on loopback: off by {error_ns / 1e6:.3f} ms", why, remedy)
    return Check("kernel receive stamps", "ok", "tried on loopback: they come, and agree with our clock", why)


def _stamp_error_ns() -> int | None:
    """How far a stamp lies outside of the time between send and read, in ns; None when no byte of `STAMP_TRIES` had one.

    Subtle: the kernel switches stamping on a moment after the first socket asked for it, so the first byte may have none.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5) as sender:
        receiver, _ = server.accept()
        with receiver:
            receiver.settimeout(5)
            receiver.setsockopt(socket.SOL_SOCKET, clock.SO_TIMESTAMPNS, 1)
            kernel = clock.KernelClock()
            for _ in range(STAMP_TRIES):
                before = kernel.tick()
                sender.sendall(b"x")
                _, ancillary, _, _ = receiver.recvmsg(1, clock.ANCILLARY_BYTES)
                stamp = kernel.stamp(ancillary)
                if stamp is not None:
                    kernel.close()
                    return max(0, before - stamp, stamp - time.monotonic_ns())
                time.sleep(0.005)
            kernel.close()
    return None


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    users = soft - RESERVED_FDS
    found = f"limit {soft} (hard {hard}): at most {users} users per process"
    why = "every user keeps one connection open"
    if users >= 1000:
        return Check("open files", "ok", found, why)
    return Check("open files", "warn", found, why, f"`ulimit -n {min(hard, 65536)}` before a run, or more processes")


def _clock() -> Check:
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    step_ns = _smallest_step_ns()
    found = f"source {source or 'unknown'}, smallest step seen {step_ns} ns"
    why = "gaps between tokens are fractions of a millisecond"
    if step_ns <= 10_000 and (source is None or source in PRECISE_CLOCKS):
        return Check("clock", "ok", found, why)
    return Check("clock", "warn", found, why, "boot with clocksource=tsc, or use another machine type")


def _smallest_step_ns() -> int:
    stamps = [time.monotonic_ns() for _ in range(2000)]
    return min((later - earlier for earlier, later in pairwise(stamps) if later > earlier), default=0)


def _cores() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cpu_quota()
    found = f"{usable} usable" + ("" if quota is None else f", limited by its control group to {quota:g}")
    why = "one core makes load and another one merges; a throttled core stands still for up to 0.1 s at a time"
    if usable < 2 or (quota is not None and quota < usable):
        return Check("cores", "warn", found, why, "use two or more cores, without a CPU quota")
    return Check("cores", "ok", found, why)


def _cpu_quota() -> float | None:
    limit, _, period = (_read("/sys/fs/cgroup/cpu.max") or "max 1").partition(" ")
    return None if limit == "max" else int(limit) / int(period)


def _governor() -> Check:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    governors = {file.read_text().strip() for file in files}
    why = "a clock rate that follows the load makes the first requests after a pause slower"
    if governors <= {"performance"}:
        found = "performance" if governors else "not readable: this is the host's business in a virtual machine"
        return Check("CPU governor", "ok", found, why)
    return Check("CPU governor", "warn", ", ".join(sorted(governors)), why, "cpupower frequency-set -g performance")


def _exporter_port() -> Check:
    from harness.loadgen.exporter import DEFAULT_PORT  # noqa: PLC0415 - brings gevent

    why = "`signoff run` serves its live metrics for Prometheus there"
    try:
        socket.create_server(("127.0.0.1", DEFAULT_PORT)).close()
    except OSError as failed:
        remedy = f"end what listens there (`ss -ltnp 'sport = :{DEFAULT_PORT}'`), or choose another port"
        return Check("exporter port", "warn", f"127.0.0.1:{DEFAULT_PORT} is not free: {failed.strerror}", why, remedy)
    return Check("exporter port", "ok", f"127.0.0.1:{DEFAULT_PORT} is free", why)


def _sandbox() -> Check:
    return _program("bwrap", "bubblewrap", "code that models write is graded only inside its sandbox")


def _prometheus() -> Check:
    return _program("prometheus", "prometheus", "live metrics need a server that scrapes and keeps them")


def _program(name: str, package: str, why: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, "warn", "not found", why, f"install it (Debian: apt-get install {package}), or do without")
    return Check(name, "ok", path, why)


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


CHECKS: tuple[Callable[[], Check], ...] = (
    _python,
    _packages,
    _kernel_stamps,
    _open_files,
    _clock,
    _cores,
    _governor,
    _exporter_port,
    _sandbox,
    _prometheus,
)
