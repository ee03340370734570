"""Measure windows from the workers' own marks."""

import pytest

from harness.records import Block, BlockMark, Phase
from harness.report.windows import Windows

SECOND = 1_000_000_000


def block(number: int, *, cell: int, phase: Phase = Phase.MEASURE, level: str = "4") -> Block:
    return Block(id=number, cell=cell, endpoint="a", level=level, concurrency=4, phase=phase, seconds=10)


def marks(number: int, worker: int, opened_s: float, closed_s: float | None) -> list[tuple[int, BlockMark]]:
    edges = [(worker, BlockMark(block=number, edge="open", at_ns=int(opened_s * SECOND), users=1))]
    if closed_s is not None:
        edges.append((worker, BlockMark(block=number, edge="close", at_ns=int(closed_s * SECOND), users=1)))
    return edges


def test_repetitions_add_up_and_workers_are_averaged() -> None:
    """Two measure blocks of a level last as long as both; two workers in one block measure the same time, not twice."""
    plan = [block(0, cell=0), block(1, cell=1)]
    seen = [*marks(0, 0, 0, 10), *marks(0, 1, 0, 12), *marks(1, 0, 50, 60)]
    assert {("a", "4"): pytest.approx(11 + 10)} == Windows(plan, seen).seconds()


def test_only_measure_blocks_make_windows() -> None:
    """Warm-up marks open no window."""
    windows = Windows([block(0, cell=0, phase=Phase.WARMUP)], marks(0, 0, 0, 10))
    assert ({}, False) == (windows.seconds(), windows.known(0, 0))


def test_a_block_that_was_never_closed_has_no_window() -> None:
    """A worker that died inside its window leaves none."""
    assert {} == Windows([block(0, cell=0)], marks(0, 0, 0, None)).seconds()


def test_stamps_belong_to_the_window_of_their_own_worker() -> None:
    """The opening stamp is inside, the closing one is not, and another worker's clock does not count."""
    windows = Windows([block(0, cell=3)], [*marks(0, 0, 1, 2), *marks(0, 1, 101, 102)])
    inside = [windows.inside(3, 0, stamp) for stamp in (1 * SECOND, 2 * SECOND, None, 101 * SECOND)]
    assert [True, False, False, False] == inside
