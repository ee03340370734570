"""A whole service time laid out over an answer, in place of a time to first token and gaps that are drawn.

The rule: the last token comes exactly at the end of the service time, however many there are.
"""

import itertools


class Spread:
    """One service time laid out over an answer: `gaps` tokens come after the first event. To a plan it is like `Draws`."""

    def __init__(self, service_ns: int, first_ratio: float, gaps: int) -> None:
        self.ttft_ns = round(service_ns * first_ratio) if gaps else service_ns
        self._rest_ns, self._gaps, self._drawn = service_ns - self.ttft_ns, max(1, gaps), 0

    def gaps_ns(self, n: int) -> list[int]:
        """The next `n` gaps, one for each token: equal to the nanosecond, and together exactly the rest."""
        ends = range(self._drawn, self._drawn + n + 1)
        self._drawn += n
        marks = [self._rest_ns * end // self._gaps for end in ends]
        return [after - before for before, after in itertools.pairwise(marks)]

    def gap_ns(self, tokens: int) -> int:
        """Time before an event of so many tokens."""
        return sum(self.gaps_ns(tokens))
