"""Attempts of one cell as the rows by which its load is judged.

The rule: seconds count from the moment at which the attempt's own worker opened the measure window, because clocks of two hosts
have nothing in common; what had not ended is a row too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measure import timing
from harness.measure.level import Rows
from harness.measure.slo import Objective
from harness.records import AttemptEnd, AttemptStart

ANSWERED = frozenset({"ok", "refused", "blocked_input", "blocked_output"})


class Seen(NamedTuple):
    """An attempt; `end` is None while it is in flight. `opened_ns` is when its worker opened the measure window."""

    start: AttemptStart
    end: AttemptEnd | None
    opened_ns: int


def _gap_ns(end: AttemptEnd) -> float | None:
    """The mean over one answer: its gaps add up to last_token - first_token."""
    count = sum(times for _, times in end.icl)
    if not count or end.first_token_ns is None or end.last_token_ns is None:
        return None
    return (end.last_token_ns - end.first_token_ns) / count


# By the names of `slo.per_request`. One answer is held to a bound on its gaps by their mean, and per token that is its TPOT.
_LATENCIES: Mapping[str, Callable[[AttemptStart, AttemptEnd], float | None]] = {
    "ttft": lambda _, end: timing.ttft_ns(end),
    "ttfo": lambda _, end: timing.ttfo_ns(end),
    "e2e": lambda _, end: timing.e2e_ns(end),
    "ttft_scheduled": timing.ttft_scheduled_ns,
    "ttfo_scheduled": timing.ttfo_scheduled_ns,
    "e2e_scheduled": timing.e2e_scheduled_ns,
    **{f"icl{view}": lambda _, end: _gap_ns(end) for view in ("", "_scheduled")},
    **{f"{name}{view}": lambda _, end: timing.tpot_ns(end) for name in ("itl", "tpot") for view in ("", "_scheduled")},
}


def names_for(objectives: Iterable[Objective]) -> set[str]:
    """The latencies that a `level_result` of these objectives needs."""
    found = {each.metric if each.view == "service" else f"{each.metric}_scheduled" for each in objectives}
    return {"ttft", "itl", *(found & _LATENCIES.keys())}


def rows(seen: Iterable[Seen], names: Collection[str]) -> Rows:
    """With these latencies, which are those of whole answers (kind `ok`); a refusal is answered, too, and no error."""
    every = list(seen)
    whole = [each.end if each.end is not None and each.end.kind == "ok" else None for each in every]
    return Rows(
        arrival_s=_seconds(_since(each, _begun_ns(each.start)) for each in every),
        done_s=_seconds(_since(each, None if each.end is None else each.end.done_ns) for each in every),
        ok=np.array([each.end is not None and each.end.kind in ANSWERED for each in every], dtype=np.bool_),
        latencies={
            name: _seconds(None if end is None else measure(each.start, end) for each, end in zip(every, whole, strict=True))
            for name, measure in _LATENCIES.items()
            if name in names
        },
        tokens=_plain(None if end is None else timing.arrived_tokens(end) for end in whole),
    )


def _begun_ns(start: AttemptStart) -> int | None:
    return start.dispatched_ns if start.scheduled_ns is None else start.scheduled_ns


def _since(each: Seen, stamp_ns: int | None) -> int | None:
    return None if stamp_ns is None else stamp_ns - each.opened_ns


def _seconds(nanoseconds: Iterable[float | None]) -> NDArray[np.float64]:
    return _plain(nanoseconds) / 1e9


def _plain(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if each is None else each for each in values], dtype=np.float64)
