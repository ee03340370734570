"""A declared quota as users meet it: they wait in line for their share, and what the answers cost settles it.

The rule: load is never retried. A refusal is an outcome; it also freezes the quota for as long as the endpoint asked.
"""

import time
from collections.abc import Callable

from gevent.hub import Waiter

from harness.loadgen.limiter import Limiter, Line
from harness.records import AttemptEnd, Call

NS = 1_000_000_000
REFUSED = 429
UNTOLD_S = 1.0  # of a refusal that does not say for how long
CHARS_PER_TOKEN = 4  # of a prompt that nobody has counted yet: the answer's usage puts it right


class Ration:
    """One per endpoint and worker. `tick` is to be called in every tick while somebody waits: `start` sees to that."""

    def __init__(
        self, limiter: Limiter, wake: Callable[[Waiter], None], start: Callable[[Callable[[int], bool]], None]
    ) -> None:
        self._limiter, self._wake, self._start = limiter, wake, start
        self._line: Line[Waiter] = Line(limiter)
        self._waiting: set[Waiter] = set()
        self._taken: dict[str, tuple[int, int]] = {}
        self._is_cut = False

    def wait(self, attempt: str, call: Call, most_tokens: int | None) -> bool:
        """Until the request may go; False where the load was cut meanwhile. `most_tokens` limits the answer."""
        size = sum(len(message.content) for message in call.messages) // CHARS_PER_TOKEN, call.max_tokens or most_tokens or 0
        now_ns = time.monotonic_ns()
        if self._waiting or self._limiter.take(now_ns, *size) > now_ns:
            waiter = Waiter()
            self._line.enter(waiter, *size)
            self._waiting.add(waiter)
            self._start(self.tick)
            went = False
            try:
                waiter.get()
                went = not self._is_cut
            finally:
                self._waiting.discard(waiter)
                if not went:
                    self._line.leave(waiter)
            if not went:
                return False
        self._taken[attempt] = size
        return True

    def tick(self, now_ns: int) -> bool:
        """Let go who may; True while others wait."""
        for waiter in self._line.go(now_ns):
            self._wake(waiter)
        return len(self._line) > 0

    def settle(self, end: AttemptEnd, now_ns: int) -> None:
        """What the attempt really cost, and a freeze where it was refused."""
        asked, said = self._taken.pop(end.id, (0, 0))
        usage = end.usage
        if usage is not None and usage.input_tokens is not None and usage.output_tokens is not None:
            self._limiter.settle(now_ns, usage.input_tokens - asked, usage.output_tokens - said)
        if end.http_status == REFUSED:
            told_s = None if end.quota is None else end.quota.wait_s
            self._limiter.freeze(now_ns + round((UNTOLD_S if told_s is None else told_s) * NS))

    def cut(self) -> None:
        """Whoever waits goes on, and is told that it must not send."""
        self._is_cut = bool(self._waiting)
        for waiter in list(self._waiting):
            self._wake(waiter)

    def share(self, limiter: Limiter) -> None:
        """Another part of the quota, because there are more or fewer workers: it begins empty. Nobody may be waiting."""
        self._limiter, self._line = limiter, Line(limiter)
        limiter.freeze(time.monotonic_ns())

    def resume(self) -> None:
        """A new block begins: requests may go again."""
        self._is_cut = False
