"""The plan of a run is data: a list of blocks, made once from the scenario and written into the manifest."""

import random
from collections.abc import Iterator

from harness.load import Arrivals, Diurnal, OpenLoad, Ramp, Sine, Spike, Steps
from harness.records import Block, Phase
from harness.scenario import Scenario
from harness.workload import arrivals
from harness.workload.arrivals import Profile


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
        of_this = [(endpoint, level, repetition) for endpoint in scenario.endpoints for level in load.levels]
        if load.design == "interleaved":
            draw.shuffle(of_this)
        cells += of_this
    if load.design == "sequential":
        order = list(scenario.endpoints)
        cells.sort(key=lambda cell: (order.index(cell[0]), cell[1], cell[2]))
    steps = [(Phase.WARMUP, load.warmup_s), (Phase.MEASURE, load.measure_s)]
    blocks: list[Block] = []
    for number, (endpoint, level, repetition) in enumerate(cells):
        for phase, seconds in steps:
            if seconds > 0:
                is_open = isinstance(load, OpenLoad)
                blocks.append(
                    Block(
                        id=len(blocks),
                        cell=number,
                        endpoint=endpoint,
                        level=f"{level:g}rps" if is_open else str(level),
                        concurrency=load.users if isinstance(load, OpenLoad) else int(level),
                        phase=phase,
                        seconds=seconds,
                        repetition=repetition,
                        rate=level if is_open else None,
                    )
                )
    return tuple(blocks)


def schedule(load: OpenLoad, block: Block) -> Iterator[float]:
    """When the requests of an open block are meant to be sent, in seconds from its beginning: the same at every worker.

    A warm-up has the rate with which the measure window begins.
    """
    assert block.rate is not None, "only open blocks have a schedule"
    profile = _profile(load.arrivals, block.rate, load.measure_s)
    if block.phase is Phase.WARMUP:
        profile = arrivals.flat(profile[0].per_s, block.seconds)
    return arrivals.stretched(_process(load.arrivals, _seed(load, block)), profile)


def _seed(load: OpenLoad, block: Block) -> str:
    """The same schedule at every endpoint."""
    return f"{load.seed}/{block.level}/{block.repetition}/{block.phase}"


def _process(config: Arrivals, seed: str) -> Iterator[float]:
    match config.process:
        case "constant":
            return arrivals.constant()
        case "poisson":
            return arrivals.poisson(seed)
        case "gamma":
            return arrivals.gamma(config.burstiness, seed)


def _profile(config: Arrivals, rate: float, seconds: float) -> Profile:
    match config.shape:
        case Ramp(begin=begin):
            return arrivals.ramp(rate, seconds, begin)
        case Steps(shares=shares):
            return arrivals.steps(rate, seconds, shares)
        case Spike(factor=factor, from_s=from_s, for_s=for_s):
            return arrivals.spike(rate, seconds, factor, from_s, for_s)
        case Sine(amplitude=amplitude, period_s=period_s):
            return arrivals.sine(rate, seconds, amplitude, period_s)
        case Diurnal(hours=hours, day_s=day_s):
            return arrivals.daily(rate, seconds, hours, day_s)
        case _:
            return arrivals.flat(rate, seconds)


def seconds(plan: tuple[Block, ...]) -> float:
    """How long the plan takes at least: drains come on top."""
    return sum(block.seconds for block in plan)


def share(users: int, worker: int, workers: int) -> int:
    """How many of `users` this worker wakes; the shares of all workers add up to `users` exactly."""
    return users // workers + (worker < users % workers)
