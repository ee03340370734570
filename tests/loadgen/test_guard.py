"""What stops a run before its plan is over."""

from decimal import Decimal

import msgspec
import pytest

from harness.loadgen.guard import Guard, Used
from harness.measure.recorder import Interval, Totals
from harness.rates import Rates
from harness.scenario import Budget

RATES = {"a": Rates(source="test", input=Decimal(1), output=Decimal(10), per_request=Decimal("0.001")), "b": None}


def totals(**kinds: dict[str, int]) -> Totals:
    """By endpoint; each ok attempt has 1,000 tokens in and 100 out."""
    made = Totals()
    intervals = [
        Interval(
            endpoint=name,
            level="1",
            phase="measure",
            kinds=counts,
            chunks=0,
            input_tokens=1_000 * counts.get("ok", 0),
            output_tokens=100 * counts.get("ok", 0),
            cached_tokens=0,
            uncounted=0,
            metrics={},
        )
        for name, counts in kinds.items()
    ]
    made.merge(msgspec.msgpack.encode(intervals))
    return made


def test_nothing_is_guarded_unless_it_is_said() -> None:
    """No limit, no stop, whatever happens."""
    assert Guard(Budget(), RATES).breach(totals(a={"conn_lost": 1_000}), 1e9) is None


@pytest.mark.parametrize(("budget", "ok", "stops"), [("0.031", 10, False), ("0.03", 10, True), ("0.02", 7, True)])
def test_a_budget_ends_when_it_is_spent(budget: str, ok: int, stops: bool) -> None:
    """A request costs 0.001 + 1,000 tokens at 1 and 100 at 10 USD per million: 0.003 USD."""
    found = Guard(Budget(usd=budget), RATES).breach(totals(a={"ok": ok}, b={"ok": 999}), 0.0)
    assert stops == (found is not None)
    assert found is None or f"{0.003 * ok:.4g} USD were spent of a budget of {budget}" == found.what


def test_an_endpoint_that_fails_stops_the_run() -> None:
    """Once there are enough requests to say so, by its own share: a healthy one does not hide it."""
    guard = Guard(Budget(errors=0.2, errors_after=50), RATES)
    assert guard.breach(totals(a={"http_5xx": 49}), 0.0) is None
    assert guard.breach(totals(a={"http_5xx": 10, "ok": 40}), 0.0) is None
    found = guard.breach(totals(a={"http_5xx": 11, "ok": 40}, b={"ok": 10_000}), 0.0)
    assert found is not None
    assert "11 of 51 requests at a failed, over the limit of 20 %" == found.what


def test_time_is_up() -> None:
    """Minutes since the run began."""
    guard = Guard(Budget(minutes=2), RATES)
    assert guard.breach(Totals(), 119.9) is None
    found = guard.breach(Totals(), 120.0)
    assert found is not None
    assert "the time limit of 2 minutes is over" == found.what


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        (Budget(usd="0.03"), "0.03 USD were spent of a budget of 0.03"),
        (Budget(errors=0.2, errors_after=50), "11 of 51 requests at a failed, over the limit of 20 %"),
        (Budget(minutes=1.0), "the time limit of 1 minutes is over"),
    ],
)
def test_what_earlier_sessions_used_counts(budget: Budget, what: str) -> None:
    """Half before and half now is the whole."""
    ok, failed = (4, 6) if budget.usd else (40, 0), (0, 0) if budget.usd else (5, 6)
    before = Used(totals(a={"ok": ok[0], "http_5xx": failed[0]}), 31.0)
    now = totals(a={"ok": ok[1], "http_5xx": failed[1]})
    assert Guard(budget, RATES).breach(now, 30.0) is None
    found = Guard(budget, RATES, before).breach(now, 30.0)
    assert found is not None
    assert what == found.what
