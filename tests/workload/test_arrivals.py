"""When requests are meant to be sent."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.workload import arrivals
from harness.workload.arrivals import Profile

PROFILES: dict[str, Callable[[float, float], Profile]] = {
    "flat": arrivals.flat,
    "ramp": lambda rate, s: arrivals.ramp(rate, s, 0.1),
    "from_nothing": lambda rate, s: arrivals.ramp(rate, s, 0.0),
    "steps": lambda rate, s: arrivals.steps(rate, s, (0.25, 0.0, 1.0)),
    "spike": lambda rate, s: arrivals.spike(rate, s, 5, s / 4, s / 10),
    "late_spike": lambda rate, s: arrivals.spike(rate, s, 5, s * 0.95, s),
    "sine": lambda rate, s: arrivals.sine(rate, s, 0.8, s / 3),
    "diurnal": lambda rate, s: arrivals.daily(rate, s, range(24), s / 2),
}
PROCESSES: dict[str, Callable[[str], Iterator[float]]] = {
    "constant": lambda _: arrivals.constant(),
    "poisson": arrivals.poisson,
    "bursts": lambda seed: arrivals.gamma(0.25, seed),
    "regular": lambda seed: arrivals.gamma(4.0, seed),
}
SHAPED = pytest.mark.parametrize("shape", PROFILES)


def test_constant_arrivals_are_evenly_spaced() -> None:
    """A known answer: four a second for a second begin at once and are a quarter of a second apart."""
    assert [0.0, 0.25, 0.5, 0.75] == list(arrivals.stretched(arrivals.constant(), arrivals.flat(4, 1)))


def test_a_ramp_is_its_own_square_root() -> None:
    """From 0 to 2 a second in 4 s the integral is t^2 / 4, so the n-th of constant arrivals comes at 2 sqrt(n)."""
    found = list(arrivals.stretched(arrivals.constant(), arrivals.ramp(2, 4, 0.0)))
    assert pytest.approx([2 * math.sqrt(n) for n in range(4)]) == found


def test_steps_jump() -> None:
    """Two a second for 2 s, none for 2 s, four a second for 2 s."""
    found = list(arrivals.stretched(arrivals.constant(), arrivals.steps(4, 6, (0.5, 0.0, 1.0))))
    assert pytest.approx([0, 0.5, 1, 1.5, *(4 + n / 4 for n in range(8))]) == found


def test_a_spike_is_where_it_was_put() -> None:
    """One a second, but ten a second from 2 s to 3 s."""
    found = list(arrivals.stretched(arrivals.constant(), arrivals.spike(1, 5, 10, 2, 1)))
    assert [2, 10, 2] == [sum(low <= at < high for at in found) for low, high in ((0, 2), (2, 3), (3, 5))]


def test_the_same_seed_means_the_same_tomorrow() -> None:
    """A known answer: the seed is in the manifest, and another machine has to make the same schedule of it."""
    assert pytest.approx(0.6505628926040926, abs=1e-12) == next(arrivals.poisson("1"))
    assert next(arrivals.poisson("1")) != next(arrivals.poisson("2"))


@SHAPED
@pytest.mark.parametrize("process", PROCESSES)
@settings(max_examples=15, deadline=None)
@given(rate=st.floats(0.01, 200), seconds=st.floats(0.1, 50), seed=st.integers(0, 1000))
@example(rate=129.96484375, seconds=46.0, seed=20)
def test_schedules_never_go_back(shape: str, process: str, rate: float, seconds: float, seed: int) -> None:
    """Rising, inside the block, and the same for the same seed."""
    profile = PROFILES[shape](rate, seconds)
    found = list(arrivals.stretched(PROCESSES[process](str(seed)), profile))
    assert all(early <= late for early, late in itertools.pairwise(found))
    assert all(0 <= at <= seconds for at in found)
    assert found == list(arrivals.stretched(PROCESSES[process](str(seed)), profile))


@st.composite
def odd_profiles(draw: st.DrawFn) -> tuple[float, Profile]:
    """Every shape with what a scenario may say of it, sensible or not: spikes after the end, periods and days of any length."""
    rate, seconds = draw(st.floats(0.01, 100)), draw(st.floats(0.05, 20))
    long_s, share = st.floats(0.05, 200), st.floats(0, 3)
    shape = draw(st.sampled_from(("flat", "ramp", "steps", "spike", "sine", "daily")))
    match shape:
        case "ramp":
            return seconds, arrivals.ramp(rate, seconds, draw(st.floats(0, 1)))
        case "steps":
            return seconds, arrivals.steps(rate, seconds, draw(st.lists(share, min_size=1, max_size=9)))
        case "spike":
            odd = draw(st.floats(0.01, 50)), draw(st.floats(0, 200)), draw(long_s)
            return seconds, arrivals.spike(rate, seconds, *odd)
        case "sine":
            return seconds, arrivals.sine(rate, seconds, draw(st.floats(0, 1)), draw(long_s))
        case "daily":
            hours = draw(st.lists(share, min_size=24, max_size=24).filter(lambda weights: sum(weights) > 0.1))
            return seconds, arrivals.daily(rate, seconds, hours, draw(long_s))
    return seconds, arrivals.flat(rate, seconds)


@pytest.mark.parametrize("process", PROCESSES)
@settings(max_examples=150, deadline=None)
@given(odd=odd_profiles(), seed=st.integers(0, 1000))
@example(odd=(5.0, arrivals.spike(10, 5, 5, 10, 10)), seed=1)
@example(odd=(5.0, arrivals.spike(10, 5, 5, 100, 1)), seed=1)
def test_nothing_is_due_outside_the_window(process: str, odd: tuple[float, Profile], seed: int) -> None:
    """Whatever is said of a shape: knots rise from 0 to the window's end, times are rising, at least 0, and before the end."""
    seconds, profile = odd
    moments = [knot.at_s for knot in profile]
    assert (0, seconds) == (moments[0], moments[-1])
    assert sorted(moments) == moments
    found = list(itertools.islice(arrivals.stretched(PROCESSES[process](str(seed)), profile), 20_000))
    assert sorted(found) == found
    assert all(0 <= at < seconds for at in found)


