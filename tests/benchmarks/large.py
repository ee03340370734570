"""Long prompts and large events among ordinary streams: do the others suffer; and what many long answers hold in memory."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.measure.histogram import Histogram
from tests.benchmarks import decoding, fidelity, matching, rig, work
from tests.benchmarks.matching import Pair
from tests.benchmarks.options import Options
from tests.benchmarks.table import medians, verdicts
from tests.benchmarks.work import Question, Work

HEAD = (
    *("streams", "large", "letter", "tokens", "others' attempts", "their TTFT p99 error ms"),
    *("their stamps' error p99 ms", "max ms", "their read lag p99 ms"),
    *("longest step ms: decode", "write", "end", "worker's peak MB", "the run says"),
)
ORDINARY, LARGE, EVERY = 200, 10, 21
PROMPT_BYTES, EVENT_CHARS, EVENTS = 1_000_000, 256 << 10, 4
CROWD, LONG_ANSWER = 2_000, 2_000


@dataclass(frozen=True)
class Case:
    """`large`: how many of the streams have a long prompt and large events at a time, on average; all of one `letter`."""

    work: Work
    large: int
    letter: str = "y"


@dataclass(frozen=True)
class Round:
    case: Case
    figures: tuple[float | None, ...]
    verdict: str


def cases(options: Options) -> list[Case]:
    alone, mixed = work.paced(ORDINARY, options), work.paced(ORDINARY + LARGE, options)
    long = Work(options.many(CROWD), options.many(LONG_ANSWER), work.AT_ONCE, work.AT_ONCE, 0.0, options.seconds(5.0))
    return [Case(alone, 0), Case(mixed, LARGE), Case(mixed, LARGE, "é"), Case(long, 0)]


def measure(case: Case, _: Options) -> Round:
    """One round, half a minute to a minute."""
    asked = _questions(case)
    large = frozenset(each.example for each in asked if each.token_chars is not None)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        with rig.simulating(case.work.candidate, asked, Path(name)) as served:
            steps_ms = decoding.longest_steps_ms(served, asked[0])
            ours = rig.signoff(served, {**case.work.load, "drain_s": 120}, asked)
        others = [pair for pair in matching.matched(ours.run, served.truth()) if pair.example not in large]
    peak = max(sample.rss_bytes for sample in ours.worker)
    return Round(case, (*_errors(others), *steps_ms, peak / 1e6), ours.verdict)


def row(rounds: Sequence[Round]) -> list[str]:
    """Medians of the rounds."""
    case = rounds[0].case
    said = verdicts([each.verdict for each in rounds])
    what = [str(case.work.streams), str(case.large), case.letter if case.large else "-", str(case.work.tokens)]
    return [*what, *medians(each.figures for each in rounds), said]


def _questions(case: Case) -> tuple[Question, ...]:
    """Every so many of them large; few enough prompts to be kept, and each asked by one user at a time."""
    asked = work.questions(4 * case.work.streams, case.work.tokens)
    if not case.large:
        return asked
    return tuple(_enlarged(each, case.letter) if number % EVERY == 0 else each for number, each in enumerate(asked))


def _enlarged(asked: Question, letter: str) -> Question:
    prompt = (asked.prompt * (PROMPT_BYTES // len(asked.prompt) + 1))[:PROMPT_BYTES]
    return replace(asked, prompt=prompt, answer=letter * (EVENT_CHARS * EVENTS), token_chars=EVENT_CHARS)


def _errors(others: Sequence[Pair]) -> tuple[float | None, ...]:
    """Attempts, error of the p99 of TTFT, and how far each stamp is from when its event was sent."""
    errors, lag = Histogram(), Histogram()
    errors.record([abs(error) for pair in others for error in _stamp_errors_ns(pair)])
    lag.record([pair.said.lag_max_ns for pair in others if pair.said.lag_max_ns is not None])
    worst = errors.max_ns if errors.n else None
    stamps = errors.value_at(0.99), worst, lag.value_at(0.99)
    return len(others), fidelity.error_ms(others, "TTFT", 0.99), *(None if ns is None else ns / 1e6 for ns in stamps)


def _stamp_errors_ns(pair: Pair) -> Iterable[int]:
    """Of the first token and of the last: from just before it was handed to the kernel to the stamp that signoff gave it."""
    stamps = (pair.said.first_token_ns, pair.sent.sent_ns[0]), (pair.said.last_token_ns, pair.sent.sent_ns[-1])
    return (said - sent for said, sent in stamps if said is not None)
