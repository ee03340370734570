"""Rate limits as providers keep them: token buckets for requests and tokens, and the headers that tell of them.

The rule: all is counted in whole numbers, so levels are exact. A request that is refused takes nothing from any bucket.
"""

import math

import msgspec

from harness.simulator.answer import RefusedError
from harness.simulator.profile import NS, Limits

MINUTE_NS = 60 * NS


class Levels(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the buckets hold right after a request was admitted or refused; None where there is no limit.

    refused_by  the limit that refused it; None for one that passed, or that failed for another reason
    """

    requests: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    refused_by: str | None = None


class Bucket:
    """Holds `per_minute` more with each nanosecond; one token is a minute's worth of them."""

    def __init__(self, per_minute: int, burst_s: float) -> None:
        self.per_minute = per_minute
        self._full = self._held = per_minute * round(burst_s * NS)
        self._at_ns = 0

    @property
    def tokens(self) -> float:
        """Below zero where it owes."""
        return self._held / MINUTE_NS

    @property
    def full_in_ns(self) -> int:
        return -((self._held - self._full) // self.per_minute)

    def fill(self, now_ns: int) -> None:
        """Up to now. A time before the last one changes nothing: stamps of two connections may be read in the wrong order."""
        if now_ns > self._at_ns:
            self._held = min(self._full, self._held + (now_ns - self._at_ns) * self.per_minute)
            self._at_ns = now_ns

    def take(self, tokens: int) -> None:
        self._held -= tokens * MINUTE_NS

    def wait_ns(self, tokens: int) -> float:
        """Until it has so many: 0 where it has, infinite where it never will."""
        wanted = tokens * MINUTE_NS
        return math.inf if wanted > self._full else max(0, -((self._held - wanted) // self.per_minute))


class Limiter:
    """One candidate's buckets. Times are monotonic ns."""

    def __init__(self, limits: Limits) -> None:
        rates = {
            "requests": limits.requests_per_minute,
            "input_tokens": limits.input_tokens_per_minute,
            "output_tokens": limits.output_tokens_per_minute,
        }
        self._buckets = {name: Bucket(rate, limits.burst_s) for name, rate in rates.items() if rate is not None}
        self._reserves = limits.output == "reserved"

    def admit(self, now_ns: int, input_tokens: int, output_tokens: int) -> None:
        """Takes what a request costs; `output_tokens` is what it would reserve. Raises `RefusedError` (429)."""
        self._fill(now_ns)
        costs = {"requests": 1, "input_tokens": input_tokens, "output_tokens": output_tokens if self._reserves else 0}
        # Subtle: what is counted afterwards costs nothing now, but who owes gets nothing before there is a token again.
        needs = costs if self._reserves else costs | {"output_tokens": 1}
        waits_ns = {name: bucket.wait_ns(needs[name]) for name, bucket in self._buckets.items()}
        name = max(waits_ns, key=waits_ns.__getitem__)
        if waits_ns[name]:
            raise self._refusal(name, needs[name], waits_ns[name])
        for each, bucket in self._buckets.items():
            bucket.take(costs[each])

    def count(self, now_ns: int, output_tokens: int) -> None:
        """What a reply has sent, when it has ended."""
        bucket = self._buckets.get("output_tokens")
        if bucket is not None and not self._reserves:
            bucket.fill(now_ns)
            bucket.take(output_tokens)

    def levels(self, now_ns: int, refused_by: str | None = None) -> Levels:
        self._fill(now_ns)
        held = {name: bucket.tokens for name, bucket in self._buckets.items()}
        return Levels(held.get("requests"), held.get("input_tokens"), held.get("output_tokens"), refused_by)

    def headers(self, now_ns: int) -> dict[str, str]:
        """OpenAI's names. Where input and output are limited, `tokens` tells of the bucket that holds fewer."""
        self._fill(now_ns)
        shown = {"requests": self._buckets.get("requests")}
        both = [bucket for name, bucket in self._buckets.items() if name != "requests"]
        shown["tokens"] = min(both, key=lambda bucket: bucket.tokens, default=None)
        found = {}
        for name, bucket in shown.items():
            if bucket is not None:
                found[f"x-ratelimit-limit-{name}"] = str(bucket.per_minute)
                found[f"x-ratelimit-remaining-{name}"] = str(max(0, math.floor(bucket.tokens)))
                found[f"x-ratelimit-reset-{name}"] = go_duration(bucket.full_in_ns)
        return found

    def _fill(self, now_ns: int) -> None:
        for bucket in self._buckets.values():
            bucket.fill(now_ns)

    def _refusal(self, name: str, requested: int, wait_ns: float) -> RefusedError:
        bucket, what = self._buckets[name], f"{name.replace('_', ' ')} per minute"
        state = f"{what}: limit {bucket.per_minute}, remaining {max(0, math.floor(bucket.tokens))}, requested {requested}"
        if wait_ns == math.inf:  # no retry-after: waiting does not help
            return RefusedError(429, f"Request too large for {state}.", "rate_limit_exceeded", limit=name)
        headers = {"retry-after": str(math.ceil(wait_ns / NS)), "retry-after-ms": str(math.ceil(wait_ns / 1_000_000))}
        again = f"Rate limit reached for {state}. Please try again in {go_duration(int(wait_ns))}."
        return RefusedError(429, again, "rate_limit_exceeded", headers, name)


def go_duration(duration_ns: int) -> str:
    """As Go prints it and OpenAI sends it, rounded up to whole ms: `12ms`, `1.5s`, `6m0s`."""
    ms = -(-duration_ns // 1_000_000)
    if ms < 1_000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest_ms / 1_000:g}s"
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + seconds
