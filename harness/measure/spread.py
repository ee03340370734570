"""Many durations in few numbers: (ns, how many) pairs, small enough for a journal line every second, that add up exactly.

The rule: values are rounded up, by at most 1/16 or 33 us, so that a lag is never said to be shorter than it was.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from harness.health import Spread
from harness.measure.histogram import Values, nearest_rank

_BITS = 5  # significant bits that are kept
_FINEST = 15  # bits: what is less than 2^15 ns is of no interest


def spread(values_ns: Values) -> Spread:
    """The spread of values from 0 up; about 100 pairs for values up to 20 ms, however many there are."""
    values = np.maximum(np.asarray(values_ns, dtype=np.int64), 0)
    coarse = np.maximum(np.frexp(values.astype(np.float64))[1] - _BITS, _FINEST).astype(np.int64)
    rounded, counts = np.unique((values + (1 << coarse) - 1) >> coarse << coarse, return_counts=True)
    return tuple(zip(rounded.tolist(), counts.tolist(), strict=True))


def merged(spreads: Iterable[Spread]) -> Spread:
    """All of them as one."""
    together: Counter[int] = Counter()
    for each in spreads:
        together.update(dict(each))
    return tuple(sorted(together.items()))


def quantile_ns(values: Spread, q: float) -> int | None:
    """The value at the nearest rank of q (0..1); None when empty."""
    rank = nearest_rank(q, sum(count for _, count in values))
    for value_ns, count in values:
        rank -= count
        if rank <= 0:
            return value_ns
    return None


def wait_ns(gaps: Spread, q: float) -> float | None:
    """Gaps divide time; what comes at any moment waits for the end of its gap: the q-quantile of that wait. None when empty.

    So a gap counts for as long as it lasts. Among the gaps themselves one long stall would be one of thousands, and vanish.
    """
    left_ns = (1 - q) * sum(gap_ns * count for gap_ns, count in gaps)
    together_ns = number = 0
    for gap_ns, count in reversed(gaps):
        if together_ns - number * gap_ns >= left_ns and number:
            break
        together_ns += gap_ns * count
        number += count
    return (together_ns - left_ns) / number if number else None


def beyond_ns(gaps: Spread, limit_ns: int) -> int:
    """How much of the time what came waited longer than the limit."""
    return sum((gap_ns - limit_ns) * count for gap_ns, count in gaps if gap_ns > limit_ns)
