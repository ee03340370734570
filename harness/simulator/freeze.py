"""Freezes: known moments at which a candidate sends nothing, as a provider that collects garbage or fails over does.

The rule: what is due inside a freeze is due at its end; nothing else moves. Requests are accepted, read and served meanwhile.
"""

from collections.abc import Iterator

from harness.simulator.plan import Piece
from harness.simulator.profile import NS, Freeze


class Freezes:
    """One candidate's freezes in monotonic ns: each is [from, until). There are none before its first request."""

    def __init__(self, freeze: Freeze) -> None:
        self._every_ns, self._for_ns = round(freeze.every_s * NS), round(freeze.for_s * NS)
        self._first_ns = round((freeze.every_s / 2 if freeze.first_s is None else freeze.first_s) * NS)
        self._from_ns: int | None = None  # the first freeze

    def begin(self, received_ns: int) -> None:
        """The first request has come; later calls change nothing."""
        if self._from_ns is None:
            self._from_ns = received_ns + self._first_ns

    def after(self, due_ns: int) -> int:
        """When something that is due then can be sent: then, or at the end of the freeze that it falls into."""
        if self._from_ns is None or due_ns < self._from_ns:
            return due_ns
        into_ns = (due_ns - self._from_ns) % self._every_ns
        return due_ns - into_ns + self._for_ns if into_ns < self._for_ns else due_ns

    def between(self, from_ns: int, until_ns: int) -> tuple[tuple[int, int], ...]:
        """(from, until) of every freeze that has a moment in common with [from_ns, until_ns], in order."""
        if self._from_ns is None:
            return ()
        first = max(0, -((self._from_ns + self._for_ns - from_ns - 1) // self._every_ns))
        begins = range(self._from_ns + first * self._every_ns, until_ns + 1, self._every_ns)
        return tuple((begin_ns, begin_ns + self._for_ns) for begin_ns in begins)

    def held(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The same pieces, each when it can be sent."""
        for piece in pieces:
            yield piece._replace(due_ns=self.after(piece.due_ns))
