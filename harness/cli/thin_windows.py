"""Measure windows of an open loop that may hold no request at all: told before a run, which would be INVALID for it."""

from collections.abc import Iterator, Sequence

from harness.load import Load, OpenLoad
from harness.loadgen import schedule
from harness.records import Block, Phase

FEWEST = 1.0  # arrivals that a window expects


def warnings(load: Load, blocks: Sequence[Block]) -> Iterator[str]:
    """One for each level, in the order of the levels; a replay has the requests of its trace, and a closed loop its users."""
    if not isinstance(load, OpenLoad):
        return
    windows = {block.rate: block for block in blocks if block.phase is Phase.MEASURE}
    for rate in load.levels:
        expected = schedule.expected(load, windows[rate])
        if expected < FEWEST:
            yield (
                f"at {rate:g} {load.unit} a measure window of {load.measure_s:g} s has {expected:.2g} arrivals on average, and "
                "one without any makes a run INVALID: lengthen measure_s, or raise the level or its arrivals.shape"
            )
