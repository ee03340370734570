"""When requests are meant to be sent: seeded pure generators of seconds since the beginning, rising, before an end.

Two choices make a model: a process says how regularly requests come (at one a second on average), a profile says how many of
them a second at each moment. The process is stretched by the profile: its n-th arrival, at x, is where the profile's integral
is x. For a Poisson process that is exactly the inhomogeneous one (time-rescaling theorem: Brown et al. 2002).
"""

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

SINE_KNOTS = 256  # a period of: straight between them, so the mean rate is exact and no rate is off by more than 0.01 %


class Knot(NamedTuple):
    """The rate at a moment; it is straight between two of them, and two at one moment are a step."""

    at_s: float
    per_s: float


Profile = Sequence[Knot]


# processes: arrivals of rate one --------------------------------------------------------------------------------------


def constant() -> Iterator[float]:
    """One each second, from the beginning."""
    return itertools.count(0.0)


def poisson(seed: str) -> Iterator[float]:
    """Independent users: exponential gaps."""
    return itertools.accumulate(map(random.Random(seed).expovariate, itertools.repeat(1.0)))


def gamma(burstiness: float, seed: str) -> Iterator[float]:
    """Gamma gaps of shape `burstiness` (as vLLM and others call it): 1 is Poisson, less comes in bursts, more is more regular.

    The gaps' squared coefficient of variation, and so in the long run the counts' index of dispersion, is 1 / burstiness.

    The first wait is what is left of a gap that began long before (equilibrium renewal process: Cox, Renewal Theory, 1962,
    chapters 2 and 5). Its density is P(gap > x) / mean, which is that of U x gap', where U is uniform and gap' is the gap that
    a moment falls into, of density x f(x) / mean: for these gaps a gamma of shape b + 1 and the same scale, 1 / b. So the mean
    count of any window is its length; with an ordinary first gap the beginning would have too many where they come in bursts.
    """
    draw = random.Random(seed)
    scale = 1 / burstiness
    first = draw.random() * draw.gammavariate(burstiness + 1, scale)
    gaps = (draw.gammavariate(burstiness, scale) for _ in itertools.repeat(None))
    return itertools.accumulate(gaps, initial=first)


# profiles: moments rise from 0 to just `seconds` ---------------------------------------------------------------------


def flat(per_s: float, seconds: float) -> Profile:
    return Knot(0, per_s), Knot(seconds, per_s)


def ramp(per_s: float, seconds: float, begin: float) -> Profile:
    """In a straight line from the share `begin` of the rate to all of it."""
    return Knot(0, begin * per_s), Knot(seconds, per_s)


def steps(per_s: float, seconds: float, shares: Sequence[float]) -> Profile:
    """These shares of the rate, each for the same time."""
    edges = [seconds * place / len(shares) for place in range(len(shares))]
    return _held(edges, [share * per_s for share in shares], seconds)


def spike(per_s: float, seconds: float, factor: float, from_s: float, for_s: float) -> Profile:
    """`factor` times the rate for a while, which ends with the block at the latest; none where it would begin after it."""
    from_s, until_s = min(seconds, from_s), min(seconds, from_s + for_s)
    inside = [Knot(from_s, per_s * factor), Knot(until_s, per_s * factor)]
    return [Knot(0, per_s), Knot(from_s, per_s), *inside, Knot(until_s, per_s), Knot(seconds, per_s)]


def sine(per_s: float, seconds: float, amplitude: float, period_s: float) -> Profile:
    """The rate is the mean over whole periods; `amplitude` is a share of it. Begins at the mean, rising."""
    number = max(2, math.ceil(seconds / period_s * SINE_KNOTS))
    moments = [*(seconds * place / number for place in range(number)), seconds]
    return [Knot(at_s, per_s * (1 + amplitude * math.sin(2 * math.pi * at_s / period_s))) for at_s in moments]


def daily(per_s: float, seconds: float, hours: Sequence[float], day_s: float) -> Profile:
    """Weights of the hours of a day, from midnight, of which the rate is the mean; a day takes `day_s`, and they go round."""
    hour_s, mean = day_s / len(hours), sum(hours) / len(hours)
    edges = [place * hour_s for place in range(math.ceil(seconds / hour_s)) if place * hour_s < seconds]
    return _held(edges, [per_s * hours[place % len(hours)] / mean for place in range(len(edges))], seconds)


def _held(edges: Sequence[float], rates: Sequence[float], seconds: float) -> Profile:
    """Each rate from its edge to the next, the last one to the end."""
    spans = zip(itertools.pairwise((*edges, seconds)), rates, strict=True)
    return [knot for (begin_s, end_s), rate in spans for knot in (Knot(begin_s, rate), Knot(end_s, rate))]


# both together -------------------------------------------------------------------------------------------------------


def stretched(process: Iterable[float], profile: Profile) -> Iterator[float]:
    """The arrivals of a process of rate one in a profile: seconds from the profile's beginning, before its end."""
    arrivals = iter(process)
    arrival = next(arrivals)
    latest_s = math.nextafter(profile[-1].at_s, 0.0)  # what is rounded to the end was due before it
    done = 0.0  # the integral up to this part of the profile
    last_s = 0.0
    for here, there in itertools.pairwise(profile):
        length_s = there.at_s - here.at_s
        area = length_s * (here.per_s + there.per_s) / 2
        slope = (there.per_s - here.per_s) / length_s if length_s else 0.0
        while arrival < done + area:
            at_s = min(here.at_s + _after(arrival - done, here.per_s, slope), there.at_s, latest_s)
            last_s = max(last_s, at_s)  # two that come together may be rounded apart
            yield last_s
            arrival = next(arrivals)
        done += area


def expected(profile: Profile) -> float:
    """How many arrivals it has on average: its integral."""
    return sum((there.at_s - here.at_s) * (here.per_s + there.per_s) / 2 for here, there in itertools.pairwise(profile))


def _after(area: float, per_s: float, slope: float) -> float:
    """Seconds until a rate that rises by `slope` has come to this area, in the form that is stable for a slope near 0."""
    if not area:
        return 0.0
    return 2 * area / (per_s + math.sqrt(max(0.0, per_s * per_s + 2 * slope * area)))
