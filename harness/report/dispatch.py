"""How an open loop's schedule was kept: what was due, what was sent, and what had to wait for whom.

The rule: a wait counts where its users would have felt it, so latency runs from the intended arrival; how much of it is
signoff's own is told apart, and too much of that makes the run INVALID.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from harness.journal_reader import Attempt
from harness.measure import timing
from harness.records import AttemptStart, Finding, Phase
from harness.report import wording
from harness.report.cells import Cell, spread
from harness.report.figures import PERCENTILES, Dispatch, LevelFigures, Summary
from harness.report.join import DROPPED
from harness.results import Run

LATE_S, TOO_LATE_S = 0.005, 0.020  # of the p99: worth a word; and as late as signoff may look at its sockets at all
WAITED_RATIO = 0.01
DROPPED_RATIO = 0.05
_TOLD_APART = 1.05  # scheduled over service, from which on the reader is told why they differ


def figures(cell: Cell) -> Dispatch | None:
    """None for a closed loop, which has no schedule."""
    if cell.rate is None:
        return None
    began, window_s = cell.measured[cell.measured["scheduled_ns"].notna()], cell.window_s
    why = "no arrival was dispatched"
    return Dispatch(
        arrivals=len(began),
        offered_per_s=None if not window_s else len(began) / window_s,
        sent_per_s=None if not window_s else int(began["sent_in_window"].sum()) / window_s,
        dropped=int(began["kind"].eq(DROPPED).sum()),
        waited=int(began["user_wait_s"].gt(0).sum()),
        wait_s=spread(began["dispatch_wait_s"], why).figures,
        lateness_s=spread(began["lateness_s"], why).figures,
    )


def findings(run: Run) -> Iterator[Finding]:
    """Over all measure phases; nothing for a closed loop."""
    due = [each for each in run.attempts if each.start.scheduled_ns is not None and each.start.phase is Phase.MEASURE]
    if due:
        yield from _late([each.start for each in due])
        yield from _waited([each.start for each in due], run)
        yield from _dropped(due, run)


def _late(starts: list[AttemptStart]) -> Iterator[Finding]:
    late_ns = [late for start in starts if (late := timing.lateness_ns(start)) is not None]
    late_s = float(np.quantile(late_ns, 0.99)) / 1e9 if late_ns else 0.0
    if late_s > LATE_S:
        invalid = late_s > TOO_LATE_S
        yield Finding(
            code="client_limited" if invalid else "late_dispatch",
            what=f"1 % of the arrivals were dispatched {1000 * late_s:.1f} ms or more after they were due, with users free",
            why="scheduled latencies hold this lateness, which is signoff's own",
            remedy="give the load process a core of its own, or spread the arrivals over more of them (--processes)",
            invalid=invalid,
        )


def _waited(starts: list[AttemptStart], run: Run) -> Iterator[Finding]:
    """By cell: one that has users enough does not hide another."""
    words = _words(run)
    of_cell: dict[tuple[str, str], list[AttemptStart]] = defaultdict(list)
    for start in starts:
        of_cell[start.endpoint, start.level].append(start)
    told = []
    for cell, members in of_cell.items():
        waited = sum(start.waited_ns > 0 or start.dispatched_ns is None for start in members)
        if waited > WAITED_RATIO * len(members):
            longest_s = max(start.waited_ns for start in members) / 1e9
            told.append(f"{words[cell]} {waited} of {len(members)}, up to {longest_s:.1f} s")
    if told:
        users = max(block.concurrency for block in run.manifest.plan)
        yield Finding(
            code="users_exhausted",
            what=f"arrivals found all {users} users busy and waited: {'; '.join(told)}",
            why="service latencies do not hold this wait, as a real pool of connections would hide it; scheduled ones do",
            remedy="read the scheduled figures; raise load.users where production has no such limit",
        )


def _dropped(due: list[Attempt], run: Run) -> Iterator[Finding]:
    """By cell again, and by why: a level that a search found too high is not meant to be held."""
    beyond = {(one.endpoint, each.level) for one in run.manifest.searches for each in one.judged if each.verdict != "pass"}
    words, offered = _words(run), Counter((each.start.endpoint, each.start.level) for each in due)
    ends = [(each.start, each.end) for each in due if each.end is not None and each.end.kind == DROPPED]
    dropped = Counter((start.endpoint, start.level) for start, _ in ends)
    if dropped:
        why = Counter(end.error or "unknown" for _, end in ends)
        worst = max((count / offered[cell] for cell, count in dropped.items() if cell not in beyond), default=0.0)
        yield Finding(
            code="dropped",
            what=f"{dropped.total()} of {len(due)} arrivals were never sent: "
            f"{'; '.join(f'{words[cell]} {count} of {offered[cell]}' for cell, count in dropped.items())} "
            f"({', '.join(f'{count} because {reason}' for reason, count in why.most_common())})",
            why="they count as failed, and as later than every answer in scheduled latencies; where they are more than "
            f"{100 * DROPPED_RATIO:.0f} % of a level it was not held",
            remedy="lower the rate to what the endpoint, its declared limits and load.users carry, or lengthen load.drain_s",
            invalid=worst > DROPPED_RATIO,
        )


def _words(run: Run) -> dict[tuple[str, str], str]:
    return {(block.endpoint, block.level): f"{block.endpoint} at {block.words}" for block in run.manifest.plan}


def sentences(summary: Summary) -> list[str]:
    """How the schedule was kept at each endpoint's peak, and where scheduled and service latency part, why."""
    peaks = {name: endpoint.levels[endpoint.peak] for name, endpoint in summary.endpoints.items()}
    return [line for name, level in peaks.items() for line in _said(name, level)]


def _said(name: str, level: LevelFigures) -> Iterator[str]:
    kept = level.dispatch
    if kept is None:
        return
    p50, p99 = (wording.seconds(late_s) for late_s in (kept.lateness_s.p50, kept.lateness_s.p99))
    late = f"dispatched {p50} (p50) and {p99} (p99) after they were due"
    lost = f", {kept.dropped} dropped" if kept.dropped else ", none dropped"
    yield f"{name} at {level.words}: {kept.arrivals} arrivals, {late}{lost}, {kept.waited} waited for a free user."
    apart = max(_apart(level), default=None)
    if apart is not None and apart.ratio > _TOLD_APART:
        yield (
            f"{name}: {apart.figure} is {wording.seconds(apart.scheduled_s)} from the intended arrival, and "
            f"{wording.seconds(apart.service_s)} from the sending: the rest is the wait for a free user, the quota and a "
            "connection, which users feel and a closed loop does not show."
        )


class _Apart(NamedTuple):
    ratio: float
    figure: str
    scheduled_s: float
    service_s: float


def _apart(level: LevelFigures) -> Iterator[_Apart]:
    """How far the two views are apart, for each percentile that both have."""
    for figure, metric in (("TTFT", "ttft_s"), ("e2e", "e2e_s")):
        scheduled, service = getattr(level.scheduled, metric), getattr(level.service, metric)
        for percentile in PERCENTILES:
            late_s, sent_s = getattr(scheduled, percentile), getattr(service, percentile)
            if late_s and sent_s:
                yield _Apart(late_s / sent_s, f"{percentile.replace('_', '.')} of {figure}", late_s, sent_s)
