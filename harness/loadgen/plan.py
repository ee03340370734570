"""The plan of a run is data: a list of blocks, made once from the scenario and written into the manifest."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from harness.load import ClosedLoad, Load, OpenLoad, ReplayLoad
from harness.records import Block, Phase
from harness.scenario import Scenario
from harness.workload.trace_row import Traced


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
        at = _level(load, level, traced)
        for phase, seconds in ((Phase.WARMUP, load.warmup_s), (Phase.MEASURE, at.measure_s)):
            if seconds > 0:
                blocks.append(
                    Block(
                        id=len(blocks),
                        cell=number,
                        endpoint=endpoint,
                        level=at.name,
                        concurrency=at.users,
                        phase=phase,
                        seconds=seconds,
                        repetition=repetition,
                        rate=at.rate,
                        speed=at.speed,
                    )
                )
    return tuple(blocks)


class _Level(NamedTuple):
    name: str
    measure_s: float
    users: int
    rate: float | None = None
    speed: float | None = None


def _level(load: Load, level: float, traced: Sequence[Traced]) -> _Level:
    match load:
        case ClosedLoad():
            return _Level(str(level), load.measure_s, int(level))
        case OpenLoad():
            return _Level(f"{level:g}rps", load.measure_s, load.users, level)
        case ReplayLoad():
            span_s = trace_s(load, traced)
            return _Level(f"x{level:g}", span_s / level, load.users, len(traced) / span_s * level, level)


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
