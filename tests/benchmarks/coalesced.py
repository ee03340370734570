"""Chunks that come together: what share of them one read brought, and tokens per chunk, beside what was sent together."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from tests.benchmarks import fidelity, matching, rig, work
from tests.benchmarks.matching import Pair
from tests.benchmarks.options import Options
from tests.benchmarks.table import medians
from tests.benchmarks.work import Work

STREAMS = 200
HEAD = (
    *("streams", "tokens/event", "pace", "chunks", "sent together %", "read together %", "of them late %"),
    *("tokens/chunk sent", "said", "gaps below 1 us", "ICL p50 error ms"),
)


@dataclass(frozen=True)
class Case:
    work: Work
    tokens_per_event: int
    pace: str


Figures = tuple[float | None, ...]


def cases(options: Options) -> list[Case]:
    paced, fast = work.paced(STREAMS, options), work.saturating(64, options)
    slow = replace(paced, measure_s=max(paced.measure_s, options.seconds(5.0)))
    return [Case(slow, 1, "20 ms"), Case(slow, 4, "20 ms"), Case(fast, 1, "at once"), Case(fast, 4, "at once")]


def measure(case: Case, _: Options) -> tuple[Case, Figures]:
    """One round, about 20 s."""
    task = case.work
    candidate = structs.replace(task.candidate, tokens_per_chunk=case.tokens_per_event)
    asked = work.questions(answer_tokens=task.tokens)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        with rig.simulating(candidate, asked, Path(name)) as served:
            ours = rig.signoff(served, task.load, asked)
        return case, _figures(case, list(matching.matched(ours.run, served.truth())))


def row(rounds: Sequence[tuple[Case, Figures]]) -> list[str]:
    """Medians of the rounds."""
    case, _ = rounds[0]
    return [str(case.work.streams), str(case.tokens_per_event), case.pace, *medians(figures for _, figures in rounds)]


def _figures(case: Case, pairs: Sequence[Pair]) -> Figures:
    """Gaps below a microsecond have to be rare: chunks of one read have no gap between them, and none is made up.

    The simulator has one stamp for each send, with all the tokens that went in it.
    """
    names = ("chunks", "coalesced", "late_coalesced")
    chunks, together, late = (sum(getattr(pair.said, name) for pair in pairs) for name in names)
    tokens = sum(sum(pair.sent.chunk_tokens) for pair in pairs)
    events, sends = tokens / case.tokens_per_event, sum(len(pair.sent.sent_ns) for pair in pairs)
    said = sum(pair.said.usage.output_tokens or 0 for pair in pairs if pair.said.usage is not None)
    none = sum(count for pair in pairs for bucket, count in pair.said.icl if bucket == 0)
    error = fidelity.error_ms(pairs, "ICL", 0.5)
    shares = 100 * (1 - sends / events), 100 * together / chunks, 100 * late / together if together else None
    return chunks, *shares, tokens / events, said / chunks, none, error