def test_a_spike_after_the_end_adds_nothing() -> None:
    """Ten a second for 5 s are 50 on average, wherever beyond them a spike would begin."""
    assert [50, 50] == [arrivals.expected(arrivals.spike(10, 5, 5, from_s, 10)) for from_s in (5, 100)]
    assert 50 == len(list(arrivals.stretched(arrivals.constant(), arrivals.spike(10, 5, 5, 10, 10))))


@SHAPED
def test_constant_arrivals_are_as_many_as_the_profile_holds(shape: str) -> None:
    """The integral of the rate, to the next whole number: nothing is lost at an edge."""
    profile = PROFILES[shape](20, 60)
    found = list(arrivals.stretched(arrivals.constant(), profile))
    assert math.ceil(arrivals.expected(profile) - 1e-6) == len(found)


@SHAPED
def test_every_part_has_its_rate(shape: str) -> None:
    """Of Poisson arrivals in tenths of the block each count is within 5 standard deviations of the profile's integral there."""
    profile = PROFILES[shape](500, 100)
    found = np.fromiter(arrivals.stretched(arrivals.poisson("7"), profile), dtype=float)
    counts, edges = np.histogram(found, bins=10, range=(0, 100))
    moments, rates = np.array(profile).T
    fine = np.linspace(0, 100, 100_001)
    inside = np.interp(fine, moments + 1e-9 * np.arange(len(moments)), rates)  # two knots at one moment are a step
    means = [inside[(low <= fine) & (fine < high)].mean() * 10 for low, high in itertools.pairwise(edges)]
    assert all(abs(count - mean) <= 5 * math.sqrt(mean) + 10 for count, mean in zip(counts, means, strict=True))


@pytest.mark.parametrize("burstiness", [0.01, 0.1, 0.3, 1.0, 4.0, 100.0])
def test_bursts_have_their_rate_from_the_first_moment(burstiness: float) -> None:
    """Over 3,000 seeds the mean counts of 10 s and of their first and fifth are 100 and 20, to 4 standard errors each."""
    profile = arrivals.flat(10, 10)
    every = [np.fromiter(arrivals.stretched(arrivals.gamma(burstiness, f"{n}"), profile), dtype=float) for n in range(3_000)]
    for until_s in (10, 2):
        counts = np.array([(found < until_s).sum() for found in every])
        assert abs(counts.mean() - 10 * until_s) <= 4 * counts.std() / math.sqrt(len(counts))


@pytest.mark.parametrize(("burstiness", "dispersion"), [(0.25, 4.0), (1.0, 1.0), (4.0, 0.25)])
def test_bursts_are_as_dispersed_as_they_say(burstiness: float, dispersion: float) -> None:
    """Variance over mean of the counts in long windows is 1 / burstiness, as of any renewal process with such gaps."""
    found = np.fromiter(arrivals.stretched(arrivals.gamma(burstiness, "3"), arrivals.flat(100, 4_000)), dtype=float)
    counts, _ = np.histogram(found, bins=2_000, range=(0, 4_000))
    assert pytest.approx(200, rel=0.02) == counts.mean()
    assert pytest.approx(dispersion, rel=0.12) == counts.var() / counts.mean()


def test_poisson_is_gamma_of_one() -> None:
    """Both have exponential gaps: mean and standard deviation agree."""
    for process in (arrivals.poisson("5"), arrivals.gamma(1.0, "5")):
        gaps = np.diff(np.fromiter(itertools.islice(process, 50_000), dtype=float))
        assert pytest.approx((1.0, 1.0), rel=0.03) == (gaps.mean(), gaps.std())


def test_a_day_goes_round() -> None:
    """Hours have their weights, their mean is the rate, and a second day is like the first."""
    hours = [0.0] * 12 + [2.0] * 12
    found = np.array(list(arrivals.stretched(arrivals.constant(), arrivals.daily(10, 48, hours, 24))))
    counts, _ = np.histogram(found, bins=4, range=(0, 48))
    assert [0, 240, 0, 240] == counts.tolist()
