"""The plan of a run is data: a list of blocks, made once from the scenario and written into the manifest."""

import random

from harness.records import Block, Phase
from harness.scenario import Scenario


def build(scenario: Scenario) -> tuple[Block, ...]:
    """Blocks in the order in which they run.

    A cell is one endpoint at one level in one repetition: a warm-up block, then a measure block, with no stop between. In the
    `interleaved` design each repetition holds every cell once, in an order drawn from the seed, so that a drift of the
    machine or the network meets every endpoint alike; `sequential` goes endpoint by endpoint, level by level.
    """
    load = scenario.load
    draw = random.Random(load.seed)
    cells = []
    for repetition in range(load.repetitions):
        of_this = [(endpoint, users, repetition) for endpoint in scenario.endpoints for users in load.levels]
        if load.design == "interleaved":
            draw.shuffle(of_this)
        cells += of_this
    if load.design == "sequential":
        order = list(scenario.endpoints)
        cells.sort(key=lambda cell: (order.index(cell[0]), cell[1], cell[2]))
    steps = [(Phase.WARMUP, load.warmup_s), (Phase.MEASURE, load.measure_s)]
    blocks: list[Block] = []
    for number, (endpoint, users, repetition) in enumerate(cells):
        for phase, seconds in steps:
            if seconds > 0:
                blocks.append(
                    Block(
                        id=len(blocks),
                        cell=number,
                        endpoint=endpoint,
                        level=str(users),
                        concurrency=users,
                        phase=phase,
                        seconds=seconds,
                        repetition=repetition,
                    )
                )
    return tuple(blocks)


def seconds(plan: tuple[Block, ...]) -> float:
    """How long the plan takes at least: drains come on top."""
    return sum(block.seconds for block in plan)


def share(users: int, worker: int, workers: int) -> int:
    """How many of `users` this worker wakes; the shares of all workers add up to `users` exactly."""
    return users // workers + (worker < users % workers)
