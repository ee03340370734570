"""How long to wait before the same is asked again: exponential backoff with full jitter, and no shorter than was told.

The rule: the same seed gives the same waits, so that every endpoint is met alike. Full jitter draws evenly from nothing to the
whole backoff: users that were refused together shall not come back together.
"""

import random
from typing import NamedTuple

from harness.trial import TRANSIENT


class Backoff(NamedTuple):
    """attempts_most  at one answer, the first included
    first_s        at most so long before the second attempt; twice as long before each further one, up to most_s
    """

    attempts_most: int
    first_s: float
    most_s: float

    def may_retry(self, kind: str, tried: int) -> bool:
        """After `tried` attempts at an answer, of which the last one came to this kind."""
        return kind in TRANSIENT and tried < self.attempts_most

    def longest_s(self, tried: int) -> float:
        """Of the waits that may be drawn after so many attempts."""
        doublings = min(tried - 1, 64)  # 2 ** 1000 is no float
        return min(self.most_s, self.first_s * 2.0**doublings)

    def wait_s(self, tried: int, told_s: float | None, seed: str) -> float:
        """After `tried` attempts. `told_s` is what the endpoint asked for; it has no cap, for coming earlier is in vain."""
        drawn_s = random.Random(f"retry:{seed}/{tried}").uniform(0.0, self.longest_s(tried))
        return max(drawn_s, told_s or 0.0)
