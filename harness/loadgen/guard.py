"""When a run has to stop before its plan is over: its budget is spent, its errors are too many, its time is up.

The rule: a guard stops as Ctrl-C does, so that what was measured is kept and reported; it looks once a second, so what is in
flight then may still add to the bill.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from harness.measure.recorder import Cell, CellTotals, Totals
from harness.rates import Rates
from harness.records import Finding
from harness.scenario import Budget

Cells = Sequence[tuple[Cell, CellTotals]]


def estimated_usd(totals: CellTotals, rates: Rates) -> Decimal:
    """Tokens that were counted, at the prices of the lowest tier; cache writes as input and reasoning as output."""
    cached = min(totals.cached_tokens, totals.input_tokens)
    cached_rate = rates.input if rates.cached_read is None else rates.cached_read
    tokens = (totals.input_tokens - cached) * rates.input + cached * cached_rate + totals.output_tokens * rates.output
    return rates.per_request * totals.attempts + tokens.scaleb(-6)


class Used(NamedTuple):
    """What earlier sessions of a run have used of its budget."""

    totals: Totals
    seconds: float


class Guard:
    """Of one run; `rates` are the endpoints' prices, `before` is what it has used already."""

    def __init__(self, budget: Budget, rates: Mapping[str, Rates | None], before: Used | None = None) -> None:
        self._budget, self._rates = budget, rates
        self._before = Used(Totals(), 0.0) if before is None else before

    def breach(self, totals: Totals, elapsed_s: float) -> Finding | None:
        """Why the run has to stop now; None while it may go on."""
        cells = [*self._before.totals, *totals]
        said = self._spent(cells) or self._failed(cells) or self._late(self._before.seconds + elapsed_s)
        if said is None:
            return None
        what, remedy = said
        why = "the guard stopped the run before its plan was over: these are partial results"
        return Finding(code="stopped_by_guard", what=what, why=why, remedy=remedy)

    def _spent(self, cells: Cells) -> tuple[str, str] | None:
        if self._budget.usd is None:
            return None
        priced = [(cell, rates) for name, cell in cells if (rates := self._rates.get(name.endpoint)) is not None]
        usd = sum((estimated_usd(cell, rates) for cell, rates in priced), Decimal(0))
        if usd < Decimal(self._budget.usd):
            return None
        return (
            f"{float(usd):.4g} USD were spent of a budget of {self._budget.usd}",
            "raise budget.usd, or measure fewer levels",
        )

    def _failed(self, cells: Cells) -> tuple[str, str] | None:
        """Of any endpoint, over all its levels: one that is down shall not be asked for an hour."""
        limit = self._budget.errors
        if limit is None:
            return None
        counts: dict[str, tuple[int, int]] = {}
        for name, cell in cells:
            attempts, errors = counts.get(name.endpoint, (0, 0))
            counts[name.endpoint] = attempts + cell.attempts, errors + cell.errors
        for endpoint, (attempts, errors) in counts.items():
            if attempts >= self._budget.errors_after and errors > limit * attempts:
                what = f"{errors} of {attempts} requests at {endpoint} failed, over the limit of {100 * limit:g} %"
                return what, "look at the failures by kind in the report; raise budget.errors where they are expected"
        return None

    def _late(self, elapsed_s: float) -> tuple[str, str] | None:
        minutes = self._budget.minutes
        if minutes is None or elapsed_s < 60 * minutes:
            return None
        return f"the time limit of {minutes:g} minutes is over", "raise budget.minutes, or measure fewer or shorter levels"
