"""The plan of a run is data: a list of blocks, made once from the scenario and written into the manifest.

That of a search grows: see `searching`.
"""

import random
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import msgspec

from harness.errors import HarnessError
from harness.load import ClosedLoad, EvaluationLoad, Load, OpenLoad, ReplayLoad
from harness.records import Block, Phase
from harness.scenario import Scenario
from harness.searched import Searched
from harness.workload.trace_row import Traced


class Source(Protocol):
    """Where the conductor's blocks come from: at a time a cell, or the cells that run at once.

    users     most that a block may need, of which each of those that run at once has its own
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

    def give_up(self) -> tuple[Block, ...]:
        """The newest cells were disturbed and are to come once more. What is known of the plan by that."""
        ...

    def stop(self) -> None:
        """The run is over, whatever is left of the plan."""
        ...


class Fixed:
    """Blocks that were known before the run; cells that were `played` in an earlier session are passed over.

    What was given up is played again after the others, as cells of its own.
    """

    def __init__(self, blocks: tuple[Block, ...], played: Collection[int] = ()) -> None:
        self._blocks, done = blocks, frozenset(played)
        self._upcoming = deque(each for each in _together(blocks) if not done.issuperset(block.cell for block in each))
        self._newest: tuple[Block, ...] = ()
        self.users = max(block.concurrency for block in blocks)
        self.searched: tuple[Searched, ...] = ()

    def cells(self) -> Iterator[tuple[Block, ...]]:
        while self._upcoming:
            self._newest = self._upcoming.popleft()
            yield self._newest

    def give_up(self) -> tuple[Block, ...]:
        repeated = again(self._newest, self._blocks)
        self._blocks += repeated
        self._upcoming.append(repeated)
        return repeated

    def is_over(self, block: Block, elapsed_s: float) -> bool:  # noqa: ARG002 - as a search asks
        return False

    def stop(self) -> None:
        """Nothing to note: what was not played has no attempts."""


_TOLD_APART = 1.01  # loads of which four digits differ


class Level(NamedTuple):
    """What one level is: its name, how long it is measured, and its load."""

    name: str
    measure_s: float
    users: int
    rate: float | None = None
    speed: float | None = None
    requests: int | None = None


def build(scenario: Scenario, traced: Sequence[Traced] = ()) -> tuple[Block, ...]:
    """Blocks in the order in which they run. `traced` is the trace of a replay.

    A cell is one endpoint at one level in one repetition: a warm-up block, then a measure block, with no stop between. In the
    `interleaved` design each repetition holds every cell once, in an order drawn from the seed, so that a drift of the
    machine or the network meets every endpoint alike; `sequential` goes endpoint by endpoint, level by level. In the `parallel`
    design all endpoints run at once: the order of levels is drawn, and the blocks of one phase are one step.
    """
    load = scenario.load
    blocks: list[Block] = []
    cells = 0
    for number, group in enumerate(_groups(load, list(scenario.endpoints))):
        level, repetition = group[0][1:]
        at = _level(load, level, traced)
        for phase, seconds in _phases(load, at):
            step = 2 * number + (phase is Phase.MEASURE) if load.design == "parallel" else None
            for cell, (endpoint, _, _) in enumerate(group, cells):
                blocks.append(_block(len(blocks), cell, endpoint, at, phase, seconds, repetition, step))
        cells += len(group)
    return tuple(blocks)


def of_cell(load: Load, at: Level, endpoint: str, cell: int, repetition: int, first: int) -> tuple[Block, ...]:
    """Warm-up, where there is one, and measure block of a cell that runs alone; `first` is the number of the first of them."""
    return tuple(
        _block(number, cell, endpoint, at, phase, seconds, repetition, None)
        for number, (phase, seconds) in enumerate(_phases(load, at), first)
    )


def again(blocks: Sequence[Block], plan: Sequence[Block]) -> tuple[Block, ...]:
    """The same blocks, as new ones at the end of the plan."""
    first, cell = plan[-1].id + 1, max(block.cell for block in plan) + 1
    step = 1 + max((block.step for block in plan if block.step is not None), default=0)
    cells = {number: cell + at for at, number in enumerate(dict.fromkeys(block.cell for block in blocks))}
    known = {number: step + at for at, number in enumerate(dict.fromkeys(block.step for block in blocks))}
    return tuple(
        msgspec.structs.replace(
            block, id=first + at, cell=cells[block.cell], step=None if block.step is None else known[block.step]
        )
        for at, block in enumerate(blocks)
    )


def _phases(load: Load, at: Level) -> list[tuple[Phase, float]]:
    if isinstance(load, EvaluationLoad):
        return [(Phase.MEASURE, 0.0)]
    phases = [(Phase.WARMUP, load.warmup_s), (Phase.MEASURE, at.measure_s)]
    return [(phase, seconds) for phase, seconds in phases if seconds > 0]


def _groups(load: Load, endpoints: Sequence[str]) -> list[list[tuple[str, float, int]]]:
    """What runs at once, in the order of the plan: (endpoint, level, repetition)."""
    draw = random.Random(load.seed)
    groups = []
    for repetition in range(load.repetitions):
        if load.design == "parallel":
            of_this = [[(endpoint, level, repetition) for endpoint in endpoints] for level in load.levels]
        else:
            of_this = [[(endpoint, level, repetition)] for endpoint in endpoints for level in load.levels]
        if load.design != "sequential":
            draw.shuffle(of_this)
        groups += of_this
    if load.design == "sequential":
        groups.sort(key=lambda group: (endpoints.index(group[0][0]), *group[0][1:]))
    return groups


def _block(  # noqa: PLR0913, PLR0917 - one parameter per field
    number: int, cell: int, endpoint: str, at: Level, phase: Phase, seconds: float, repetition: int, step: int | None
) -> Block:
    return Block(
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
        step=step,
        requests=at.requests if phase is Phase.MEASURE else None,
    )


def _together(plan: Sequence[Block]) -> list[tuple[Block, ...]]:
    """What is played between two drains: a cell, or the cells that run at once."""
    groups = groupby(steps(plan), lambda step: step[0].cell)
    return [tuple(block for step in together for block in step) for _, together in groups]


def steps(plan: Sequence[Block]) -> list[tuple[Block, ...]]:
    """What runs at once, in order: one block, or those of one step."""
    return [
        tuple(step) for _, step in groupby(plan, key=lambda block: ("alone", block.id) if block.step is None else block.step)
    ]


def lanes(plan: Sequence[Block]) -> tuple[str, ...]:
    """The endpoints that have users of their own because they run at once; one nameless lane where none do."""
    widest = max(steps(plan), key=len, default=())  # a search plans nothing beforehand
    return tuple(block.endpoint for block in widest) if len(widest) > 1 else ("",)


def drains(plan: Sequence[Block]) -> int:
    """How often the plan waits for all that is in flight: after each cell, or those that run at once."""
    return len({step[0].cell for step in steps(plan)})


def _level(load: Load, level: float, traced: Sequence[Traced]) -> Level:
    match load:
        case ClosedLoad():
            return closed(int(level), load.measure_s)._replace(requests=load.requests)
        case OpenLoad():
            return opened(load, level, load.measure_s)
        case ReplayLoad():
            span_s = trace_s(load, traced)
            return Level(f"x{level:g}", span_s / level, load.users, len(traced) / span_s * level, level)
        case EvaluationLoad():
            return closed(load.users, 0.0)


def closed(users: int, measure_s: float) -> Level:
    return Level(str(users), measure_s, users)


def opened(load: OpenLoad, rate: float, measure_s: float) -> Level:
    """Its name has as many digits as are printed; but steps of a search, or levels of one, may be nearer together than that."""
    is_searched = load.search is not None and load.search.ratio >= _TOLD_APART
    return Level(f"{rate:.4g}rps" if is_searched else f"{rate:g}rps", measure_s, load.users, rate)


def trace_s(load: ReplayLoad, traced: Sequence[Traced]) -> float:
    """How long the window of a trace is: where it has no end of its own, to the last request and one mean gap on."""
    if load.to_s is not None:
        return load.to_s - (load.from_s or 0.0)
    last_s = traced[-1].at_s
    return last_s * len(traced) / (len(traced) - 1) if last_s else 1.0


def seconds(plan: Sequence[Block]) -> float:
    """How long the plan takes at least: drains come on top. Nobody knows it of an evaluation, so there it is 0."""
    return sum(max(block.seconds for block in step) for step in steps(plan))


def population(users: int, lanes: int, workers: int) -> int:
    """How many users are spawned on so many workers, where a block may need `users`: Locust deals them out evenly."""
    return workers * lanes * -(-users // workers)


def check_hands(load: Load, processes: int) -> None:
    """`HarnessError` where an open loop has more processes than users: each takes its part of the arrivals, and needs hands."""
    if isinstance(load, OpenLoad | ReplayLoad) and load.users < processes:
        what = f"{load.users} users of an open loop at {processes} processes: some would have arrivals and no user to send them"
        raise HarnessError(what, where="load.users", remedy=f"give at least {processes} users, or fewer processes")


def share(users: int, worker: int, workers: int) -> int:
    """How many of `users` this worker wakes; the shares of all workers add up to `users` exactly."""
    return users // workers + (worker < users % workers)
