"""The search against queues whose capacity is known: the answer lies in 0.90 to 1.00 of it, and hardly ever above."""

import heapq
import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.measure.level import LevelResult, Rows, level_result
from harness.measure.search import Search, Settings, Step, search
from harness.measure.slo import Objective, parse

ALLOWED = {"p95": 0.05, "p99": 0.01}
QUEUES = [(1, 10, "p95"), (1, 23, "p99"), (2, 8, "p95"), (4, 6, "p99"), (8, 5, "p95"), (16, 6, "p99"), (16, 3.5, "p95")]
ONE_SERVER = QUEUES[:2]  # simulated without a loop, so many times faster
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


def of_capacity(queues: list[Queue], seeds: Iterable[int]) -> list[float]:
    """What was found as a share of what is true; seed n takes queue n modulo their number.

    It also draws where the search begins, from a sixth to a half of the truth, so that no step falls on it by design.
    """
    found = []
    for seed in seeds:
        queue = queues[seed % len(queues)]
        true = capacity(queue)
        begin = true / np.random.default_rng(10_000 + seed).uniform(2, 6)
        measure = open_loop(queue[0], [parse(f"e2e.{queue[2]} <= {queue[1]} s")], seed)
        found.append((search(measure, Settings(begin=begin, most=10 * true)).load or 0) / true)
    return found


def test_the_oracle_is_that_of_one_server() -> None:
    """The sojourn of M/M/1 is exponential at 1 - lambda, so 5 % lie beyond 10 at a rate of 1 - ln(20)/10."""
    assert 1 - math.log(20) / 10 == pytest.approx(capacity((1, 10, "p95")))


def test_the_oracle_is_erlangs_table() -> None:
    """Two servers at one erlang: a third waits. Three at two: 4/9."""
    assert (1 / 3, 4 / 9) == pytest.approx((must_wait(2, 1), must_wait(3, 2)))


@pytest.mark.parametrize("queue", [(1, 5, "p95"), (4, 5, "p95")])
def test_the_simulator_agrees_with_the_oracle(queue: Queue) -> None:
    """At a light load the share beyond the limit is the known one."""
    level = open_loop(queue[0], [parse(f"e2e.p95 <= {queue[1]} s")], 5)(Step(queue[0] * 0.4, 60_000))
    assert beyond(queue[0] * 0.4, queue[0], queue[1]) == pytest.approx(level.shares[0].ratio, rel=0.1)


def test_the_answer_is_near_the_capacity_and_not_above_it() -> None:
    """Of 20 searches of one server, 19 end in 0.90 to 1.00 of the capacity, and one above it at most."""
    found = of_capacity(ONE_SERVER, range(20))
    assert sum(0.90 <= each <= 1.00 for each in found) >= 19, found
    assert sum(each > 1.00 for each in found) <= 1, found


@pytest.mark.slow
def test_the_answer_is_near_the_capacity_of_any_number_of_servers() -> None:
    """Of 200 searches of 1 to 16 servers, 190 end in 0.90 to 1.00 of the capacity, and ten above it at most."""
    found = of_capacity(QUEUES, range(200))
    assert sum(0.90 <= each <= 1.00 for each in found) >= 190, found
    assert sum(each > 1.00 for each in found) <= 10, found


def test_users_are_found_to_the_last() -> None:
    """N users on four servers: the wait is Erlang(N - 4) at rate 4. The answer is the true number or at most a tenth less."""

    def beyond_users(users: int) -> float:
        rng = np.random.default_rng(1)
        wait = stats.gamma(users - 4, scale=0.25).rvs(400_000, random_state=rng) if users > 4 else 0.0
        return float(np.mean(wait + rng.exponential(1, 400_000) > 10))

    true = max(users for users in range(1, 60) if beyond_users(users) <= 0.05)
    settings = Settings(begin=2, most=256, whole=True, requests=2_000, requests_most=32_000)
    found = search(closed_loop(4, [parse("e2e.p95 <= 10 s")], 3), settings)
    assert found.load is not None
    assert found.load % 1 == 0
    assert 0.9 * true <= found.load <= true


def test_of_several_objectives_the_tightest_decides() -> None:
    """p99 <= 23 s bears 0.80 of one server and p95 <= 30 s alone would bear 0.90: the search ends in 0.72 to 0.80."""
    objectives = [parse("e2e.p99 <= 23 s"), parse("e2e.p95 <= 30 s"), parse("success >= 92 %")]
    true = capacity((1, 23, "p99"))
    assert true < capacity((1, 30, "p95"))
    found = search(open_loop(1, objectives, 4), Settings(begin=0.3, most=4))
    assert found.load is not None
    assert 0.9 * true <= found.load <= true


def test_a_load_beyond_the_servers_is_stopped_at_its_first_run() -> None:
    """Twice what one server can do fails for its queue, whatever latency is allowed, and is not run again."""
    state = Search(Settings(begin=2, most=8))
    step = state.next()
    assert step is not None
    verdict = state.tell(step.load, open_loop(1, [parse("e2e.p95 <= 100000 s")], 1)(step))
    assert ("fail", True) == (verdict.kind, "without bound" in verdict.reason)
    assert ("none", 5_000) == (state.found().end, state.found().spent)
