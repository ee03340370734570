"""What the journals themselves say against the numbers: findings that no process could see while it ran.

The rule: a doubt names its share and the threshold it passed, and whether the figures can be used at all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from harness.measure import health, timing
from harness.records import AttemptEnd, Block, Finding, Phase
from harness.report import cache, calibration, client, dispatch, hosts
from harness.results import Run

COALESCED_RATIO = 0.01
LOSSY_RATIO = 0.01
LAG_S = 0.020
STUCK_RATIO = 0.05


def doubts(run: Run) -> list[Finding]:
    """All findings of this kind, in a fixed order."""
    measured = [each.end for each in run.attempts if each.end is not None and each.start.phase is Phase.MEASURE]
    limited = _of_this_load(run, health.findings(client.watched(run).values()))
    ours = (*_coalesced(measured), *_late(measured), *_unstamped(measured), *_stale(measured), *_hidden(measured))
    headroom = calibration.findings(calibration.figures(run))
    begun = (*_empty(run), *_left_out(run), *_stuck(run))
    around = (*_lossy(run), *headroom, *cache.findings(run), *hosts.findings(run.manifest.hosts))
    return [*begun, *limited, *dispatch.findings(run), *ours, *around]


def _of_this_load(run: Run, limited: Iterable[Finding]) -> list[Finding]:
    """What came late spoils times. An evaluation is for answers and what they cost, and publishes no times as a load's."""
    spoils = run.manifest.scenario.get("load", {}).get("kind") != "evaluation"
    return [msgspec.structs.replace(each, invalid=each.invalid and spoils) for each in limited]


def _empty(run: Run) -> Iterator[Finding]:
    """Cells that were begun and have not one attempt in their measure phase.

    In an open loop every arrival has its lines, dispatched or dropped: without one the schedule itself was empty.
    """
    seen = {each.start.block for each in run.attempts}
    begun = {mark.block for _, mark in run.marks if mark.edge == "open"}
    blocks = [block for block in run.manifest.plan if block.phase is Phase.MEASURE and block.id in begun - seen]
    closed = [block for block in blocks if block.rate is None]
    if closed:
        yield Finding(
            code="no_attempts",
            what=f"not one request was begun in the measure phase of {_places(closed)}",
            why="every user was still waiting for an answer to a warm-up request",
            remedy="lengthen warmup_s and measure_s, or shorten the deadlines of that endpoint",
            invalid=True,
        )
    opened = [block for block in blocks if block.rate is not None]
    if opened:
        yield Finding(
            code="no_attempts",
            what=f"not one request was due in the measure window of {_places(opened)}",
            why="the schedule had no arrival while they lasted: the rate, or its shape, is too low for their length",
            remedy="lengthen measure_s, or raise the level or arrivals.shape; `signoff validate` warns of such windows",
            invalid=True,
        )


def _places(blocks: list[Block]) -> str:
    return ", ".join(f"{block.endpoint} at {block.words}" for block in blocks)


def _left_out(run: Run) -> Iterator[Finding]:
    """Requests of a trace that failed there."""
    count = run.manifest.trace_unanswered
    if count:
        yield Finding(
            code="trace_failures",
            what=f"{count:,} requests of the trace got no answer there, and were left out at each level",
            why="how long their answers would have been nobody knows, so the replay is that much less load than production was",
            remedy="none is needed; `prompts: examples` sends at their times too",
        )


def _stuck(run: Run) -> Iterator[Finding]:
    """Requests that were cut at the drain limit. They count as failures; many of them also mean that the level was not held."""
    users = {block.id: block.concurrency for block in run.manifest.plan}
    beyond = {(one.endpoint, each.level) for one in run.manifest.searches for each in one.judged if each.verdict != "pass"}
    cut = Counter(
        each.start.block
        for each in run.attempts
        if each.end is not None
        and "drain_limit" in each.end.flags
        and (each.start.endpoint, each.start.level) not in beyond  # a search has said that these do not hold
    )
    if cut:
        stuck = max(count / users[block] for block, count in cut.items())
        yield Finding(
            code="cut_in_flight",
            what=f"{cut.total()} requests were still in flight at the drain limit and were cut",
            why="they count as failures, and a user that waits for an answer holds no load: up to "
            f"{100 * stuck:.0f} % of the users of a level were stuck",
            remedy="make load.drain_s at least deadlines.total, or shorten the deadlines",
            invalid=stuck > STUCK_RATIO,
        )


