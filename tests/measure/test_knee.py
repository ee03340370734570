"""The knee against M/M/c, where Erlang's formula gives the load of most power; what the report hints at is within the grid."""

import numpy as np
import pytest
from erlang import Times, ends, must_wait, rows_of
from scipy import optimize

from harness.measure.knee import At, knee
from harness.measure.level import level_result
from harness.measure.slo import parse
from harness.report import frontier
from harness.report.circumstances import FrontierPoint

SPACING = 1.25
REQUESTS = 200_000


def power(rate: float, servers: int) -> float:
    """Throughput over mean sojourn: a service of 1 s after a wait of C / (c - lambda) (Erlang C)."""
    return rate / (1 + must_wait(servers, rate) / (servers - rate))


def true_knee(servers: int) -> float:
    found = optimize.minimize_scalar(lambda rate: -power(rate, servers), bounds=(1e-6, servers - 1e-6), method="bounded")
    return float(found.x)


def point(rate: float, servers: int, seed: int) -> FrontierPoint:
    """A load in virtual time, with an objective that does not bind."""
    rng = np.random.default_rng(seed)
    arrivals: Times = np.cumsum(rng.exponential(1 / rate, REQUESTS))
    done = ends(arrivals, rng.exponential(1, REQUESTS), servers)
    window = (arrivals[REQUESTS // 10], arrivals[-1])
    level = level_result(rows_of(arrivals, done), rate, window, [parse("e2e.p99 <= 1000 s")])
    return FrontierPoint(
        level=f"{rate:g}rps",
        load=rate,
        verdict="pass",
        reason="",
        cut_short=False,
        runs=1,
        requests=level.requests,
        offered_per_s=level.offered_per_s,
        achieved_per_s=level.achieved_per_s,
        offered_tokens_per_s=None,
        ttft_p99_s=None,
        itl_p99_s=None,
        e2e_mean_s=float((done - arrivals)[REQUESTS // 10 :].mean()),
        goodput_per_s=level.goodput_per_s,
    )


def test_the_knee_of_one_server_is_half_of_it() -> None:
    """Kleinrock's: the mean sojourn is 1 / (1 - lambda), so the power is lambda (1 - lambda)."""
    assert 0.5 == pytest.approx(true_knee(1), abs=1e-4)


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_the_hint_is_the_load_of_most_power(servers: int) -> None:
    """Of loads a quarter apart, which do not meet it by design, within a quarter."""
    true = true_knee(servers)
    loads = [each for power in range(-6, 7) if (each := true * 1.1 * SPACING**power) < 0.98 * servers]
    found = frontier.hint([point(load, servers, seed) for seed, load in enumerate(loads)])
    assert found is not None
    assert true / SPACING <= found <= true * SPACING


def test_the_most_power_of_known_points() -> None:
    """2 / 1 s, 4 / 1.5 s and 5 / 4 s: the middle one, in any order."""
    assert 4 == knee([At(5, 5, 4), At(2, 2, 1), At(4, 4, 1.5)])


def test_a_knee_that_is_not_enclosed_is_none() -> None:
    """At the first load, at the last, of two, of none."""
    assert None is knee([At(1, 9, 1), At(2, 2, 1), At(3, 3, 2)]) is knee([At(1, 1, 1), At(2, 2, 1), At(3, 3, 1)])
    assert None is knee([At(1, 1, 1), At(2, 2, 1)]) is knee([])
