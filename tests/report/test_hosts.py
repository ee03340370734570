"""What is said of hosts that are not the master's."""

import pytest

from harness.report import hosts
from harness.worker_host import Clock, WorkerHost

MS = 1_000_000


def worker(number: int, skew_ms: float, rtt_ms: float, host: str = "b", own: bool = True) -> WorkerHost:
    return WorkerHost(worker=number, host=host, own=own, clock=Clock(7 * MS, round(skew_ms * MS), round(rtt_ms * MS)))


def test_each_host_has_a_sentence() -> None:
    """Its clocks are those of the shortest round trip that any of its workers had; the master's own host has none."""
    silent = WorkerHost(worker=3, host="c", own=True)
    found = [worker(0, 0, 1, "a", own=False), worker(1, 30, 40), worker(2, -12.5, 0.8), silent]
    first, second = hosts.sentences(found)
    clocks = "its wall clock is 12.500 ms (+- 0.400 ms) behind the master's, its monotonic clock +0.007000 s from it"
    assert f"host b (workers 1, 2): {clocks}; shortest round trip 0.800 ms." == first
    assert "host c (worker 3): its clock is unknown, no beat of the master came back." == second
    assert [] == hosts.sentences(found[:1])


@pytest.mark.parametrize(
    ("skew_ms", "rtt_ms", "found"), [(50, 0, []), (50.1, 0, [1]), (-50.1, 0, [1]), (80, 60, []), (81, 60, [1]), (-900, 1, [1])]
)
def test_a_skew_is_found_where_the_round_trip_cannot_explain_it(skew_ms: float, rtt_ms: float, found: list[int]) -> None:
    """Over 50 ms for certain; it makes no run invalid, for no figure depends on it."""
    said = list(hosts.findings([worker(1, skew_ms, rtt_ms)]))
    assert [("clock_skew", False)] * len(found) == [(each.code, each.invalid) for each in said]
