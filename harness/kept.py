"""Which attempts of a run its figures are of, where the run was interrupted and gone on with, or a worker of it was lost.

The rule: a cell is never spliced. The last session that entered it has played it from its beginning and counts; what an earlier
one began of it is set aside, and so is a cell that was given up. What is set aside stays in what the run cost.
"""

from collections.abc import Iterable
from typing import NamedTuple

from harness import sessions
from harness.journal_reader import Attempt
from harness.records import BlockMark, Manifest

Mark = tuple[int, BlockMark]


class Kept(NamedTuple):
    """`aside` is in no figure but the cost of the run; a run of one session that lost nobody has none."""

    attempts: list[Attempt]
    marks: list[Mark]
    aside: list[Attempt]


def kept(manifest: Manifest, attempts: list[Attempt], marks: list[Mark]) -> Kept:
    """In the order in which they come; marks come with the number of their worker."""
    given_up = {cell for loss in manifest.losses for cell in loss.cells}
    if not manifest.sessions and not given_up:
        return Kept(attempts, marks, [])
    entered = {(each.start.block, each.worker) for each in attempts} | {(mark.block, worker) for worker, mark in marks}
    blocks = {block.id for block in manifest.plan if block.cell in given_up}
    counts = {(block, worker) for block, worker in _that_count(manifest, entered) if block not in blocks}
    return Kept(
        attempts=[each for each in attempts if (each.start.block, each.worker) in counts],
        marks=[(worker, mark) for worker, mark in marks if (mark.block, worker) in counts],
        aside=[each for each in attempts if (each.start.block, each.worker) not in counts],
    )


def _that_count(manifest: Manifest, entered: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of the blocks with the workers that entered them, those of the last session that entered their cell."""
    cells = {block.id: block.cell for block in manifest.plan}
    session = {key: sessions.of_worker(manifest.sessions, key[1]) for key in entered}
    last: dict[int, int] = {}
    for (block, _), number in session.items():
        last[cells[block]] = max(number, last.get(cells[block], number))
    return {(block, worker) for (block, worker), number in session.items() if number == last[cells[block]]}
