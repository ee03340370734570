"""What every client of a round has to do: so many streams of so many tokens, so far apart; and what is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.simulator import tokens
from harness.simulator.candidate import Candidate, Lognormal
from tests.benchmarks.options import Options

NAME, MODEL = "candidate", "ref"
EXAMPLES = 4_000  # more than are asked at once, so that example and time name one attempt
TOKENS, SATURATING_TOKENS = 128, 256
TTFT = Lognormal(median_s=0.2, sigma=0.3)
GAP_S, SIGMA = 0.02, 0.3
SIMULATED_PER_S = 30_000  # tokens/s up to which the bundled simulator is a yardstick; beyond it, each stream is slower instead
AT_ONCE = Lognormal(median_s=0.0)


@dataclass(frozen=True)
class Question:
    """An example as it is asked and answered."""

    example: str
    prompt: str
    answer: str
    token_chars: int | None = None  # of the answer; None: words are tokens


@dataclass(frozen=True)
class Work:
    """`streams` answers at a time, each of `tokens` (about; see `questions`), `itl` apart."""

    streams: int
    tokens: int
    ttft: Lognormal
    itl: Lognormal
    warmup_s: float
    measure_s: float

    @property
    def candidate(self) -> Candidate:
        """Who plays it: right about everything, so that every answer is the one that was meant."""
        return Candidate(name=NAME, model=MODEL, ttft=self.ttft, itl=self.itl, accuracy=1.0)

    @property
    def load(self) -> dict[str, Any]:
        """The `load` of a scenario."""
        return {"levels": [self.streams], "warmup_s": self.warmup_s, "measure_s": self.measure_s}


def paced(streams: int, options: Options) -> Work:
    """Streams as a good provider sends them. The warm-up is longer than an answer, the window longer still."""
    streams = options.many(streams)
    gap_s = max(GAP_S, streams / SIMULATED_PER_S) * min(1.0, options.scale * 10)
    answer_s = TTFT.median_s + TOKENS * gap_s * 1.05
    itl = Lognormal(median_s=gap_s, sigma=SIGMA)
    return Work(streams, TOKENS, TTFT, itl, 1.3 * answer_s, max(options.seconds(5.0), 1.7 * answer_s))


def saturating(streams: int, options: Options) -> Work:
    """Tokens as fast as they are taken."""
    return Work(options.many(streams), SATURATING_TOKENS, AT_ONCE, AT_ONCE, options.seconds(2.0), options.seconds(5.0))


def questions(count: int = EXAMPLES, answer_tokens: int | Callable[[int], int] = TOKENS) -> tuple[Question, ...]:
    """Tickets of forty words, and answers of so many tokens."""
    length = answer_tokens if callable(answer_tokens) else lambda _: answer_tokens
    asked = (f"q{number}" for number in range(count))
    return tuple(Question(each, prompt(each), "".join(tokens.filler(length(n), each))) for n, each in enumerate(asked))


def prompt(example: str) -> str:
    return f"This is ticket {example}. " + "The quick brown fox jumps over the lazy dog. " * 4
