"""What a candidate is told about load: distributions that are as stated."""

import math
import statistics

import pytest
from scipy import stats

from harness.simulator.candidate import Candidate, Draws
from harness.simulator.profile import ServiceTime

N = 4_000


def drawn_s(service: ServiceTime) -> list[float]:
    candidate = Candidate(name="a", model="m", service=service)
    found = [Draws(candidate, 7, n).service_ns for n in range(N)]
    return [each / 1e9 for each in found if each is not None]


def test_exponential_service_times_are_exponential() -> None:
    """Kolmogorov and Smirnov do not reject the stated distribution at 1e-3, and each request has a time of its own."""
    found = drawn_s(ServiceTime(mean_s=0.1))
    assert N == len(set(found))
    assert stats.kstest(found, stats.expon(scale=0.1).cdf).pvalue > 1e-3


def test_lognormal_service_times_have_the_mean_that_is_told() -> None:
    """Not the median: `mean_s` is the mean of every kind."""
    profile = stats.lognorm(s=0.8, scale=0.1 * math.exp(-0.32))
    assert profile.mean() == pytest.approx(0.1)
    found = drawn_s(ServiceTime(mean_s=0.1, kind="lognormal", sigma=0.8))
    assert stats.kstest(found, profile.cdf).pvalue > 1e-3
    assert statistics.fmean(found) == pytest.approx(0.1, rel=0.05)


def test_fixed_service_times_are_the_mean() -> None:
    """Always, to the nanosecond."""
    assert {0.1} == set(drawn_s(ServiceTime(mean_s=0.1, kind="fixed")))


def test_the_same_request_has_the_same_service_time() -> None:
    """By its number and the seed; whether service times are drawn changes no other draw."""
    plain, told = Candidate(name="a", model="m"), Candidate(name="a", model="m", service=ServiceTime(mean_s=1))
    assert Draws(told, 1, 5).service_ns == Draws(told, 1, 5).service_ns != Draws(told, 2, 5).service_ns
    assert (None, Draws(plain, 1, 5).ttft_ns) == (Draws(plain, 1, 5).service_ns, Draws(told, 1, 5).ttft_ns)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-53])
@pytest.mark.parametrize("kind", ["exponential", "lognormal", "fixed"])
def test_the_ends_of_the_range_are_times(kind: str, uniform: float) -> None:
    """The smallest and the largest number that a request can draw give a finite time that is not negative."""
    assert 0 <= ServiceTime(mean_s=1.0, kind=kind).drawn_ns(uniform) < 100 * 10**9
