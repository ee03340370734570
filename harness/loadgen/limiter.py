"""Rate limits kept on our side: when a request may go, so that an endpoint's declared quota is used up and not broken.

The rule: time is an argument and all sums are whole numbers, so that the shares of all workers add up to the quota exactly.

A quota is a token bucket. It fills at its rate, holds what comes in `burst_s`, and is full at the beginning. A request that is
larger than a full bucket goes when it is full and leaves a debt, so in any time there goes at most

    quota x time + the larger of (quota x burst_s, the last request)

in tokens as they were estimated, less what answers gave back in that time: endpoints that reserve at admission and correct at
the end count so too. A worker that has fewer users, or answers that take longer, does not lend its share to another.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from harness.scenario import Limits

NS = 1_000_000_000
MINUTE_NS = 60 * NS

T = TypeVar("T")


class _Bucket:
    """Its level rises by `per_minute` in each ns, so a worker that has 1/n of the quota pays n minutes in ns for each unit."""

    def __init__(self, per_minute: int, burst_s: float, workers: int) -> None:
        self._per_minute, self._price = per_minute, MINUTE_NS * workers
        self._most = self._level = per_minute * round(burst_s * NS)

    def fill(self, passed_ns: int) -> None:
        self._level = min(self._most, self._level + self._per_minute * passed_ns)

    def lacking_ns(self, amount: int) -> int:
        """How long until there is so much, or until it is full."""
        lacking = min(self._price * amount, self._most) - self._level
        return max(0, -(-lacking // self._per_minute))

    def spend(self, amount: int) -> None:
        self._level -= self._price * amount

    def refund(self, amount: int, *, is_frozen: bool) -> None:
        """Of what was spent in vain; a frozen bucket shall be empty when it thaws, so this only pays its debt."""
        most = max(self._level, 0) if is_frozen else self._most
        self._level = min(most, self._level + self._price * amount)

    def empty(self, left: int) -> None:
        """To this worker's share of what is left of the whole quota; a debt stays."""
        self._level = min(self._level, self._most, MINUTE_NS * left)


class Limiter:
    """One per endpoint and worker; each of `workers` has an equal share. No limit that is not declared holds.

    Tokens are those that the endpoint will count, estimated before they are known. Where nothing is known say 0 and `settle`
    them after the answer: they are then a debt that later requests wait for.
    """

    def __init__(self, limits: Limits, now_ns: int, workers: int = 1) -> None:
        self._buckets = tuple(
            None if each is None else _Bucket(each, limits.burst_s, workers)
            for each in (
                limits.requests_per_minute,
                limits.tokens_per_minute,
                limits.input_tokens_per_minute,
                limits.output_tokens_per_minute,
            )
        )
        self._filled_ns = self._frozen_ns = now_ns

    def earliest(self, now_ns: int, input_tokens: int, output_tokens: int) -> int:
        """When a request of this size may go if nothing else does until then: now_ns, or later."""
        self._fill(now_ns)
        waits_ns = [bucket.lacking_ns(amount) for bucket, amount in self._each(1, input_tokens, output_tokens)]
        return self._filled_ns + max(waits_ns, default=0)

    def take(self, now_ns: int, input_tokens: int, output_tokens: int) -> int:
        """Let a request of this size go. Returns now_ns where it may, else when to ask again, and nothing is taken."""
        at_ns = self.earliest(now_ns, input_tokens, output_tokens)
        if at_ns <= now_ns:
            for bucket, amount in self._each(1, input_tokens, output_tokens):
                bucket.spend(amount)
        return at_ns

    def settle(self, now_ns: int, more_input_tokens: int, more_output_tokens: int) -> None:
        """After an answer: by how many tokens it was more than taken for; negative where it was less."""
        self._fill(now_ns)
        for bucket, more in self._each(0, more_input_tokens, more_output_tokens):
            bucket.refund(-more, is_frozen=now_ns < self._frozen_ns)

    def freeze(self, until_ns: int, requests: int = 0, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """After a refusal: nothing goes until then, and there is at most so much of the whole quota then; nothing unless told.

        The latest of several holds.
        """
        self._fill(until_ns)
        self._frozen_ns = max(self._frozen_ns, until_ns)
        for bucket, left in self._each(requests, input_tokens, output_tokens):
            bucket.empty(left)

    def _fill(self, now_ns: int) -> None:
        """Subtle: while frozen `_filled_ns` is ahead of the time, and nothing comes in before it."""
        passed_ns = now_ns - self._filled_ns
        if passed_ns > 0:
            self._filled_ns = now_ns
            for bucket in self._buckets:
                if bucket is not None:
                    bucket.fill(passed_ns)

    def _each(self, requests: int, input_tokens: int, output_tokens: int) -> Iterator[tuple[_Bucket, int]]:
        amounts = requests, input_tokens + output_tokens, input_tokens, output_tokens
        return ((bucket, amount) for bucket, amount in zip(self._buckets, amounts, strict=True) if bucket is not None)


class Line(Generic[T]):
    """Who waits for a limiter, in the order in which they came: a large request is not overtaken by small ones."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._waiting: deque[tuple[T, int, int]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, who: T, input_tokens: int, output_tokens: int) -> None:
        self._waiting.append((who, input_tokens, output_tokens))

    def leave(self, who: T) -> None:
        """Without having gone; who does not wait may leave too."""
        self._waiting = deque(each for each in self._waiting if each[0] != who)

    def go(self, now_ns: int) -> Iterator[T]:
        """All who may go now; what they need is taken. Call it at each tick, or from `next_ns` on, and iterate to the end."""
        while self._waiting:
            who, input_tokens, output_tokens = self._waiting[0]
            if self._limiter.take(now_ns, input_tokens, output_tokens) > now_ns:
                return
            self._waiting.popleft()
            yield who

    def next_ns(self, now_ns: int) -> int | None:
        """When the first may go, as it looks now; None where nobody waits. Settling and freezing change it."""
        if not self._waiting:
            return None
        _, input_tokens, output_tokens = self._waiting[0]
        return self._limiter.earliest(now_ns, input_tokens, output_tokens)
