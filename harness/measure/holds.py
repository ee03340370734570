"""Does a load hold its objectives? Pass, fail, or unclear and how many more requests would tell.

The rule: a load passes when it is shown to hold, not when nothing speaks against it. Every share must lie under what is allowed
with confidence, and what arrived must have been carried, without a queue that grows.
"""

import math
from collections.abc import Iterator
from typing import Literal

import msgspec
from scipy import special

from harness.effort import EFFORTS
from harness.measure import blocks
from harness.measure.blocks import Share
from harness.measure.level import LOST_ALLOWED, LevelResult

CARRIED_RATIO = 1 - LOST_ALLOWED
COLLAPSED_RATIO = 0.90
GROWTH = 1 / CARRIED_RATIO - 1  # seconds per second: the trend of a queue that carries just so much
CONFIDENCE = EFFORTS["full"].confidence  # a search looks at a load near the limit up to six times, and at several such loads
LOOKS = EFFORTS["full"].looks  # at the queue: of fewer, the rare long ones may all have been missed, and no bound knows of them


class Verdict(msgspec.Struct, frozen=True):
    """`more` is how many requests beside those measured would tell, where that can be guessed; None unless unclear."""

    kind: Literal["pass", "fail", "unclear"]
    reason: str
    more: int | None = None


def verdict(level: LevelResult, confidence: float = CONFIDENCE, looks: int = LOOKS) -> Verdict:
    """One failure fails; else one doubt is unclear, and of several doubts the one that needs most requests is told."""
    stop = oversaturated(level)
    if stop is not None:
        return Verdict("fail", stop)
    shares = (*level.shares, level.errors, level.lost)
    found = [*_carried(level, confidence), *_seen(level, looks), *(_share(each, confidence) for each in shares)]
    failed = [each for each in found if each.kind == "fail"]
    unclear = sorted((each for each in found if each.kind == "unclear"), key=lambda each: each.more or 0)
    return [Verdict("pass", "every share is under what is allowed"), *unclear, *failed[:1]][-1]


def oversaturated(level: LevelResult) -> str | None:
    """Why this load is far beyond what is carried, also of a step that still runs; None if it is not.

    Either answers fall behind arrivals by a tenth, or requests take longer and longer, as from a queue that does not carry nine
    in ten. Such a step may be stopped: more of it only makes the queue longer.
    """
    ratio, trend = level.carried_ratio, level.trend
    if trend is not None and trend.low > 1 / COLLAPSED_RATIO - 1:
        return f"requests take longer by {trend.slope:.2f} s per second: the queue grows without bound"
    if ratio is not None and ratio < COLLAPSED_RATIO and trend is not None and trend.low > 0:
        return f"only {100 * ratio:.1f} % of the arrivals were answered, and the queue grows"
    return None


def _carried(level: LevelResult, confidence: float) -> Iterator[Verdict]:
    """What was lost has a bound of its own (`_share`); what else lacks is what a run left in flight more than it began with."""
    ratio, trend = level.carried_ratio, level.trend
    if ratio is None:
        yield Verdict("unclear", f"nothing arrived, and {100 * CARRIED_RATIO:.0f} % are needed")
    elif ratio < CARRIED_RATIO:
        surely = ratio + _edges_ratio(level, confidence) < CARRIED_RATIO
        told = f"{100 * ratio:.1f} % of the arrivals were answered, and {100 * CARRIED_RATIO:.0f} % are needed"
        yield Verdict("fail" if surely else "unclear", told)
    if trend is not None and trend.low > 0 and trend.slope > GROWTH:
        yield Verdict("unclear", f"requests take longer by {trend.slope:.3f} s per second, so the queue grows")


def _edges_ratio(level: LevelResult, confidence: float) -> float:
    """How much of the arrivals the ends of the runs may hide, with confidence, where the queue is only longer by chance.

    Two depths of each run, independent at worst. A queue that grew is as uncertain as it is long, and is judged by its trend.
    """
    z = float(special.ndtri(confidence))
    return z * math.sqrt(2 * level.runs) * level.queue.deviation / level.requests if level.requests else math.inf


def _seen(level: LevelResult, looks: int) -> Iterator[Verdict]:
    seen = level.queue.looks
    if seen < looks:
        more = math.ceil(level.requests * (looks / seen - 1)) if seen else None
        yield Verdict("unclear", f"the queue was seen {seen:.0f} times, and {looks} are needed", more)


def _share(share: Share, confidence: float) -> Verdict:
    found = blocks.bound(share, confidence)
    if found is None:
        least = blocks.LEAST_BLOCKS * blocks.LEAST_REQUESTS
        return Verdict("unclear", f"{share.name}: too few requests to tell", max(1, least - sum(share.n)))
    told = f"{share.name}: {_percent(found.ratio)} missed it, {_percent(found.low)} to {_percent(found.high)}"
    if found.high <= share.allowed:
        return Verdict("pass", told)
    if found.low > share.allowed:
        return Verdict("fail", f"{told}, and {_percent(share.allowed)} may")
    needed = blocks.requests_to_tell(share, found, confidence)
    return Verdict(
        "unclear", f"{told}, and {_percent(share.allowed)} may", None if needed is None else max(1, needed - sum(share.n))
    )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"
