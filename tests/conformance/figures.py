"""What a run came to, straight from its journal: attempts by kind, tokens and timings, for each endpoint and level."""

import statistics
from collections import Counter
from collections.abc import Iterable

from harness.journal_reader import Attempt
from harness.measure import timing
from harness.records import AttemptEnd, Phase
from harness.results import Run


def table(run: Run) -> str:
    """One line for each endpoint and level, of the attempts that began in the measure phase."""
    cells: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in run.attempts:
        if attempt.start.phase is Phase.MEASURE:
            cells.setdefault((attempt.start.endpoint, attempt.start.level), []).append(attempt)
    head = (
        f"{'endpoint':10} {'level':>5} {'attempts':>8} {'chunks':>7} {'in':>7} {'out':>7} "
        f"{'TTFT p50':>10} {'e2e p50':>10}  kinds"
    )
    return "\n".join([head, *(_line(*cell, attempts) for cell, attempts in sorted(cells.items()))])


def _line(endpoint: str, level: str, attempts: list[Attempt]) -> str:
    ends = [attempt.end for attempt in attempts if attempt.end is not None]
    kinds = Counter(attempt.end.kind if attempt.end else "lost" for attempt in attempts)
    usages = [end.usage for end in ends if end.usage is not None]
    inputs = sum(usage.input_tokens for usage in usages if usage.input_tokens is not None)
    outputs = sum(usage.output_tokens for usage in usages if usage.output_tokens is not None)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return (
        f"{endpoint:10} {level:>5} {len(attempts):8} {sum(end.chunks for end in ends):7} {inputs:7} {outputs:7} "
        f"{_median_ms(map(timing.ttft_ns, ends)):>10} {_median_ms(map(timing.e2e_ns, ends)):>10}  {told}"
    )


def spread_ms(values_ns: Iterable[float]) -> str:
    """`p50 1.234 ms, max 5.678 ms` of some durations."""
    values = sorted(values_ns)
    return f"p50 {statistics.median(values) / 1e6:.3f} ms, max {values[-1] / 1e6:.3f} ms" if values else "none"


def whole(run: Run) -> list[tuple[Attempt, AttemptEnd]]:
    """The attempts that ended, each with its end."""
    return [(attempt, attempt.end) for attempt in run.attempts if attempt.end is not None]


def _median_ms(values_ns: Iterable[float | None]) -> str:
    known = [value for value in values_ns if value is not None]
    return f"{statistics.median(known) / 1e6:.1f} ms" if known else "none"
