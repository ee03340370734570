"""The search against queues whose capacity is known: what it finds of users, of several objectives, and beyond the servers."""

import math

import numpy as np
import pytest
from erlang import Queue, beyond, capacity, closed_loop, ends, must_wait, open_loop, rows_of
from scipy import stats

from harness.measure.level import LevelResult, level_result
from harness.measure.search import Search, Settings, Step, search
from harness.measure.slo import parse


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
    assert ("none", 2_000) == (state.found().end, state.found().spent)


@pytest.mark.parametrize(("each", "kind"), [(33, "fail"), (200, "pass")])
def test_what_is_lost_is_told_from_what_is_late(each: int, kind: str) -> None:
    """One arrival in 33 never ends, so 97 % are carried: not held, whatever errors may be. One in 200 is within the 2 %."""

    def measure(step: Step) -> LevelResult:
        arrivals = np.cumsum(np.random.default_rng(7).exponential(1 / step.load, step.requests + 1))
        done = ends(arrivals, np.full(len(arrivals), 0.1), 1)
        done[::each] = np.nan
        rows = rows_of(arrivals, done)._replace(ok=np.isfinite(done))
        return level_result(rows, step.load, (arrivals[0], arrivals[-1]), [parse("e2e.p95 <= 3 s"), parse("errors <= 5 %")])

    found = search(measure, Settings(begin=1, most=1))
    assert kind == found.frontier[0].verdict.kind
    assert found.spent <= 4 * 2_000 if kind == "fail" else found.load == 1
