"""The plan of a run is data: a list of blocks, made once from the scenario and written into the manifest.

That of a search grows: see `searching`.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

from harness.load import ClosedLoad, Load, OpenLoad, ReplayLoad
from harness.records import Block, Phase
from harness.scenario import Scenario
from harness.searched import Searched
from harness.workload.trace_row import Traced


class Source(Protocol):
    """Where the conductor's blocks come from, a cell at a time.

    users     most that a block may need
    searched  what searches have come to by now
    """

    @property
    def users(self) -> int: ...

    @property
    def searched(self) -> tuple[Searched, ...]: ...

    def cells(self) -> Iterator[tuple[Block, ...]]:
        """The next one is asked for when all requests of the one before have ended."""
        ...

    def is_over(self, block: Block, elapsed_s: float) -> bool:
        """Whether this block may end before its time; asked once a second while it runs."""
        ...

    def stop(self) -> None:
        """The run is over, whatever is left of the plan."""
        ...


class Fixed:
    """Blocks that were known before the run."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._blocks = blocks
        self.users = max(block.concurrency for block in blocks)
        self.searched: tuple[Searched, ...] = ()

    def cells(self) -> Iterator[tuple[Block, ...]]:
        for _, blocks in groupby(self._blocks, lambda block: block.cell):
            yield tuple(blocks)

    def is_over(self, block: Block, elapsed_s: float) -> bool:  # noqa: ARG002 - as a search asks
        return False

    def stop(self) -> None:
        """Nothing to note: what was not played has no attempts."""


def build(scenario: Scenario, traced: Sequence[Traced] = ()) -> tuple[Block, ...]:
    """Blocks in the order in which they run. `traced` is the trace of a replay.

    A cell is one endpoint at one level in one repetition: a warm-up block, then a measure block, with no stop between. In the
    `interleaved` design each repetition holds every cell once, in an order drawn from the seed, so that a drift of the
    machine or the network meets every endpoint alike; `sequential` goes endpoint by endpoint, level by level.
    """
    load = scenario.load
    draw = random.Random(load.seed)
    cells = []
    for repetition in range(load.repetitions):
        of_this = [(endpoint, level, repetition) for endpoint in scenario.endpoints for level in load.levels]
        if load.design == "interleaved":
            draw.shuffle(of_this)
        cells += of_this
    if load.design == "sequential":
        order = list(scenario.endpoints)
        cells.sort(key=lambda cell: (order.index(cell[0]), cell[1], cell[2]))
    blocks: list[Block] = []
    for number, (endpoint, level, repetition) in enumerate(cells):
        blocks += of_cell(load, _level(load, level, traced), endpoint, number, repetition, len(blocks))
    return tuple(blocks)


def of_cell(load: Load, at: "Level", endpoint: str, cell: int, repetition: int, first: int) -> tuple[Block, ...]:
    """Warm-up, where there is one, and measure block; `first` is the number of the first of them."""
    phases = [(Phase.WARMUP, load.warmup_s), (Phase.MEASURE, at.measure_s)]
    return tuple(
        Block(
            id=number,
            cell=cell,
            endpoint=endpoint,
            level=at.name,
            concurrency=at.users,
            phase=phase,
            seconds=seconds,
            repetition=repetition,
            rate=at.rate,
            speed=at.speed,
        )
        for number, (phase, seconds) in enumerate(((phase, seconds) for phase, seconds in phases if seconds > 0), first)
    )


class Level(NamedTuple):
    """What one level is: its name, how long it is measured, and its load."""

    name: str
    measure_s: float
    users: int
    rate: float | None = None
    speed: float | None = None


def _level(load: Load, level: float, traced: Sequence[Traced]) -> Level:
    match load:
        case ClosedLoad():
            return closed(int(level), load.measure_s)
        case OpenLoad():
            return opened(load, level, load.measure_s)
        case ReplayLoad():
            span_s = trace_s(load, traced)
            return Level(f"x{level:g}", span_s / level, load.users, len(traced) / span_s * level, level)


def closed(users: int, measure_s: float) -> Level:
    return Level(str(users), measure_s, users)


def opened(load: OpenLoad, rate: float, measure_s: float) -> Level:
    return Level(f"{rate:g}rps", measure_s, load.users, rate)


def trace_s(load: ReplayLoad, traced: Sequence[Traced]) -> float:
    """How long the window of a trace is: where it has no end of its own, to the last request and one mean gap on."""
    if load.to_s is not None:
        return load.to_s - (load.from_s or 0.0)
    last_s = traced[-1].at_s
    return last_s * len(traced) / (len(traced) - 1) if last_s else 1.0


def seconds(plan: tuple[Block, ...]) -> float:
    """How long the plan takes at least: drains come on top."""
    return sum(block.seconds for block in plan)


def share(users: int, worker: int, workers: int) -> int:
    """How many of `users` this worker wakes; the shares of all workers add up to `users` exactly."""
    return users // workers + (worker < users % workers)
