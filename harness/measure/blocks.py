"""How sure a share of requests is when neighbours in time resemble each other: counts in blocks, in time order.

The rule: requests of one load are no independent sample. A queue that is long stays long for a while, so what counts is how
many requests they are worth, and that is read from how much blocks differ, at the block length where they differ most.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.measure import stats

LEAST_BLOCKS = 16  # fewer do not show how much blocks differ
MOST_BLOCKS = 128  # a run; longer blocks lose nothing, because they are joined to longer ones anyhow
LEAST_REQUESTS = 25  # a block

Counts = NDArray[np.float64]


class Share(msgspec.Struct, frozen=True):
    """Requests that missed something, block by block.

    name     what they missed, as the user wrote it
    allowed  the share that may miss it, 0..1: 0.01 for a p99
    n        requests of each block
    over     how many of them missed it
    tail     how many were beyond the sample's own quantile, so that a sample of which none missed still shows how misses would
             come together; empty where there is no such quantile
    """

    name: str
    allowed: float
    n: tuple[int, ...]
    over: tuple[int, ...]
    tail: tuple[int, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The share that missed; None of none."""
        total = sum(self.n)
        return sum(self.over) / total if total else None


class Queue(msgspec.Struct, frozen=True):
    """How many requests each arrival found before it, in blocks of n arrivals: their sums, and their sums of squares."""

    n: tuple[int, ...]
    sums: tuple[float, ...]
    squares: tuple[float, ...]

    @property
    def looks(self) -> float:
        """How many independent looks at the queue the arrivals are worth.

        A queue that never changed is looked at anew by every arrival: that of a closed loop is as long as it has users.
        """
        n, total = np.array(self.n, dtype=np.float64), float(sum(self.n))
        if not total:
            return 0.0
        variance = sum(self.squares) / total - (sum(self.sums) / total) ** 2
        return total / worst_effect(n, np.array(self.sums), variance)[0]

    @property
    def deviation(self) -> float:
        """The standard deviation of what arrivals found; 0 of none."""
        total = sum(self.n)
        return math.sqrt(max(0.0, sum(self.squares) / total - (sum(self.sums) / total) ** 2)) if total else 0.0


class Bound(msgspec.Struct, frozen=True):
    """One-sided bounds of a share, each at the confidence asked for, and how many requests one independent one takes."""

    ratio: float
    low: float
    high: float
    effect: float


def joined(first: Share, second: Share) -> Share:
    """Two runs of one load as one sample."""
    tail = first.tail + second.tail if first.tail and second.tail else ()
    return Share(first.name, first.allowed, first.n + second.n, first.over + second.over, tail)


def queues_joined(first: Queue, second: Queue) -> Queue:
    return Queue(first.n + second.n, first.sums + second.sums, first.squares + second.squares)


def queue_of(depth: Counts) -> Queue:
    """From what each arrival found, in time order."""
    if not len(depth):
        return Queue((), (), ())
    starts = edges(len(depth))
    n = np.diff(np.append(starts, len(depth)))
    sums, squares = np.add.reduceat(depth, starts), np.add.reduceat(depth**2, starts)
    return Queue(tuple(n.tolist()), tuple(sums.tolist()), tuple(squares.tolist()))


def edges(n: int) -> NDArray[np.int64]:
    """Where the blocks of n requests in time order begin; one block where there are too few for two."""
    blocks = max(1, min(MOST_BLOCKS, n // LEAST_REQUESTS))
    return (np.arange(blocks) * n) // blocks


def bound(share: Share, confidence: float) -> Bound | None:
    """Wilson's bounds (stats.wilson) with the effective number of requests; None below `LEAST_BLOCKS` blocks.

    n / effect * (z / t(blocks - 1))^2 requests are taken for independent; Student's t pays for an effect that was estimated
    from few blocks (Korn & Graubard 1998).
    """
    ratio = share.ratio
    if ratio is None or len(share.n) < LEAST_BLOCKS:
        return None
    n = np.array(share.n, dtype=np.float64)
    effects = [_effect(n, np.array(counts, dtype=np.float64)) for counts in (share.over, share.tail) if counts]
    effect, blocks = max(effects)
    effective = float(n.sum()) / effect * (special.ndtri(confidence) / special.stdtrit(blocks - 1, confidence)) ** 2
    low, high = map(float, stats.wilson(ratio * effective, effective, 2 * confidence - 1))
    return Bound(ratio, low, high, effect)


def requests_to_tell(share: Share, found: Bound, confidence: float) -> int | None:
    """The sample that would tell such a share from what is allowed; None where they are the same.

    A score test tells a from p with z^2 a (1 - a) / (a - p)^2 independent requests.
    """
    distance = share.allowed - found.ratio
    if distance == 0:
        return None
    z = float(special.ndtri(confidence))
    return math.ceil(z * z * share.allowed * (1 - share.allowed) / distance**2 * found.effect)


def _effect(n: Counts, counts: Counts) -> tuple[float, int]:
    """(requests that one independent one takes, at least 1; blocks that was read from), of a yes or no."""
    share = float(counts.sum() / n.sum())
    return worst_effect(n, counts, share * (1 - share))


def worst_effect(n: Counts, sums: Counts, variance: float) -> tuple[float, int]:
    """Variance of the mean over that of independent requests of this variance, at the block length where that is most.

    Blocks are joined in pairs, again and again: short ones are as alike as their neighbours and hide what they share.
    """
    worst = (1.0, len(n))
    mean, spread = float(sums.sum() / n.sum()), float(n.sum()) * variance
    while spread > 0 and len(n) >= LEAST_BLOCKS:
        blocks = len(n)
        between = float(np.sum((sums - mean * n) ** 2)) * blocks / (blocks - 1)
        worst = max(worst, (between / spread, blocks))
        starts = np.arange(0, blocks, 2)
        n, sums = np.add.reduceat(n, starts), np.add.reduceat(sums, starts)
    return worst
