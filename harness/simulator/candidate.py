"""A candidate's profile, and the seeded draws of what it does: how fast, whether it fails, whether it is right.

Speed and failure are drawn anew for each request (seeded by its number), right or wrong once for each example, as a model at
temperature 0 would have it. Durations come from a table that is made once, because drawing takes time away from sending.
"""

import functools
import hashlib
import math
import random
import statistics
from collections.abc import Sequence
from typing import Annotated

import msgspec

from harness.simulator.profile import NS, Freeze, Limits, ServiceTime

DURATIONS = 1 << 14  # in a table: exact quantiles, of which 16 are above p99.9; it takes 0.6 MB and some 10 ms to make

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A duration: `median_s` times exp(sigma x standard normal). sigma 0 is exact."""

    median_s: Annotated[float, msgspec.Meta(ge=0)]
    sigma: Annotated[float, msgspec.Meta(ge=0, le=3)] = 0.0

    @property
    def exact_ns(self) -> int | None:
        """What it always is; None where it varies."""
        return round(self.median_s * NS) if self.sigma == 0 or self.median_s == 0 else None


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider to play.

    ttft              from the request completely read to the first event that carries a token
    itl               gap before each further token; an event of k tokens comes after the sum of k gaps
    accuracy          probability that a known example is answered right
    error_rate        share of requests that fail, half of them with 429 and half with 500
    cached_ratio      share of the prompt's tokens that usage calls cached
    reasoning_tokens  streamed before the answer, and part of the completion's tokens
    api_key           None lets everybody in
    service           the whole service time of a request, in place of ttft and itl
    servers           requests that are served at once, the others wait in order; None: all
    freeze            moments at which nothing is sent
    limits            429 beyond these rates
    prefix_cache      usage calls cached what an earlier request began with, in place of cached_ratio
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
    service: ServiceTime | None = None
    servers: Annotated[int, msgspec.Meta(ge=1)] | None = None
    freeze: Freeze | None = None
    limits: Limits | None = None
    prefix_cache: bool = False

    def __post_init__(self) -> None:
        if self.prefix_cache and self.cached_ratio:
            raise ValueError("both cached_ratio and prefix_cache: give one of them")


class Draws:
    """The random choices of a candidate's `n`-th request: `status`, `ttft_ns`, and a gap for each further token.

    `service_ns` is None unless the candidate draws its service times whole.
    """

    def __init__(self, candidate: Candidate, seed: int, n: int) -> None:
        seeded = f"{seed}/{candidate.seed}/{candidate.name}"
        self._itl, self._seeded, self._drawn = candidate.itl, seeded, 0
        digest = hashlib.sha256(f"{seeded}/{n}".encode()).digest()
        failing = candidate.error_rate and _uniform(digest) < candidate.error_rate
        self.status = (429, 500)[digest[8] & 1] if failing else 200
        at = int.from_bytes(digest[12:14], "big") % DURATIONS
        exact_ns = candidate.ttft.exact_ns
        self.ttft_ns = durations_ns(candidate.ttft, f"{seeded}/ttft")[at] if exact_ns is None else exact_ns
        self.service_ns = None if candidate.service is None else candidate.service.drawn_ns(_uniform(digest[20:28]))
        # Each request walks the table from its own place by its own odd step, so it meets no duration twice on the way round.
        self._from = int.from_bytes(digest[16:18], "big") % DURATIONS
        self._step = int.from_bytes(digest[18:20], "big") % DURATIONS | 1

    def gaps_ns(self, n: int) -> list[int]:
        """The next `n` gaps, one for each token."""
        exact_ns = self._itl.exact_ns
        if exact_ns is not None:
            return [exact_ns] * n
        table, begin, step = durations_ns(self._itl, f"{self._seeded}/itl"), self._from + self._drawn * self._step, self._step
        self._drawn += n
        return [table[place % DURATIONS] for place in range(begin, begin + n * step, step)]

    def gap_ns(self, tokens: int) -> int:
        """Time before an event of so many tokens."""
        return sum(self.gaps_ns(tokens))


@functools.lru_cache(maxsize=64)
def durations_ns(profile: Lognormal, seeded: str) -> Sequence[int]:
    """The `DURATIONS` quantiles of the distribution, each once, in an order that depends on the seed alone."""
    found = [round(profile.median_s * math.exp(profile.sigma * normal) * NS) for normal in _normals()]
    random.Random(seeded).shuffle(found)
    return found


@functools.cache
def _normals() -> Sequence[float]:
    inverse = statistics.NormalDist().inv_cdf
    return [inverse((number + 0.5) / DURATIONS) for number in range(DURATIONS)]


def is_right(candidate: Candidate, seed: int, example: str) -> bool:
    """Whether the candidate answers this example right: always the same, and true for a share `accuracy` of all examples."""
    return uniform(f"{seed}/{candidate.seed}/{candidate.name}/{example}") < candidate.accuracy


def uniform(text: str) -> float:
    """A number in [0, 1) that depends on the text alone: 53 bits of its SHA-256."""
    return _uniform(hashlib.sha256(text.encode()).digest())


def _uniform(digest: bytes) -> float:
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
