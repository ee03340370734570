"""What one load has shown: shares that missed each objective, errors, whether it was carried, its place on the frontier.

The rule: requests are counted by when they were meant to arrive, answers by when they ended. A load that is not carried shows
as fewer answers than arrivals, however good the answers are.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.errors import HarnessError
from harness.measure import blocks
from harness.measure.blocks import Queue, Share
from harness.measure.slo import LATENCIES, Objective, per_request

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
ERRORS_ALLOWED = 0.01  # where no objective speaks of errors
LOST_ALLOWED = 0.02  # of the arrivals, so that 98 % are carried
TREND_CONFIDENCE = 0.99
_TREND_BLOCKS = 16

Values = NDArray[np.float64]


class Rows(NamedTuple):
    """Requests of one load in any order; arrays of one length, seconds on one clock, NaN for what did not happen.

    arrival_s  when it was meant to be sent
    done_s     when its answer had ended
    ok         whether it was answered
    latencies  in seconds, by the names of `slo.per_request`: `ttft`, `ttft_scheduled`, `itl`, ...
    tokens     of output; NaN where unknown
    """

    arrival_s: Values
    done_s: Values
    ok: NDArray[np.bool_]
    latencies: Mapping[str, Values]
    tokens: Values


class Trend(msgspec.Struct, frozen=True):
    """How much longer requests take per second of the run, in seconds per second, with its two-sided interval.

    A queue that gets r times what it can serve makes each arrival wait r - 1 seconds longer per second: 0.02 is a server that
    carries 98 % of the load.
    """

    slope: float
    low: float
    high: float


class LevelResult(msgspec.Struct, frozen=True):
    """One load; rates are per second of the window. A figure is None where nothing was seen of it.

    achieved_per_s counts what ended, failures too: they have a bound of their own, and one that a user may set as he likes.

    errors  its own share beside those of the objectives
    lost    arrivals that never ended: nobody came to send them, or the drain limit cut them off
    runs    of this load; at the ends of each, requests in flight are arrivals without an answer, or answers without an arrival
    trend   of the last run
    """

    load: float
    requests: int
    length_s: float
    offered_per_s: float
    achieved_per_s: float
    shares: tuple[Share, ...]
    errors: Share
    lost: Share
    queue: Queue
    runs: int = 1
    trend: Trend | None = None
    ttft_p99_s: float | None = None
    itl_p99_s: float | None = None
    offered_tokens_per_s: float | None = None
    output_tokens_per_s: float | None = None
    goodput_per_s: float | None = None

    @property
    def carried_ratio(self) -> float | None:
        """Answers per arrival in the window; None where nothing arrived."""
        return self.achieved_per_s / self.offered_per_s if self.offered_per_s else None


def level_result(
    rows: Rows,
    load: float,
    window_s: tuple[float, float],
    objectives: Sequence[Objective],
    errors_allowed: float = ERRORS_ALLOWED,
) -> LevelResult:
    """Of the requests that arrived within the window, from its first second to before its last.

    An answer that failed has no latency, so it counts against errors and no objective besides. Raises `HarnessError` for an
    objective that is no share of requests, such as a mean or a price, and for a latency that rows do not have.
    """
    begin_s, end_s = window_s
    length_s = end_s - begin_s
    if not length_s > 0:
        raise ValueError(f"a window from {begin_s} to {end_s} s")
    order = np.argsort(rows.arrival_s, kind="stable")
    order = order[(rows.arrival_s[order] >= begin_s) & (rows.arrival_s[order] < end_s)]
    ok = rows.ok[order]
    within = (rows.done_s >= begin_s) & (rows.done_s < end_s) & rows.ok
    offered = len(order) / length_s
    tokens = rows.tokens[order]
    known = ok & np.isfinite(tokens)
    return LevelResult(
        load=load,
        requests=len(order),
        length_s=length_s,
        offered_per_s=offered,
        achieved_per_s=int(((rows.done_s >= begin_s) & (rows.done_s < end_s)).sum()) / length_s,
        shares=tuple(_share(each, rows, order) for each in objectives if each.metric not in ("errors", "success")),
        errors=_errors(~ok, objectives, errors_allowed),
        lost=_counted("ended", LOST_ALLOWED, ~np.isfinite(rows.done_s[order])),
        queue=blocks.queue_of(_depth(rows, order)),
        trend=trend(rows.arrival_s[order], rows.done_s[order] - rows.arrival_s[order]),
        ttft_p99_s=_p99(rows, "ttft", order[ok]),
        itl_p99_s=_p99(rows, "itl", order[ok]),
        offered_tokens_per_s=offered * float(tokens[known].mean()) if known.any() else None,
        output_tokens_per_s=float(np.nansum(rows.tokens[within])) / length_s if known.any() else None,
        goodput_per_s=int(_good(rows, order, objectives).sum()) / length_s,
    )


def combined(first: LevelResult, second: LevelResult) -> LevelResult:
    """Two runs of one load: shares and rates of both; trend and percentiles of the second, because they cannot be added."""
    total, length_s = first.requests + second.requests, first.length_s + second.length_s
    achieved = first.achieved_per_s * first.length_s + second.achieved_per_s * second.length_s
    return msgspec.structs.replace(
        second,
        requests=total,
        length_s=length_s,
        offered_per_s=total / length_s,
        achieved_per_s=achieved / length_s,
        shares=tuple(map(blocks.joined, first.shares, second.shares)),
        errors=blocks.joined(first.errors, second.errors),
        lost=blocks.joined(first.lost, second.lost),
        runs=first.runs + second.runs,
        queue=blocks.queues_joined(first.queue, second.queue),
    )


def trend(arrival_s: Values, latency_s: Values) -> Trend | None:
    """Least squares through the means of blocks, Student's interval; None below three blocks, or of one moment."""
    there = np.isfinite(latency_s)
    arrival_s, latency_s = arrival_s[there], latency_s[there]
    number = min(_TREND_BLOCKS, len(arrival_s) // blocks.LEAST_REQUESTS)
    if number < 3 or arrival_s[0] == arrival_s[-1]:
        return None
    starts = (np.arange(number) * len(arrival_s)) // number
    sizes = np.diff(np.append(starts, len(arrival_s)))
    x, y = np.add.reduceat(arrival_s, starts) / sizes, np.add.reduceat(latency_s, starts) / sizes
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    error = float(np.sqrt(np.sum((y - slope * x) ** 2) / (number - 2) / (x @ x)))
    half = error * float(special.stdtrit(number - 2, 0.5 + TREND_CONFIDENCE / 2))
    return Trend(slope, slope - half, slope + half)


def _depth(rows: Rows, order: NDArray[np.int64]) -> Values:
    """Requests in flight when each one arrived, by what is known to have ended."""
    ended = np.isfinite(rows.done_s)
    arrival_s, done_s = np.sort(rows.arrival_s[ended]), np.sort(rows.done_s[ended])
    at = rows.arrival_s[order]
    return (np.searchsorted(arrival_s, at) - np.searchsorted(done_s, at, side="right")).astype(np.float64)


def _share(objective: Objective, rows: Rows, order: NDArray[np.int64]) -> Share:
    key = objective.metric if objective.view == "service" else f"{objective.metric}_scheduled"
    if objective.metric not in LATENCIES or objective.statistic not in QUANTILES:
        raise HarnessError(
            f"{objective.text!r} is no share of requests, so no load can be searched for it",
            remedy="search with percentiles of latencies and with errors or success; check the rest at the load found",
        )
    if key not in rows.latencies:
        raise HarnessError(
            f"{objective.text!r} needs {key}, which was not measured", remedy=f"there is {', '.join(rows.latencies)}"
        )
    q = QUANTILES[objective.statistic]
    values = rows.latencies[key][order]
    there = rows.ok[order] & np.isfinite(values)
    values = values[there]
    over = values > objective.bound if objective.op == "<=" else values >= objective.bound
    own = np.quantile(values, q, method="inverted_cdf") if len(values) else np.inf
    return _counted(objective.text, 1 - q, over, values > own)


def _errors(failed: NDArray[np.bool_], objectives: Sequence[Objective], allowed: float) -> Share:
    """The strictest that an objective says of errors or success, else what is allowed anyhow."""
    said = [
        each.bound if each.metric == "errors" else 1 - each.bound for each in objectives if each.metric in ("errors", "success")
    ]
    return _counted("errors", min(said, default=allowed), failed)


def _counted(name: str, allowed: float, over: NDArray[np.bool_], tail: NDArray[np.bool_] | None = None) -> Share:
    starts = blocks.edges(len(over))
    if not len(over):
        return Share(name, allowed, (), ())
    n = np.diff(np.append(starts, len(over)))
    sums = [tuple(np.add.reduceat(each.astype(np.int64), starts).tolist()) for each in (over, tail) if each is not None]
    return Share(name, allowed, tuple(n.tolist()), *sums)


def _good(rows: Rows, order: NDArray[np.int64], objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """Answered within every bound; a latency that there is not, such as the ITL of one token, is no miss."""
    good = rows.ok[order].copy()
    for key, most_s in per_request(objectives).items():
        good &= ~(rows.latencies[key][order] > most_s)
    return good


def _p99(rows: Rows, key: str, order: NDArray[np.int64]) -> float | None:
    values = rows.latencies[key][order] if key in rows.latencies else np.empty(0)
    values = values[np.isfinite(values)]
    return float(np.quantile(values, 0.99, method="inverted_cdf")) if len(values) else None
