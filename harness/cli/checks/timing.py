"""Time: how finely the clock counts, and how late a sleeping process is woken."""

import time
from itertools import pairwise

from harness.cli.checks.check import Check, kernel_text, warn_if

PRECISE_CLOCKS = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"}
READINGS = 2_000
STEP_NS = 10_000
NAP_S, NAPS = 0.001, 500
LATE_NS = 1_000_000
SLACK_NS = 100_000
_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


def clock() -> Check:
    source = kernel_text(_SOURCE)
    step_ns = _smallest_step_ns()
    step = f"no step seen in {READINGS} readings" if step_ns is None else f"smallest step seen {step_ns} ns"
    found = f"source {source or 'unknown'}, {step}"
    coarse = step_ns is None or step_ns > STEP_NS or (source is not None and source not in PRECISE_CLOCKS)
    why = "gaps between tokens are fractions of a millisecond"
    return warn_if(coarse, "clock", found, why, "boot with clocksource=tsc, or use another machine type")


def wake_ups() -> Check:
    """The load process looks at its sockets each millisecond: how late is it woken for that?"""
    late_ns = sorted(naps_ns())
    middle, p99, longest = late_ns[len(late_ns) // 2], late_ns[len(late_ns) * 99 // 100], late_ns[-1]
    slack_ns = int(kernel_text("/proc/self/timerslack_ns") or 0)
    found = f"after {NAPS} naps of 1 ms: late by p50 {_ms(middle)}, p99 {_ms(p99)}, at most {_ms(longest)} ms"
    found += f"; timer slack {_ms(slack_ns)} ms" if slack_ns else ""
    why = "signoff looks at its sockets once a millisecond; who wakes late reads tokens together that came apart"
    remedy = "stop what else runs here, take a machine with cores of its own, and leave timer slack at its 0.05 ms"
    return warn_if(p99 > LATE_NS or slack_ns > SLACK_NS, "wake-ups", found, why, remedy)


def naps_ns() -> list[int]:
    """How much longer than `NAP_S` each of `NAPS` sleeps took, in ns."""
    late = []
    for _ in range(NAPS):
        began = time.monotonic_ns()
        time.sleep(NAP_S)
        late.append(time.monotonic_ns() - began - round(NAP_S * 1e9))
    return late


def _smallest_step_ns() -> int | None:
    """None where the clock stood still meanwhile."""
    stamps = [time.monotonic_ns() for _ in range(READINGS)]
    return min((later - earlier for earlier, later in pairwise(stamps) if later > earlier), default=None)


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f}"
