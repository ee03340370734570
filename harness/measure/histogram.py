"""Durations in an HdrHistogram of one fixed shape: 1 us to 1 h in nanoseconds, three digits, so any two can be added.

The rule: nothing is dropped. A value past either end is counted in the last or first bucket, and min, max and sum stay exact
beside the buckets, whose own edges are 0.1 % wide. Counts are the library's array, written and read in bulk through numpy.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from harness.errors import HarnessError

LOWEST_NS = 1_000
HIGHEST_NS = 3_600_000_000_000
DIGITS = 3

Pairs = tuple[tuple[int, int], ...]
Values = Sequence[int] | NDArray[np.int64]


def nearest_rank(q: float, n: int) -> int:
    """The 1-based rank of the q-quantile of n values: ceil(q * n), with q taken as the decimal it is written as.

    In binary 0.07 * 100 is a little over 7, and its ceiling would be the eighth value.
    """
    return max(1, math.ceil(Fraction(str(q)) * n))


def _edges_ns(shape: HdrHistogram) -> NDArray[np.int64]:
    """Lowest value of every bucket and, at the end, of the one after: the library's `get_value_from_index`, for all at once."""
    index = np.arange(shape.counts_len + 1)
    doubling = np.maximum((index >> shape.sub_bucket_half_count_magnitude) - 1, 0)
    lowest: NDArray[np.int64] = (index - doubling * shape.sub_bucket_half_count) << (doubling + shape.unit_magnitude)
    return lowest


_EDGES_NS = _edges_ns(HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS))


def lowest_ns(buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least value that is counted in each of these buckets."""
    lowest: NDArray[np.int64] = _EDGES_NS[buckets]
    return lowest


def _buckets(values_ns: Values) -> NDArray[np.int64]:
    inside = np.minimum(np.maximum(np.asarray(values_ns, dtype=np.int64), 0), HIGHEST_NS)
    return np.searchsorted(_EDGES_NS, inside, side="right") - 1


_LAST = int(_buckets([HIGHEST_NS])[0])


def bucket_counts(values_ns: Values) -> Pairs:
    """(bucket, count) of every bucket that these values fill, by ascending bucket: a histogram as a journal line carries it."""
    return tuple(sorted(Counter(_buckets(values_ns).tolist()).items()))  # np.unique takes twice as long, of few and of many


class Histogram:
    """Counts of durations in ns. Quantiles come from the buckets; n is exact; so are min, max, sum unless only pairs came."""

    def __init__(self) -> None:
        self.n = 0
        self.sum_ns = 0
        self._min_ns: int | None = None
        self._max_ns: int | None = None
        self._hdr = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
        self._counts = np.frombuffer(self._hdr.counts, dtype=np.int64)

    @property
    def min_ns(self) -> int:
        assert self._min_ns is not None, "an empty histogram has no minimum"
        return self._min_ns

    @property
    def max_ns(self) -> int:
        assert self._max_ns is not None, "an empty histogram has no maximum"
        return self._max_ns

    @property
    def overflow(self) -> int:
        """How many values stand in the last bucket, which has all from HIGHEST_NS up: a quantile there is a lower bound."""
        return int(self._counts[_LAST])

    def record(self, values_ns: Values) -> None:
        values = np.asarray(values_ns, dtype=np.int64)
        if values.size:
            np.add.at(self._counts, _buckets(values), 1)
            self._extend(values.size, int(values.min()), int(values.max()), int(values.sum()))

    def add(self, other: "Histogram") -> None:
        if other.n:
            self._counts += other._counts  # noqa: SLF001 -- another one of us
            self._extend(other.n, other.min_ns, other.max_ns, other.sum_ns)

    def add_sparse(
        self, pairs: Iterable[tuple[int, int]], extremes_ns: tuple[int, int] | None = None, sum_ns: int | None = None
    ) -> None:
        """Add what `bucket_counts` or `sparse` gave. What is not given exactly is taken from the buckets, within 0.1 %."""
        filled = np.array(list(pairs), dtype=np.int64)
        if not filled.size:
            return
        buckets, counts = filled.T
        np.add.at(self._counts, buckets, counts)
        low, high = _EDGES_NS[buckets], _EDGES_NS[buckets + 1]
        self._extend(
            int(counts.sum()),
            *(extremes_ns or (int(low.min()), int(high.max()) - 1)),
            int(((low + high) // 2 * counts).sum()) if sum_ns is None else sum_ns,
        )

    def sparse(self) -> Pairs:
        filled = np.flatnonzero(self._counts)
        return tuple(zip(filled.tolist(), self._counts[filled].tolist(), strict=True))

    def value_at(self, q: float) -> int | None:
        """The highest value, in ns, of the bucket that holds the nearest rank of q (0..1); None when empty.

        The library's `get_value_at_percentile` takes rank int(q * n + 0.5), which for p99 of 160 values is one too low.
        """
        if not self.n:
            return None
        bucket = np.searchsorted(np.cumsum(self._counts), nearest_rank(q, self.n))
        return int(_EDGES_NS[bucket + 1]) - 1

    def encode(self) -> str:
        """The library's own blob (V2, zlib, base64), which any HdrHistogram tool reads. It carries buckets only."""
        self._hdr.total_count = self.n
        self._hdr.max_value = min(self.max_ns, HIGHEST_NS) if self.n else 0  # how many buckets the library writes
        return str(self._hdr.encode(), "ascii")

    @classmethod
    def decode(cls, blob: str) -> Self:
        """A histogram from its blob; min, max and sum are the buckets'. HarnessError when it has another shape."""
        theirs, ours = HdrHistogram.decode(blob), cls()
        shape = (theirs.lowest_trackable_value, theirs.highest_trackable_value, theirs.significant_figures)
        if shape != (LOWEST_NS, HIGHEST_NS, DIGITS):
            raise HarnessError(f"a histogram of shape {shape}", remedy=f"signoff reads {(LOWEST_NS, HIGHEST_NS, DIGITS)}")
        counts = np.frombuffer(theirs.counts, dtype=np.int64)
        filled = np.flatnonzero(counts)
        ours.add_sparse(np.column_stack((filled, counts[filled])).tolist())
        return ours

    def _extend(self, n: int, min_ns: int, max_ns: int, sum_ns: int) -> None:
        self.n += n
        self.sum_ns += sum_ns
        self._min_ns = min_ns if self._min_ns is None else min(self._min_ns, min_ns)
        self._max_ns = max_ns if self._max_ns is None else max(self._max_ns, max_ns)
