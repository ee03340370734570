"""What a worker sends, and when it is due: computed from the scenario alone, so that all workers agree without talking."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.load import Arrivals, ClosedLoad, Diurnal, Load, OpenLoad, Ramp, ReplayLoad, Sine, Spike, Steps
from harness.records import Block, Call, Message, Phase
from harness.workload import arrivals, nonce, trace
from harness.workload.arrivals import Profile
from harness.workload.conversation import think_s
from harness.workload.sampler import Order
from harness.workload.trace_row import Traced


class Nonces(NamedTuple):
    """What stands before prompts; `run` is the run's id. See `scenario.Prompts`.

    A cell that a later `session` plays again asks what was asked before, and a cache that it met then shall not answer.
    """

    kind: str = "none"
    run: str = ""
    reuse_share: float = 0.0
    session: int = 0


NO_NONCES = Nonces()


class Calls:
    """Which prompt is at which position of a cell, and what stands before it.

    `examples` are all as prompts, in the data set's order; `traced` is the trace of a replay.
    """

    def __init__(self, load: Load, examples: Sequence[Call], traced: Sequence[Traced] = (), nonces: Nonces = NO_NONCES) -> None:
        self._load, self.traced, self._nonces = load, traced, nonces
        self._word = nonce.word(nonces.run) if nonces.kind == "run" else None
        self._examples = [self._of_run(each) for each in examples]
        self._orders: dict[tuple[str, int], Order] = {}

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self._examples)

    def at(self, block: Block, position: int) -> Call:
        """The same at every endpoint but for the nonce, so that each answers the same prompts; repetitions differ in order.

        A request that repeats an earlier one repeats, in a closed loop, one of the same user, whose answer has ended.
        """
        if self._nonces.kind != "attempt":
            return self._plain(block, position)
        load = self._load
        is_replay = isinstance(load, ReplayLoad)  # whose positions begin again in each block
        stride = block.concurrency if isinstance(load, ClosedLoad) else 1
        seed = f"{load.seed}/{block.level}/{block.repetition}" + (f"/{block.phase}" if is_replay else "")
        source = nonce.source(seed, position, stride, self._nonces.reuse_share)
        place = f"block {block.id}" if is_replay else f"cell {block.cell}"
        run = f"{self._nonces.run}/session {self._nonces.session}" if self._nonces.session else self._nonces.run
        return nonce.before(self._plain(block, source), nonce.word(f"{run}/{place}/{source}"), once=True)

    def _of_run(self, call: Call) -> Call:
        return call if self._word is None else nonce.before(call, self._word, once=call.once)

    def _plain(self, block: Block, position: int) -> Call:
        load = self._load
        if isinstance(load, ReplayLoad) and load.prompts == "trace":
            return self._filler(load, block, position)
        key = (block.level, block.repetition)
        if key not in self._orders:
            self._orders[key] = Order(f"{load.seed}/{block.level}/{block.repetition}", len(self._examples))
        return self._examples[self._orders[key].index(position)]

    def _filler(self, load: ReplayLoad, block: Block, position: int) -> Call:
        """Of the lengths of the request that is next in the trace. What shares a prefix there shares it here, but not with
        other levels and repetitions, which would find it in a provider's cache.
        """
        traced = self.traced[position % len(self.traced)]
        seed = f"{load.seed}/{block.level}/{block.repetition}/{position // len(self.traced)}/{block.phase}"
        text = trace.prompt(traced, seed)
        said = (Message(role="user", content=text),)
        return self._of_run(Call(example=f"trace-{traced.number}", messages=said, max_tokens=traced.output_tokens, once=True))


def share(
    load: OpenLoad | ReplayLoad, plan: Sequence[Block], block: Block, traced: Sequence[Traced], worker: int, workers: int
) -> Iterator[tuple[int, float]]:
    """This worker's arrivals of a block: their numbers, over all workers and the cell, and seconds from its beginning."""
    before = [each for each in plan if each.cell == block.cell and each.id < block.id]
    first = 0 if isinstance(load, ReplayLoad) else sum(1 for each in before for _ in due(load, each))
    numbered = enumerate(due(load, block, traced), first)
    return ((number, at_s) for number, at_s in numbered if number % workers == worker)


def starts_ns(load: ClosedLoad, plan: Sequence[Block], block: Block, users: int, seed: str) -> list[int]:
    """When each user of a worker begins a cell, after its opening: at random, for in step they would stay in step."""
    if any(each.cell == block.cell and each.id < block.id for each in plan):
        return [0] * users
    draw = random.Random(seed)
    return sorted(round(draw.random() * load.starts_s * 1e9) for _ in range(users))


def numbers(block: Block, user: int) -> Iterator[int] | None:
    """Which requests of a closed block that ends by their number this user makes: the same whoever it shares a worker with."""
    return None if block.requests is None else iter(range(user, block.requests, block.concurrency))


def due(load: OpenLoad | ReplayLoad, block: Block, traced: Sequence[Traced] = ()) -> Iterator[float]:
    """When the requests of an open block are meant to be sent, in seconds from its beginning: the same at every worker.

    A warm-up has the rate with which the measure window begins, that of a replay the trace's mean.
    """
    assert block.rate is not None, "only open blocks have a schedule"
    if isinstance(load, ReplayLoad):
        if block.phase is not Phase.WARMUP:
            return trace.replayed(traced, block.speed or 1.0)
        return arrivals.stretched(arrivals.poisson(_seed(load, block)), arrivals.flat(block.rate, block.seconds))
    profile = _profile(load.arrivals, block.rate, block.seconds if load.search is not None else load.measure_s)
    if block.phase is Phase.WARMUP:
        profile = arrivals.flat(profile[0].per_s, block.seconds)
    return arrivals.stretched(_process(load.arrivals, _seed(load, block)), profile)


def expected(load: OpenLoad, block: Block) -> float:
    """How many arrivals a measure window has on average; of constant ones just so many."""
    assert block.rate is not None, "only open blocks have a schedule"
    found = arrivals.expected(_profile(load.arrivals, block.rate, block.seconds))
    return float(math.ceil(found - 1e-9)) if load.arrivals.process == "constant" else found


def think_ns(load: Load, block: Block, position: int, turn: int) -> int:
    """How long the user of the conversation at this position thinks before this turn: the same at every endpoint."""
    think = None if isinstance(load, ReplayLoad) else load.think_s
    if think is None:
        return 0
    seed = f"{load.seed}/{block.level}/{block.repetition}/{block.phase}/{position}/{turn}"
    return round(think_s(think.median_s, think.sigma, seed) * 1e9)


def _seed(load: OpenLoad | ReplayLoad, block: Block) -> str:
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
