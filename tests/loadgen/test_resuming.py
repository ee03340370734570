"""What of an interrupted run is finished, and what is left."""

import dataclasses
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from harness.health import Health
from harness.journal_reader import Attempt
from harness.loadgen import resuming
from harness.records import AttemptEnd, AttemptStart, Block, BlockMark, Manifest, Phase
from harness.results import Run
from harness.sessions import Session

PLAN = tuple(
    Block(id=number, cell=number // 2, endpoint="a", level="1", concurrency=2, phase=phase, seconds=1, repetition=number // 2)
    for number, phase in enumerate((Phase.WARMUP, Phase.MEASURE) * 3)
)
EDGES: tuple[Literal["open", "close"], ...] = ("open", "close")


def manifest(workers: int = 2, **fields: object) -> Manifest:
    plain = Manifest(
        v=1,
        run_id="r",
        signoff="0",
        created_utc="",
        state="running",
        scenario={},
        scenario_sha256="",
        dataset={},
        clusters={},
        seed=1,
        plan=PLAN,
        rates={},
        urls={},
        host={},
        versions={},
        workers=workers,
    )
    return msgspec.structs.replace(plain, **fields)


def marks(workers: range, blocks: range = range(6)) -> list[tuple[int, BlockMark]]:
    return [(worker, BlockMark(block, edge, 0, 1)) for worker in workers for block in blocks for edge in EDGES]


def attempt(block: int, *, ended: bool = True) -> Attempt:
    start = AttemptStart("0-1", "a", "1", PLAN[block].phase, block, "q", 0, 0)
    return Attempt(start, AttemptEnd("0-1", "ok") if ended else None, 0)


def run(of: Manifest, seen: list[tuple[int, BlockMark]], *attempts: Attempt) -> Run:
    return Run(Path(), of, list(attempts), seen, [])


def test_the_master_has_to_say_so() -> None:
    """All is closed, and it has said so of two cells: the third was cut short, which its marks do not tell."""
    assert (0, 1) == resuming.finished(run(manifest(played=(0, 1)), marks(range(2)), attempt(0)))


@pytest.mark.parametrize("lacking", [(0, 2, "close"), (1, 3, "close"), (0, 3, "open")])
def test_the_journals_have_to_bear_it_out(lacking: tuple[int, int, str]) -> None:
    """A mark of one worker, in warm-up or measure block, that is not there."""
    seen = [(worker, mark) for worker, mark in marks(range(2)) if (worker, mark.block, mark.edge) != lacking]
    assert (0, 2) == resuming.finished(run(manifest(played=(0, 1, 2)), seen))


def test_a_request_without_an_end() -> None:
    """Its cell is not finished, whatever was closed."""
    made = run(manifest(played=(0, 1, 2)), marks(range(2)), attempt(1), attempt(2, ended=False))
    assert (0, 2) == resuming.finished(made)


def test_each_session_has_its_own_load_processes() -> None:
    """Cell 0 of two in the first session, the others of the one of the second."""
    of = manifest(played=(0, 1, 2), sessions=(Session(0, "", 0, 2, "running"), Session(1, "", 2, 1, "running")))
    seen = [*marks(range(2), range(2)), *marks(range(2, 3), range(2, 6))]
    assert (0, 1, 2) == resuming.finished(run(of, seen))
    assert (0, 2) == resuming.finished(run(of, [each for each in seen if (each[0], each[1].block) != (2, 3)]))


def test_a_load_process_that_was_lost_before() -> None:
    """The cells that the others played without it are finished."""
    seen = [*marks(range(2), range(2)), *marks(range(1), range(2, 6))]
    assert (0, 1, 2) == resuming.finished(run(manifest(played=(0, 1, 2)), seen))


def test_what_is_left() -> None:
    """Cells in the order of the plan; of those that run at once, all where one is not finished."""
    assert [2, 3] == [block.id for block in resuming.left(manifest(played=(0, 2)))]
    assert [] == resuming.left(manifest(played=(2, 1, 0)))
    together = tuple(
        msgspec.structs.replace(block, cell=2 * (number // 4) + number % 2, step=number // 2)
        for number, block in enumerate((*PLAN, *(msgspec.structs.replace(each, id=each.id + 6) for each in PLAN[:2])))
    )
    assert [4, 5, 6, 7] == [block.id for block in resuming.left(manifest(plan=together, played=(0, 1, 3)))]


def test_how_long_a_session_lasted() -> None:
    """That of its longest load process, not of those before it, whose clock may be another one."""
    samples = [
        (0, Health(9_000_000_000, 1_000_000_000, 0.1)),
        (1, Health(2_000_000_000, 500_000_000, 0.1)),
        (1, Health(4_000_000_000, 1, 0.1)),
    ]
    assert pytest.approx(2.5) == resuming.seconds(dataclasses.replace(run(manifest(), []), health=samples), 1)
