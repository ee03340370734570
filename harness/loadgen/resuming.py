"""What an interrupted run has done already: the cells that need not be played again, and what was used of its budget.

The rule: a cell is finished when the master has said so and the journals bear it out. Whatever else was begun is played again,
from its beginning.
"""

from collections import defaultdict

from harness import sessions
from harness.loadgen import plan
from harness.loadgen.guard import Used
from harness.measure.recorder import Recorder, Totals
from harness.records import Block, Manifest
from harness.results import Run


def finished(run: Run) -> tuple[int, ...]:
    """The cells of `Manifest.played` of which nothing is missing: each load process of their session has closed each of their
    blocks, and every attempt has its end.
    """
    cells = {block.id: block.cell for block in run.manifest.plan}
    closed: dict[int, set[int]] = defaultdict(set)
    for worker, mark in run.marks:
        if mark.edge == "close":
            closed[mark.block].add(worker)
    lost = {cells[each.start.block] for each in run.attempts if each.end is None}
    cut = {block.cell for block in run.manifest.plan if not _is_closed(run.manifest, closed[block.id])}
    return tuple(cell for cell in run.manifest.played if cell not in lost | cut)


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


def _is_closed(manifest: Manifest, closers: set[int]) -> bool:
    if not closers:
        return False
    if not manifest.sessions:
        return closers == set(range(manifest.workers))
    number = sessions.of_worker(manifest.sessions, min(closers))
    first = sessions.first_worker(manifest.sessions, number)
    count = next(each.workers for each in manifest.sessions if each.number == number)
    return closers == set(range(first, first + count))
