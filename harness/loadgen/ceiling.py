"""How many attempts a worker may begin before the master has heard of more: what makes the loss of a worker a number.

The rule: only what the master has noted counts. So a worker whose reports are lost on the way stops at its ceiling too, and
what it can have begun unheard is never more than it had said.
"""

SECONDS = 4.0  # of load at the most that was seen; a report is due each second
LEAST = 100


class Ceiling:
    """One per worker. `most` is how many attempts may have been begun; endless until the first report is noted."""

    def __init__(self) -> None:
        self.most = float("inf")
        self._busiest = float(LEAST)
        self._said: dict[int, int] = {}
        self._last: tuple[int, float] | None = None

    def expect(self, a_second: float) -> None:
        """So many will be begun a second, or at once, for all that is known."""
        self._busiest = max(self._busiest, a_second)

    def said(self, number: int, begun: int, now_s: float) -> int:
        """With this report: how many more may be begun than have been until now."""
        if self._last is not None:
            before, then_s = self._last
            self.expect((begun - before) / max(1.0, now_s - then_s))
        self._last = begun, now_s
        more = round(SECONDS * self._busiest)
        self._said[number] = begun + more
        return more

    def noted(self, number: int) -> None:
        """The master has this report, so those before it do not matter any more."""
        if number in self._said:
            self.most = self._said[number]
            self._said = {each: most for each, most in self._said.items() if each > number}
