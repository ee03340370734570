"""Where a system gives most for what it costs: the load with the largest power, Kleinrock's throughput over response time.

The rule: it is a hint. It moves with the loads that happened to be tried, and decides nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple


class At(NamedTuple):
    """A load, what it gave a second, and how long one took on average."""

    load: float
    per_s: float
    mean_s: float


def knee(points: Sequence[At]) -> float | None:
    """The load of most power; None below three loads, or where the first or the last has it: the true one may lie beyond.

    Kleinrock 1979, "Power and deterministic rules of thumb for probabilistic problems in computer communications". Of M/M/1
    it is half of what the server can do.
    """
    ordered = sorted(points)
    power = [each.per_s / each.mean_s if each.mean_s > 0 else 0.0 for each in ordered]
    best = max(range(len(power)), key=power.__getitem__, default=0)
    return ordered[best].load if 0 < best < len(ordered) - 1 else None
