"""Declared limits as an estimate takes them: how many requests they let through.

The rule: as `loadgen.limiter` lets them go, each of the mean size, from a full bucket and for all workers together.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from harness.scenario import Limits


class Quota(NamedTuple):
    """The bucket that is empty first: requests a second, and how many may go at once."""

    per_s: float
    at_once: float

    def through(self, seconds: float) -> int:
        """Most requests that go in so many seconds. A bucket that holds less than one request lets one go on credit."""
        return math.floor(self.at_once + self.per_s * seconds + 1e-9)


def of(limits: Limits | None, input_tokens: int, output_tokens: int) -> Quota | None:
    """For requests of this size; None where nothing is declared that they use up."""
    if limits is None:
        return None
    quotas = [Quota(per_s, max(1.0, per_s * limits.burst_s)) for per_s in _rates(limits, input_tokens, output_tokens)]
    return min(quotas, default=None)


def _rates(limits: Limits, input_tokens: int, output_tokens: int) -> Iterator[float]:
    """Requests a second by each limit."""
    sizes = (
        (limits.requests_per_minute, 1),
        (limits.tokens_per_minute, input_tokens + output_tokens),
        (limits.input_tokens_per_minute, input_tokens),
        (limits.output_tokens_per_minute, output_tokens),
    )
    return (per_minute / 60 / size for per_minute, size in sizes if per_minute is not None and size)
