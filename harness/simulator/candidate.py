"""A candidate's profile, and the seeded draws of what it does: how fast, whether it fails, whether it is right.

Speed and failure are drawn anew for each request (seeded by its number), right or wrong once for each example, as a model at
temperature 0 would have it.
"""

import hashlib
import math
import random
from typing import Annotated

import msgspec

NS = 1_000_000_000

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A duration: `median_s` times exp(sigma x standard normal). sigma 0 is exact."""

    median_s: Annotated[float, msgspec.Meta(ge=0)]
    sigma: Annotated[float, msgspec.Meta(ge=0, le=3)] = 0.0

    def draw_ns(self, source: random.Random) -> int:
        return round(self.median_s * math.exp(self.sigma * source.gauss(0, 1)) * NS)


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider to play.

    ttft              from the request completely read to the first event that carries a token
    itl               gap before each further token; an event of k tokens comes after the sum of k gaps
    accuracy          probability that a known example is answered right
    error_rate        share of requests that fail, half of them with 429 and half with 500
    cached_ratio      share of the prompt's tokens that usage calls cached
    reasoning_tokens  streamed before the answer, and part of the completion's tokens
    api_key           None lets everybody in
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    model: str
    ttft: Lognormal = Lognormal(median_s=0.2, sigma=0.3)
    itl: Lognormal = Lognormal(median_s=0.02, sigma=0.3)
    accuracy: Ratio = 0.9
    error_rate: Ratio = 0.0
    cached_ratio: Ratio = 0.0
    reasoning_tokens: Count = 0
    tokens_per_chunk: Annotated[int, msgspec.Meta(ge=1)] = 1
    api_key: str | None = None
    seed: int = 1


class Draws:
    """The random choices of a candidate's `n`-th request: `status`, `ttft_ns`, and a gap for each further event."""

    def __init__(self, candidate: Candidate, seed: int, n: int) -> None:
        self._source = random.Random(f"{seed}/{candidate.seed}/{candidate.name}/{n}")
        self._itl = candidate.itl
        failing = self._source.random() < candidate.error_rate
        self.status = self._source.choice((429, 500)) if failing else 200
        self.ttft_ns = candidate.ttft.draw_ns(self._source)

    def gap_ns(self, tokens: int) -> int:
        """Time before an event of so many tokens."""
        return sum(self._itl.draw_ns(self._source) for _ in range(tokens))


def is_right(candidate: Candidate, seed: int, example: str) -> bool:
    """Whether the candidate answers this example right: always the same, and true for a share `accuracy` of all examples."""
    return uniform(f"{seed}/{candidate.seed}/{candidate.name}/{example}") < candidate.accuracy


def uniform(text: str) -> float:
    """A number in [0, 1) that depends on the text alone: 53 bits of its SHA-256."""
    digest = hashlib.sha256(text.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
