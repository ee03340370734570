"""The join: one row per attempt, with what happened, what was right and what was paid, side by side by attempt id.

The rule: missing stays missing. Money is Decimal in an object column, durations are seconds, stamps are whole nanoseconds.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from harness.journal_reader import Attempt
from harness.measure import timing
from harness.price.cost import cost
from harness.rates import Rates
from harness.records import AttemptEnd, AttemptStart, Block, GradeRow, Phase, Usage
from harness.report import evaluated
from harness.report.evaluated import ANSWER, GIVEN_UP, Fates
from harness.report.windows import Windows
from harness.results import Run

OK, LOST, CANCELLED, DROPPED = "ok", "lost_worker", "cancelled", "dropped"


def judged(attempts: pd.DataFrame) -> pd.DataFrame:
    """The attempts whose outcome says something about the endpoint at this load: not those that we cut off.

    What was cut at the drain limit stays, for the endpoint had not answered by then; and what a schedule had and nobody could
    send, for whoever would have sent it got no answer. What no schedule had and was not sent says nothing.
    """
    cut = attempts["kind"].eq(CANCELLED) & ~attempts["flags"].str.contains("drain_limit", regex=False)
    unmeant = attempts["kind"].eq(DROPPED) & attempts["scheduled_ns"].isna()
    return attempts[~(cut | unmeant)]


def unsent(attempts: pd.DataFrame) -> pd.DataFrame:
    """The arrivals of a schedule that were never sent: their scheduled latencies have no end."""
    return attempts[attempts["kind"].eq(DROPPED) & attempts["scheduled_ns"].notna()]


def tasks(attempts: pd.DataFrame) -> pd.DataFrame:
    """The attempts whose success is that of a task: all but the turns of conversations that another turn followed or was to.

    What a conversation came to is told by its last turn or the one that failed; one that the end of its block cut tells none.
    In an evaluation the last attempt at an answer tells, and one that was cut before tells none.
    """
    return attempts[attempts["is_task"]]


def ended(attempts: pd.DataFrame) -> pd.DataFrame:
    """Without the conversations that the end of their block cut: what they cost bought neither a success nor a failure."""
    ids = task_ids(attempts)
    told = set(task_ids(tasks(attempts)).dropna())
    return attempts[ids.isna() | ids.isin(told)]


def task_ids(attempts: pd.DataFrame) -> pd.Series:
    """What attempts at one task have in common: their conversation, or in an evaluation their first attempt; else None."""
    conversation = attempts["conversation"]
    return conversation.where(conversation.notna(), attempts["first_trial"]) if "first_trial" in attempts else conversation


def later(attempts: pd.DataFrame) -> pd.Series:
    """Which are later turns of conversations, or asked again: they belong to a task that began before, and to no schedule."""
    begun = attempts["turn"].gt(0)
    if "trial" in attempts:
        begun = begun.fillna(value=False) | attempts["trial"].gt(0)
    return begun.fillna(value=False).astype(bool)


# Timing by column: from `sent`, and from the intended arrival. Each gives nanoseconds or None.
SERVICE: Mapping[str, Callable[[AttemptEnd], float | None]] = {
    "ttft_s": timing.ttft_ns,
    "ttfo_s": timing.ttfo_ns,
    "tpot_s": timing.tpot_ns,
    "e2e_s": timing.e2e_ns,
    "done_s": timing.done_ns,
}
SCHEDULED: Mapping[str, Callable[[AttemptStart, AttemptEnd], float | None]] = {
    "ttft_scheduled_s": timing.ttft_scheduled_ns,
    "ttfo_scheduled_s": timing.ttfo_scheduled_ns,
    "e2e_scheduled_s": timing.e2e_scheduled_ns,
    "connect_wait_s": timing.connect_wait_ns,
}

# Those of them that run from the intended arrival.
INTENDED = ("ttft_scheduled_s", "ttfo_scheduled_s", "e2e_scheduled_s")

# How long an arrival of an open loop was not dispatched; None in a closed one, and where it never was.
DISPATCH: Mapping[str, Callable[[AttemptStart], int | None]] = {
    "dispatch_wait_s": timing.dispatch_wait_ns,
    "lateness_s": timing.lateness_ns,
    "user_wait_s": timing.user_wait_ns,
}

NETWORK: Mapping[str, Callable[[AttemptEnd], int | None]] = {
    "dns_s": lambda end: end.dns_ns,
    "connect_s": lambda end: end.connect_ns,
    "proxy_s": lambda end: end.proxy_ns,
    "tls_s": lambda end: end.tls_ns,
    "quota_wait_s": lambda end: end.limited_ns,
    "rtt_s": lambda end: end.rtt_ns,
    "min_rtt_s": lambda end: end.min_rtt_ns,
}

# Kinds for which nobody bills when no usage came: the request was turned away or no part of an answer was given (reference
# faults, section 4). Every kind that starts with `http_` belongs here too.
_UNBILLED = frozenset(
    {
        "dropped",
        "dns",
        "tls",
        "connect_refused",
        "connect_error",
        "timeout_connect",
        "conn_lost",
        "unexpected_content",
        "empty_body",
        "context_length",
        "model_not_found",
        "quota_exhausted",
    }
)

# Every column in order. Whole numbers with gaps are Int64, because as floats stamps would lose digits; the rest that may be
# missing and is no float stays an object, so that None stays None.
DTYPES = (
    dict.fromkeys(["id", "endpoint", "level"], "object")
    | {"concurrency": "int64", "phase": "object"}
    | dict.fromkeys(["block", "repetition", "worker", "user"], "int64")
    | dict.fromkeys(["example", "cluster", "kind", "flags"], "object")
    | {"http_status": "Int64"}
    | dict.fromkeys(["finish", "model", "error_code", "error"], "object")
    | dict.fromkeys(["scheduled_ns", "dispatched_ns", "done_ns"], "Int64")
    | dict.fromkeys(DISPATCH, "float64")
    | dict.fromkeys([*SERVICE, *SCHEDULED, "icl_mean_s", "icl_max_s"], "float64")
    | {"address": "object"}
    | dict.fromkeys(NETWORK, "float64")
    | dict.fromkeys(["retransmits", "out_of_order", "chunks", "coalesced", "clamped", "window_chunks"], "Int64")
    | {"window_tokens": "float64", "sent_in_window": "bool", "done_in_window": "bool", "arrived_tokens": "Int64"}
    | dict.fromkeys(["input_tokens", "cached_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"], "Int64")
    | dict.fromkeys(["usage_source", "usd"], "object")
    | {"score": "float64"}
    | dict.fromkeys(["parsed", "passed", "success"], "object")
    | {"is_task": "bool", "conversation": "object"}
    | dict.fromkeys(["turn", "turns"], "Int64")
)


def frame(run: Run, rates: Mapping[str, Rates | None], *, graded: bool) -> pd.DataFrame:
    """One row per attempt in the order of `run.attempts`, indexed by position there; columns as in `DTYPES`.

    Those of an evaluation have `evaluated.COLUMNS` too.

    rates   price of each endpoint; None or absent leaves its attempts unpriced
    graded  whether the scenario names a scorer: then an answer is a success only once its grade says so
    """
    blocks = {block.id: block for block in run.manifest.plan}
    windows = Windows(run.manifest.plan, run.marks)
    reached = _reached(run.attempts)
    most = evaluated.attempts_most(run.manifest)
    fates = None if most is None else Fates(run.attempts, most)
    rows = [
        _identity(attempt, blocks[attempt.start.block], run.manifest.clusters)
        | {name: _seconds(wait(attempt.start)) for name, wait in DISPATCH.items()}
        | _timing(attempt)
        | _network(attempt.end)
        | _window(attempt, blocks[attempt.start.block].cell, windows)
        | _tokens(attempt.end)
        | {"usd": usd(attempt.end, rates.get(attempt.start.endpoint))}
        | _judged(attempt, run.grades, graded=graded)
        | _turn(attempt, reached)
        for attempt in run.attempts
    ]
    dtypes = DTYPES
    if fates is not None:
        dtypes = DTYPES | evaluated.COLUMNS
        rows = [_last_decides(row | fates.columns(attempt)) for row, attempt in zip(rows, run.attempts, strict=True)]
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in dtypes.items()})


def _last_decides(row: dict[str, Any]) -> dict[str, Any]:
    """An attempt that another one followed, or was to, is no task and has no success."""
    if row["fate"] in (ANSWER, GIVEN_UP):
        return row
    return row | dict.fromkeys(["score", "parsed", "passed", "success"]) | {"is_task": False}


def kind(end: AttemptEnd | None) -> str:
    """The outcome kind; a start without an end was lost with its worker."""
    return LOST if end is None else end.kind


def usd(end: AttemptEnd | None, rates: Rates | None) -> Decimal | None:
    """What this attempt cost; None where there is no price, or where tokens were likely billed and nobody said how many."""
    if end is None or rates is None:
        return None
    if end.usage is None and (end.kind in _UNBILLED or end.kind.startswith("http_")):
        return Decimal(0)
    return cost(end.usage, rates).total_usd


def _identity(attempt: Attempt, block: Block, clusters: Mapping[str, str]) -> dict[str, Any]:
    start, end = attempt.start, attempt.end
    return {
        "id": start.id,
        "endpoint": start.endpoint,
        "level": start.level,
        "concurrency": block.concurrency,
        "phase": str(start.phase),
        "block": start.block,
        "repetition": block.repetition,
        "worker": attempt.worker,
        "user": start.user,
        "example": start.example,
        "cluster": clusters.get(start.example, start.example),
        "kind": kind(end),
        "flags": "" if end is None else ";".join(end.flags),
        "http_status": end and end.http_status,
        "finish": end and end.finish,
        "model": end and end.model,
        "error_code": end and end.error_code,
        "error": end and end.error,
        "scheduled_ns": start.scheduled_ns,
        "dispatched_ns": start.dispatched_ns,
        "done_ns": end and end.done_ns,
    }


def _timing(attempt: Attempt) -> dict[str, float | None]:
    start, end = attempt.start, attempt.end
    if end is None:
        return dict.fromkeys([*SERVICE, *SCHEDULED, "icl_mean_s", "icl_max_s"])
    service = {name: _seconds(metric(end)) for name, metric in SERVICE.items()}
    scheduled = {name: _seconds(metric(start, end)) for name, metric in SCHEDULED.items()}
    gaps = {"icl_mean_s": _seconds(_mean_gap_ns(end)), "icl_max_s": _seconds(end.icl_max_ns)}
    return service | scheduled | gaps


def _network(end: AttemptEnd | None) -> dict[str, Any]:
    return {
        "address": end and end.address,
        **{name: None if end is None else _seconds(stamp(end)) for name, stamp in NETWORK.items()},
        "retransmits": end and end.retransmits,
        "out_of_order": end and end.out_of_order,
    }


def _mean_gap_ns(end: AttemptEnd) -> float | None:
    """The gaps between reads add up to last_token - first_token; None without a gap."""
    count = sum(times for _, times in end.icl)
    if not count or end.first_token_ns is None or end.last_token_ns is None:
        return None
    return (end.last_token_ns - end.first_token_ns) / count


def _window(attempt: Attempt, cell: int, windows: Windows) -> dict[str, Any]:
    end = attempt.end
    known = end is not None and windows.known(cell, attempt.worker)
    return {
        "chunks": end and end.chunks,
        "coalesced": end and end.coalesced,
        "clamped": end and end.clamped,
        "window_chunks": end.window_chunks if end is not None and known else None,
        "window_tokens": timing.window_tokens(end) if end is not None and known else None,
        "sent_in_window": kind(end) != DROPPED and windows.inside(cell, attempt.worker, attempt.start.dispatched_ns),
        "done_in_window": end is not None and windows.inside(cell, attempt.worker, end.done_ns),
    }


def _tokens(end: AttemptEnd | None) -> dict[str, Any]:
    told = end is not None and end.usage is not None
    usage = end.usage if end is not None and end.usage is not None else Usage()
    return {
        "input_tokens": usage.input_tokens,
        "cached_read_tokens": usage.cached_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "arrived_tokens": None if end is None else timing.arrived_tokens(end),
        "usage_source": usage.source if told else None,
    }


def _judged(attempt: Attempt, grades: Mapping[tuple[str, str], GradeRow], *, graded: bool) -> dict[str, Any]:
    """success: ok and, where the scenario grades, passed; None while an ok answer has no grade yet.

    An ok answer without text, such as a tool call alone, has nothing to grade: where the scenario grades, it is a miss.
    Of a conversation the last answer is judged; a turn whose answer ended it before has failed, and the others are None.
    """
    end = attempt.end
    if not attempt.start.is_last and _is_answered(attempt):
        return dict.fromkeys(["score", "parsed", "passed", "success"])
    ok = end is not None and end.kind == OK and attempt.start.is_last
    row = None if end is None or end.answer_sha256 is None else grades.get((attempt.start.example, end.answer_sha256))
    silent = ok and end is not None and end.answer_sha256 is None
    passed = row.grade.passed if row is not None else False if graded and silent else None
    return {
        "score": None if row is None else row.grade.score,
        "parsed": None if row is None else row.grade.parsed,
        "passed": passed,
        "success": ok and passed if graded else ok,
    }


def _reached(attempts: Iterable[Attempt]) -> dict[str, int]:
    """The last turn that each conversation came to."""
    reached: dict[str, int] = {}
    for start in (attempt.start for attempt in attempts):
        if start.conversation is not None and start.turn is not None:
            reached[start.conversation] = max(start.turn, reached.get(start.conversation, 0))
    return reached


def _is_answered(attempt: Attempt) -> bool:
    """Another turn may follow."""
    return attempt.end is not None and attempt.end.kind == OK and attempt.end.answer_sha256 is not None


def _turn(attempt: Attempt, reached: Mapping[str, int]) -> dict[str, Any]:
    start = attempt.start
    ends = start.conversation is None or start.turn == reached[start.conversation]
    return {
        "is_task": ends and (start.is_last or not _is_answered(attempt)),
        "conversation": start.conversation,
        "turn": start.turn,
        "turns": start.turns,
    }


def _seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


def measured(frame: pd.DataFrame) -> pd.DataFrame:
    """The attempts that the figures are about: those that began in a measure phase."""
    return frame[frame["phase"] == str(Phase.MEASURE)]
