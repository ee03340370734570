"""The client itself: what the load processes saw of themselves in the measure windows of each cell.

The rule: samples belong to a window by the clock of their own worker, and to a cell by the window.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness.health import Health
from harness.measure import timing
from harness.measure.health import Watched, hub_lag_ns
from harness.measure.spread import merged, quantile_ns
from harness.records import AttemptEnd, Phase
from harness.report.circumstances import ClientFigures
from harness.report.windows import Span, Windows
from harness.results import Run

_LONG_NS = 500_000_000  # the end of a window cuts a second short: a sliver of it would be the busiest "second"
_NO_SAMPLE = "no load process left a sample of its health in this window"
_NO_WAIT = "the kernel does not say how long a process waits for a processor"
_NO_LAG = "no socket was open, or the kernel stamps no reads"
_NO_CHUNK = "no answer was streamed whose chunks, and tokens by usage, are known"

Cells = dict[tuple[str, str], Watched]


def watched(run: Run) -> Cells:
    """By endpoint and level, of every cell in the plan."""
    windows = Windows(run.manifest.plan, run.marks)
    planned = {(block.endpoint, block.level): block for block in run.manifest.plan if block.phase is Phase.MEASURE}
    ends: dict[tuple[str, str], list[AttemptEnd]] = defaultdict(list)
    for attempt in run.attempts:
        if attempt.start.phase is Phase.MEASURE and attempt.end is not None:
            ends[attempt.start.endpoint, attempt.start.level].append(attempt.end)
    return {
        cell: Watched(
            place=f"{block.endpoint} at {block.words}",
            windows=[_inside(run.health, worker, span) for worker, span in windows.spans(*cell)],
            ends=ends[cell],
        )
        for cell, block in planned.items()
    }


def figures(cell: Watched) -> ClientFigures:
    """The figures of one cell, over all its windows and processes; each that is missing says why."""
    samples = [sample for samples in cell.windows for sample in samples]
    values = _of_processes(samples) | _of_answers(cell.ends)
    why = dict.fromkeys(values, _NO_CHUNK) | dict.fromkeys(_of_processes([]), _NO_LAG if samples else _NO_SAMPLE)
    if samples:
        why |= dict.fromkeys(["wait_ratio", "wait_max_ratio"], _NO_WAIT)
    return ClientFigures(**values, reason={name: why[name] for name, value in values.items() if value is None})


def _of_processes(samples: Sequence[Health]) -> dict[str, Any]:
    reads = merged(sample.reads for sample in samples)
    return {
        "cpu_ratio": _mean(samples, lambda sample: sample.cpu_ratio),
        "cpu_max_ratio": _most(samples, lambda sample: sample.cpu_ratio),
        "wait_ratio": _mean(samples, lambda sample: sample.wait_ratio),
        "wait_max_ratio": _most(samples, lambda sample: sample.wait_ratio),
        "hub_lag_p50_s": _seconds(hub_lag_ns(samples, 0.5)),
        "hub_lag_p99_s": _seconds(hub_lag_ns(samples, 0.99)),
        "hub_lag_max_s": _longest(each.gap_max_ns for each in samples),
        "read_lag_p50_s": _seconds(quantile_ns(reads, 0.5)),
        "read_lag_p99_s": _seconds(quantile_ns(reads, 0.99)),
        "read_lag_max_s": _longest(each.read_max_ns for each in samples),
        "gc_pause_max_s": _longest(each.gc_max_ns for each in samples),
        "backlog_max": max((each.backlog for each in samples), default=None),
    }


def _of_answers(ends: Sequence[AttemptEnd]) -> dict[str, Any]:
    chunks = sum(end.chunks for end in ends)
    streamed = [end for end in ends if end.first_token_ns is not None]
    return {
        "coalesced_ratio": _ratio(sum(end.coalesced for end in ends), chunks),
        "late_coalesced_ratio": _ratio(sum(end.late_coalesced for end in ends), chunks),
        "late_first_token_ratio": _ratio(sum(timing.LATE_FIRST_TOKEN in end.flags for end in streamed), len(streamed)),
        "tokens_per_chunk": _tokens_per_chunk(streamed),
    }


def _inside(health: Iterable[tuple[int, Health]], worker: int, span: Span) -> tuple[Health, ...]:
    """A sample ends at its stamp, so the one that ends where the window opens is not in it."""
    return tuple(each for owner, each in health if owner == worker and span.open_ns < each.at_ns <= span.close_ns)


def _mean(samples: Sequence[Health], of: Callable[[Health], float | None]) -> float | None:
    """Over time: a sample counts for as long as it is."""
    known = [(value, sample.interval_ns) for sample in samples if (value := of(sample)) is not None]
    length_ns = sum(interval_ns for _, interval_ns in known)
    return sum(value * interval_ns for value, interval_ns in known) / length_ns if length_ns else None


def _most(samples: Sequence[Health], of: Callable[[Health], float | None]) -> float | None:
    long = [sample for sample in samples if sample.interval_ns >= _LONG_NS] or samples
    return max((value for sample in long if (value := of(sample)) is not None), default=None)


def _tokens_per_chunk(streamed: Iterable[AttemptEnd]) -> float | None:
    """Tokens that arrived over chunks, of the whole answers that told their usage."""
    told = [(timing.arrived_tokens(end), end.chunks) for end in streamed if end.kind == "ok"]
    known = [(tokens, chunks) for tokens, chunks in told if tokens is not None]
    chunks = sum(chunks for _, chunks in known)
    return sum(tokens for tokens, _ in known) / chunks if chunks else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _longest(durations_ns: Iterable[int | None]) -> float | None:
    return _seconds(max((each for each in durations_ns if each is not None), default=None))


def _seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
