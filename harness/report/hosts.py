"""Hosts of a run other than the master's, and how far their clocks are from its own.

The rule: no figure depends on it. A duration is of one host's clock, and stamps of two hosts are never compared; but whoever
holds a journal against a provider's log reads the wall clock.
"""

from collections.abc import Iterable, Iterator

from harness.records import Finding
from harness.worker_host import Clock, WorkerHost

SKEW_NS = 50_000_000


def sentences(hosts: Iterable[WorkerHost]) -> list[str]:
    """Of each host with files of its own: which workers, and its clocks by the shortest exchange that any of them had."""
    return [_sentence(name, members) for name, members in _elsewhere(hosts).items()]


def findings(hosts: Iterable[WorkerHost]) -> Iterator[Finding]:
    """Wall clocks that are certainly apart: what half the round trip may explain is left out."""
    for name, members in _elsewhere(hosts).items():
        clock = _best(members)
        if clock is not None and abs(clock.skew_ns) - clock.rtt_ns / 2 > SKEW_NS:
            yield Finding(
                code="clock_skew",
                what=f"the wall clock of {name} is {_apart(clock)} the master's",
                why="no figure is made from it, but times of day in its journal do not fit the others' or a provider's log",
                remedy="let NTP or chrony set the clock of every host before a run",
            )


def _elsewhere(hosts: Iterable[WorkerHost]) -> dict[str, list[WorkerHost]]:
    found: dict[str, list[WorkerHost]] = {}
    for each in hosts:
        if each.own:
            found.setdefault(each.host or "a host without a name", []).append(each)
    return found


def _best(members: Iterable[WorkerHost]) -> Clock | None:
    return min((each.clock for each in members if each.clock is not None), key=lambda clock: clock.rtt_ns, default=None)


def _sentence(name: str, members: list[WorkerHost]) -> str:
    clock = _best(members)
    workers = f"worker{'s' if len(members) > 1 else ''} {', '.join(str(each.worker) for each in members)}"
    if clock is None:
        return f"host {name} ({workers}): its clock is unknown, no beat of the master came back."
    return (
        f"host {name} ({workers}): its wall clock is {_apart(clock)} the master's, "
        f"its monotonic clock {clock.offset_ns / 1e9:+.6f} s from it; shortest round trip {clock.rtt_ns / 1e6:.3f} ms."
    )


def _apart(clock: Clock) -> str:
    sign = "ahead of" if clock.skew_ns >= 0 else "behind"
    return f"{abs(clock.skew_ns) / 1e6:.3f} ms (+- {clock.rtt_ns / 2e6:.3f} ms) {sign}"
