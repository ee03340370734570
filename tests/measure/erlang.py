"""Queues of c servers in virtual time, and Erlang's formula for them: what a search has to find is known.

The rule: a service takes one second on average, so a rate is in servers.
"""

import heapq
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from harness.measure.level import LevelResult, Rows, level_result
from harness.measure.search import Step
from harness.measure.slo import Objective

ALLOWED = {"p95": 0.05, "p99": 0.01}
QUEUES = [(1, 10, "p95"), (1, 23, "p99"), (2, 8, "p95"), (4, 6, "p99"), (8, 5, "p95"), (16, 6, "p99"), (16, 3.5, "p95")]
Queue = tuple[int, float, str]
Times = NDArray[np.float64]


def must_wait(servers: int, offered: float) -> float:
    """Erlang C from Erlang B by its recursion."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def beyond(rate: float, servers: int, limit: float) -> float:
    """P(sojourn > limit) in M/M/c with service rate 1: no wait, or an exponential one at rate c - lambda, and the service."""
    waits, drain = must_wait(servers, rate), servers - rate
    both = (1 + limit) * math.exp(-limit) if abs(drain - 1) < 1e-7 else None
    both = (math.exp(-drain * limit) - drain * math.exp(-limit)) / (1 - drain) if both is None else both
    return (1 - waits) * math.exp(-limit) + waits * both


def capacity(queue: Queue) -> float:
    """The rate at which exactly the allowed share lies beyond the limit."""
    servers, limit, statistic = queue
    return float(optimize.brentq(lambda rate: beyond(rate, servers, limit) - ALLOWED[statistic], 1e-6, servers * (1 - 1e-9)))


def ends(arrivals: Times, service: Times, servers: int) -> Times:
    """First come, first served; of one server by Lindley's recursion."""
    if servers == 1:
        work = np.cumsum(service)
        return work + np.maximum.accumulate(arrivals - np.concatenate(([0.0], work[:-1])))
    free, done = [0.0] * servers, np.empty(len(arrivals))
    for number, (arrival, length) in enumerate(zip(arrivals.tolist(), service.tolist(), strict=True)):
        done[number] = max(arrival, free[0]) + length
        heapq.heapreplace(free, done[number])
    return done


def rows_of(arrivals: Times, done: Times) -> Rows:
    return Rows(arrivals, done, np.ones(len(done), bool), {"e2e": done - arrivals}, np.full(len(done), np.nan))


def open_loop(servers: int, objectives: list[Objective], seed: int) -> Callable[[Step], LevelResult]:
    """Poisson arrivals at the load; the first quarter warms up, 2,000 to 10,000 of them."""
    rng = np.random.default_rng(seed)

    def measure(step: Step) -> LevelResult:
        warm = min(max(2_000, step.requests // 4), 10_000)
        arrivals = np.cumsum(rng.exponential(1 / step.load, warm + step.requests + 1))
        done = ends(arrivals, rng.exponential(1, len(arrivals)), servers)
        return level_result(rows_of(arrivals, done), step.load, (arrivals[warm], arrivals[-1]), objectives)

    return measure


def closed_loop(servers: int, objectives: list[Objective], seed: int) -> Callable[[Step], LevelResult]:
    """So many users, each of whom asks again at once when answered."""
    rng = np.random.default_rng(seed)

    def measure(step: Step) -> LevelResult:
        warm, total = 1_000, 1_000 + step.requests + 1
        users, free = [0.0] * int(step.load), [0.0] * servers
        arrivals, done = np.empty(total), np.empty(total)
        for number, length in enumerate(rng.exponential(1, total).tolist()):
            arrivals[number] = users[0]
            done[number] = max(users[0], free[0]) + length
            heapq.heapreplace(free, done[number])
            heapq.heapreplace(users, done[number])
        return level_result(rows_of(arrivals, done), step.load, (arrivals[warm], arrivals[-1]), objectives)

    return measure
