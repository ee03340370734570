"""Each attempt that signoff wrote down, beside the simulator's line about the same request."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.records import AttemptEnd, Phase
from harness.results import Run
from harness.simulator.truth import Delivery


class Pair(NamedTuple):
    """What signoff says of one attempt, and what was sent to it."""

    example: str
    said: AttemptEnd
    sent: Delivery


def matched(run: Run, truth: Sequence[Delivery]) -> Iterator[Pair]:
    """Every good attempt of the measure phase, with the first line of its example that was received after it was sent."""
    lines: dict[str | None, list[Delivery]] = {}
    for line in sorted(truth, key=lambda line: line.received_ns):
        lines.setdefault(line.example, []).append(line)
    for attempt in run.attempts:
        end = attempt.end
        if attempt.start.phase is Phase.MEASURE and end is not None and end.kind == "ok" and end.sent_ns is not None:
            served = lines[attempt.start.example]
            place = bisect_left(served, end.sent_ns, key=lambda line: line.received_ns)
            yield Pair(attempt.start.example, end, served[place])


def sent_between(truth: Sequence[Delivery], from_ns: int, to_ns: int) -> int:
    """Tokens that went out in a window."""
    return sum(
        tokens
        for line in truth
        for stamp_ns, tokens in zip(line.sent_ns, line.chunk_tokens, strict=True)
        if from_ns <= stamp_ns < to_ns
    )


def answered_between(truth: Sequence[Delivery], from_ns: int, to_ns: int) -> int:
    """Answers whose last byte went out in a window."""
    return sum(line.done_ns is not None and from_ns <= line.done_ns < to_ns for line in truth)
