"""The queue before the servers: known waits, Erlang's mean, and the same on real sockets."""

import itertools
import math
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from harness.simulator.profile import ServiceTime
from harness.simulator.servers import Servers

S = 1_000_000_000
MS = 1_000_000


@pytest.mark.parametrize(
    ("n", "began"),
    [(1, [0, 10, 20, 30, 100]), (2, [0, 1, 10, 11, 100]), (4, [0, 1, 2, 3, 100])],
)
def test_waits_by_hand(n: int, began: list[int]) -> None:
    """Four requests a moment apart, each of ten, and one that comes when all is done."""
    servers = Servers(n)
    assert began == [servers.admit(received, 10) for received in (0, 1, 2, 3, 100)]


def test_the_first_come_is_first_served_by_whoever_is_free_first() -> None:
    """A short service frees its server for the next, while the other still works on a long one."""
    servers = Servers(2)
    assert [0, 0, 3, 8] == [servers.admit(0, service) for service in (100, 3, 5, 1)]


def erlang_c(servers: int, load: float) -> float:
    """Probability that a request waits, with `load` = arrival rate x mean service time. Erlang (1917)."""
    busy = load**servers / math.factorial(servers) * servers / (servers - load)
    return busy / (sum(load**k / math.factorial(k) for k in range(servers)) + busy)


@pytest.mark.parametrize(("n", "used"), [(1, 0.6), (3, 0.8), (8, 0.7)])
def test_the_mean_wait_is_that_of_erlang_c(n: int, used: float) -> None:
    """Poisson arrivals and exponential service times make M/M/c: the mean wait and the share that waits within 4 %."""
    choose, mean_s, servers = random.Random(7), 0.1, Servers(n)
    service = ServiceTime(mean_s=mean_s)
    rate, at_s, waits_s = n * used / mean_s, 0.0, []
    for _ in range(200_000):
        at_s += choose.expovariate(rate)
        received_ns = round(at_s * S)
        waits_s.append((servers.admit(received_ns, service.drawn_ns(choose.random())) - received_ns) / S)
    waiting = erlang_c(n, n * used)
    assert sum(waits_s) / len(waits_s) == pytest.approx(waiting * mean_s / (n * (1 - used)), rel=0.04)
    assert sum(wait > 0 for wait in waits_s) / len(waits_s) == pytest.approx(waiting, rel=0.04)


def asked(url: str, requests: int) -> None:
    """So many streams at once."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}

    def ask(_: int) -> None:
        httpx.post(f"{url}/chat/completions", json=body, trust_env=False, timeout=20)

    with ThreadPoolExecutor(requests) as pool:
        list(pool.map(ask, range(requests)))


def reckoned(lines: list[dict[str, Any]], n: int) -> list[int]:
    """When the service of each began, from what the truth says of those before it."""
    free, found = [0] * n, []
    for line in sorted(lines, key=lambda line: line["n"]):
        free.sort()
        found.append(max(free[0], line["received_ns"]))
        free[0] = found[-1] + line["service_ns"]
    return found


@pytest.mark.parametrize("n", [1, 3])
def test_the_truth_tells_when_each_service_began(start: Any, n: int) -> None:
    """Eight exponential services that come together wait in line; first and last token are due at a share and at the end."""
    told = {"service": {"mean_s": 0.05, "first_ratio": 0.5}, "servers": n}
    simulator = start(filler_tokens=5, candidates=[{"name": "a", "model": "m", **told}])
    asked(simulator.urls["a"], 8)
    lines = sorted(simulator.stop(), key=lambda line: line["n"])
    assert reckoned(lines, n) == [line["began_ns"] for line in lines]
    assert 8 == len({line["service_ns"] for line in lines})
    for line in lines:
        due_ns = [sent - late - line["began_ns"] for sent, late in zip(line["sent_ns"], line["late_ns"], strict=True)]
        assert (round(line["service_ns"] * 0.5), line["service_ns"]) == (due_ns[0], due_ns[-1])
        gaps = [after - before for before, after in itertools.pairwise(due_ns)]
        assert max(gaps) - min(gaps) <= 1


def test_drawn_times_queue_as_well(start: Any) -> None:
    """Without a service time of its own a request holds its server for its time to first token and all of its gaps."""
    times = {"ttft": {"median_s": 0.02, "sigma": 0.5}, "itl": {"median_s": 0.004, "sigma": 0.5}, "tokens_per_chunk": 2}
    simulator = start(filler_tokens=9, candidates=[{"name": "a", "model": "m", "servers": 1, **times}])
    asked(simulator.urls["a"], 4)
    lines = sorted(simulator.stop(), key=lambda line: line["n"])
    assert reckoned(lines, 1) == [line["began_ns"] for line in lines]
    for line in lines:
        assert line["began_ns"] + line["service_ns"] == line["sent_ns"][-1] - line["late_ns"][-1]
    assert lines[-1]["began_ns"] - lines[-1]["received_ns"] > 50 * MS


def test_who_has_no_servers_to_wait_for_has_no_such_lines(start: Any) -> None:
    """A candidate without a queue says nothing of one."""
    simulator = start(
        filler_tokens=2, candidates=[{"name": "a", "model": "m", "ttft": {"median_s": 0}, "itl": {"median_s": 0}}]
    )
    asked(simulator.urls["a"], 1)
    [line] = simulator.stop()
    assert set() == {"began_ns", "service_ns", "freezes", "limits"} & line.keys()
