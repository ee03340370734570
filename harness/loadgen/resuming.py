"""What an interrupted run has done already: the cells that need not be played again, and what was used of its budget.

The rule: a cell is finished when the master has said so and the journals bear it out. Whatever else was begun is played again,
from its beginning.
"""

from collections import defaultdict

from harness.loadgen import plan
from harness.loadgen.guard import Used
from harness.measure.recorder import Recorder, Totals
from harness.records import Block, Manifest
from harness.results import Run


def finished(run: Run) -> tuple[int, ...]:
    """The cells of `Manifest.played` of which nothing is missing: whoever entered one of their blocks has left it, and every
    attempt has its end. One that was given up is planned again as another cell.
    """
    given_up = {cell for loss in run.manifest.losses for cell in loss.cells}
    cells = {block.id: block.cell for block in run.manifest.plan}
    inside: dict[str, set[tuple[int, int]]] = {"open": set(), "close": set()}
    for worker, mark in run.marks:
        inside[mark.edge].add((mark.block, worker))
    lost = {cells[each.start.block] for each in run.attempts if each.end is None}
    cut = {cells[block] for block, _ in inside["open"] ^ inside["close"]}
    never = {cells[block] for block in cells.keys() - {block for block, _ in inside["open"]}}
    return tuple(cell for cell in run.manifest.played if cell in given_up or cell not in lost | cut | never)


def left(manifest: Manifest) -> list[Block]:
    """The blocks that are still to be played, in their order."""
    return [block for together in plan.Fixed(manifest.plan, manifest.played).cells() for block in together]


def used(run: Run) -> Used:
    """By all sessions until now, with what they began in vain."""
    recorder, totals = Recorder(), Totals()
    for each in (*run.attempts, *run.aside):
        if each.end is not None:
            recorder.observe(each.start, each.end, ())
    totals.merge(recorder.flush())
    return Used(totals, sum(each.seconds for each in run.manifest.sessions))


def seconds(run: Run, first_worker: int) -> float:
    """How long the load processes from this one on were there: from the first sign of each to its last."""
    stamps_ns: dict[int, list[int]] = defaultdict(list)
    for worker, sample in run.health:
        stamps_ns[worker] += [sample.at_ns - sample.interval_ns, sample.at_ns]
    return max((max(of) - min(of) for worker, of in stamps_ns.items() if worker >= first_worker), default=0) / 1e9
