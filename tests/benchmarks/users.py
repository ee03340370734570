"""One worker full of users: memory that each one takes, and how soon all of them are at work."""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.records import Block, Phase
from harness.simulator.candidate import Candidate, Lognormal
from tests.benchmarks import rig, work
from tests.benchmarks.options import Options
from tests.benchmarks.rig import Measured
from tests.benchmarks.table import medians

HEAD = (
    *("users", "spawned in s", "all have asked in s", "MB at the few", "MB streaming"),
    *("KB/user not begun", "KB/user streaming", "KB/user parked"),
)
FEW, MANY = 100, 5_000
TOKENS, GAP_S = 5, 1.0  # slow streams, so that the simulator keeps up with thousands
BLOCK_S = 5.0
SEED = 5  # draws the order few, many, few, many
KB, MB = 1e3, 1e6


@dataclass(frozen=True)
class Case:
    few: int
    many: int
    block_s: float
    gap_s: float


@dataclass(frozen=True)
class Round:
    """Resident bytes of the worker: of a run of the few; of a run of the many before, while and after all of them streamed."""

    case: Case
    spawned_s: float
    asked_s: float
    alone: float
    fresh: float
    streaming: float
    parked: float


def cases(options: Options) -> list[Case]:
    return [Case(options.many(FEW), options.many(MANY), options.seconds(BLOCK_S), GAP_S * min(1.0, 10 * options.scale))]


def measure(case: Case, _: Options) -> Round:
    """One round, about 2 minutes."""
    alone = _run([case.few], case, 1)
    many = _run([case.few, case.many], case, 2)
    measuring = [block for block in many.run.manifest.plan if block.phase is Phase.MEASURE]
    fresh, streaming, parked, _again = measuring
    if [block.concurrency for block in measuring] != [case.few, case.many] * 2:
        raise SystemExit(f"seed {SEED} draws another order: {[block.level for block in measuring]}")
    return Round(
        case,
        *_starting(many, streaming),
        _rss(alone, next(block for block in alone.run.manifest.plan if block.phase is Phase.MEASURE)),
        *(_rss(many, block) for block in (fresh, streaming, parked)),
    )


def row(rounds: Sequence[Round]) -> list[str]:
    """Medians of the rounds. Per user: what the many have more than the few, by the difference in users."""
    return [str(rounds[0].case.many), *medians(_figures(each) for each in rounds)]


def _figures(each: Round) -> tuple[float, ...]:
    more = (each.case.many - each.case.few) * KB
    of_users = ((held - each.alone) / more for held in (each.fresh, each.streaming, each.parked))
    return each.spawned_s, each.asked_s, each.alone / MB, each.streaming / MB, *of_users


def _run(levels: list[int], case: Case, repetitions: int) -> Measured:
    gap = Lognormal(median_s=case.gap_s)
    candidate = Candidate(name=work.NAME, model=work.MODEL, ttft=gap, itl=gap, accuracy=1.0)
    load = {
        "levels": levels,
        "warmup_s": case.block_s,
        "measure_s": case.block_s,
        "repetitions": repetitions,
        "seed": SEED,
        "start_over_s": 0,
    }
    asked = work.questions(answer_tokens=TOKENS)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name, rig.simulating(candidate, asked, Path(name)) as served:
        return rig.signoff(served, load, asked)


def _rss(ours: Measured, block: Block) -> float:
    """The median while this block was open."""
    opened, closed = (mark.at_ns for _, mark in ours.run.marks if mark.block == block.id)
    return statistics.median(sample.rss_bytes for sample in ours.worker if opened <= sample.at_ns < closed)


def _starting(ours: Measured, streaming: Block) -> tuple[float, float]:
    """From the worker's first word to the first block, for which all must be there; from their own block to the last sent."""
    begun_ns = ours.worker_began_ns
    opened_ns = min(mark.at_ns for _, mark in ours.run.marks)
    crowd = next(mark.at_ns for _, mark in ours.run.marks if mark.block == streaming.id - 1 and mark.edge == "open")
    first: dict[int, int] = {}
    for attempt in ours.run.attempts:
        if attempt.start.level == streaming.level and attempt.end is not None and attempt.end.sent_ns is not None:
            first.setdefault(attempt.start.user, attempt.end.sent_ns)
    return (opened_ns - begun_ns) / 1e9, (max(first.values()) - crowd) / 1e9