def _coalesced(ends: list[AttemptEnd]) -> Iterator[Finding]:
    chunks, together, late = (sum(getattr(end, name) for end in ends) for name in ("chunks", "coalesced", "late_coalesced"))
    if chunks and together / chunks > COALESCED_RATIO:
        close = sum(end.apart.chunks for end in ends if end.apart is not None)
        yield Finding(
            code="coalesced",
            what=f"{100 * together / chunks:.1f} % of the chunks were read together with the one before, "
            f"{100 * late / together:.0f} % of these because signoff may have looked late, and up to "
            f"{100 * close / together:.0f} % because it looks once a millisecond",
            why="they have no gap of their own and lengthen another: the upper percentiles of ICL are a little too high",
            remedy="against lateness, a core of its own or fewer users per process (--processes); the rest came together",
        )


def _late(ends: list[AttemptEnd]) -> Iterator[Finding]:
    lags = [end.lag_max_ns for end in ends if end.lag_max_ns is not None]
    late_s = float(np.quantile(lags, 0.99)) / 1e9 if lags else 0.0
    if late_s > LAG_S:
        yield Finding(
            code="read_lag",
            what=f"1 % of the answers had a read that came {1000 * late_s:.0f} ms or more after the kernel had the bytes",
            why="stamps are the kernel's and stay true, but the next request of that user was sent late",
            remedy="give the load process a core of its own, or fewer users per process (--processes)",
        )


def _unstamped(ends: list[AttemptEnd]) -> Iterator[Finding]:
    count = sum(end.unstamped > 0 for end in ends)
    if count:
        yield Finding(
            code="no_kernel_stamps",
            what=f"{count} of {len(ends)} answers had reads that the kernel did not stamp",
            why="these were stamped after the read: a busy process then shows up in their times",
            remedy="measure on Linux; `signoff doctor` tries the stamps out",
        )


def _stale(ends: list[AttemptEnd]) -> Iterator[Finding]:
    count = sum(end.stale_retry for end in ends)
    if count:
        yield Finding(
            code="stale_retry",
            what=f"{count} of {len(ends)} requests were sent again because an idle connection was closed as they were sent",
            why="a server may close what is idle, so this is no failure; but it may have seen, and billed, the first one too",
            remedy="nothing has to be done: the server's keep-alive time-out is shorter than the pause between two requests",
        )


def _hidden(ends: list[AttemptEnd]) -> Iterator[Finding]:
    """Reasoning that is paid for and never seen: the speed is that of the rest."""
    hidden = [end for end in ends if timing.HIDDEN_REASONING in end.flags]
    if hidden:
        output = sum(end.usage.output_tokens or 0 for end in ends if end.usage is not None)
        kept = sum(end.usage.reasoning_tokens or 0 for end in hidden if end.usage is not None)
        yield Finding(
            code=timing.HIDDEN_REASONING,
            what=f"{len(hidden)} of {len(ends)} answers were billed for reasoning tokens that were not streamed, "
            f"{100 * kept / output:.0f} % of all output tokens",
            why="TPOT and tokens/s are of the tokens that arrive; the time of the others is in TTFT, their price in the spend",
            remedy="nothing has to be done; compare with a model that shows its reasoning by TTFO, e2e and cost",
        )


def _lossy(run: Run) -> Iterator[Finding]:
    """Endpoints on whose way segments were lost or overtaken, here or there, in more than a few attempts."""
    disturbed: dict[str, list[bool]] = {}
    for each in run.attempts:
        if each.start.phase is Phase.MEASURE and each.end is not None and each.end.retransmits is not None:
            disturbed.setdefault(each.start.endpoint, []).append(bool(each.end.retransmits or each.end.out_of_order))
    shares = {name: sum(seen) / len(seen) for name, seen in disturbed.items()}
    lossy = {name: share for name, share in shares.items() if share > LOSSY_RATIO}
    if lossy:
        told = ", ".join(f"{100 * share:.0f} % of the attempts at {name}" for name, share in lossy.items())
        yield Finding(
            code="lossy_network",
            what=f"segments were lost or overtaken on the way in {told}",
            why="each costs a round trip or more, which is in TTFT and the gaps and is not the provider's doing",
            remedy="measure from nearer to the endpoint, or compare candidates only over the same way",
        )
