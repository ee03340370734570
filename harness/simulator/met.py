"""What was asked and said lately, because a load test asks the same again and again. Bounded by what it takes in memory."""

from harness.simulator.answer import Answer, Ask
from harness.simulator.http1 import Request

LONGEST = 16 << 10  # bytes of a request that is kept: longer ones cost more to keep than to read again
MOST_BYTES = 96 << 20
TOKEN_BYTES = 64  # of a short string and its place in a list


class Met:
    """The oldest is forgotten first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._known: dict[tuple[str, bytes], tuple[Ask, Answer]] = {}

    def get(self, request: Request) -> tuple[Ask, Answer] | None:
        return self._known.get((request.path, request.body)) if len(request.body) <= LONGEST else None

    def keep(self, request: Request, ask: Ask, said: Answer) -> None:
        """One that `get` did not know."""
        if len(request.body) > LONGEST:
            return
        self._known[request.path, request.body] = ask, said
        self._bytes += _bytes(request.body, said)
        while self._bytes > self._most_bytes:
            oldest = next(iter(self._known))
            _, forgotten = self._known.pop(oldest)
            self._bytes -= _bytes(oldest[1], forgotten)


def _bytes(body: bytes, said: Answer) -> int:
    """About what it takes: the body and its text, and every token, of which those of one answer are about as long."""
    first = max(map(len, said.content[:1]), default=0)
    return 1024 + 2 * len(body) + (TOKEN_BYTES + first) * said.completion_tokens
