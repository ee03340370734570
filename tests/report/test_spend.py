"""Money of a cell: exact sums, honest gaps."""

from decimal import Decimal

import handmade
import pytest
from fabricated import rates

from harness.records import Usage
from harness.report import join
from harness.report.figures import Spend, Tokens
from harness.report.spend import ratio, spend, tokens

DOLLAR = rates("10000", "0")  # 100 input tokens cost one dollar


def spent(*attempts: object, price: object = DOLLAR, **options: object) -> Spend:
    made = handmade.run(attempts, rates=price, **options)  # type: ignore[arg-type]
    frame = join.frame(made, made.manifest.rates, graded=made.manifest.scenario.get("grading") is not None)
    return spend(frame, seed=1, priced_endpoint=price is not None)


def test_failures_are_paid_by_the_successes() -> None:
    """Three answers at a dollar of which two are right, and one rejected for nothing: 3 in all, 0.75 a task, 1.50 a success."""
    attempts = [handmade.ok(1), handmade.ok(2), handmade.ok(3), handmade.failed(4, "http_rate_limited")]
    made = spent(*attempts, passed={1: True, 2: True, 3: False})
    assert (Decimal(3), Decimal("0.75"), Decimal("1.5"), 0) == (made.total, made.per_attempt, made.per_success, made.unpriced)


def test_cost_per_success_times_successes_is_the_total() -> None:
    """The identity holds to twelve digits, also where the ratio does not end."""
    attempts = [handmade.ok(number) for number in range(7)]
    made = spent(*attempts, passed=dict.fromkeys(range(7), False) | {0: True, 1: True, 2: True})
    assert made.per_success is not None
    assert pytest.approx(Decimal(7), rel=Decimal("1e-11")) == made.per_success * 3


def test_what_nobody_could_price_is_counted_and_bounded() -> None:
    """One attempt of three without usage: the total is a lower bound, and at most it cost what the dearest one did."""
    dearer = handmade.ok(2, usage=Usage(input_tokens=300, output_tokens=5))
    made = spent(handmade.ok(1), dearer, handmade.ok(3, tokens=None))
    assert (2, 1, Decimal(4), Decimal(7)) == (made.priced, made.unpriced, made.total, made.total_at_most)


def test_zero_successes_have_no_cost_per_success() -> None:
    """Not infinite and not zero: missing, with the reason. The spend itself is known."""
    made = spent(handmade.ok(1), passed={1: False})
    assert (Decimal(1), None, "no success to divide by") == (made.total, made.per_success, made.reason["per_success"])


def test_without_a_price_there_is_no_money() -> None:
    """No total, and not a total of zero."""
    made = spent(handmade.ok(1), price=None)
    assert (None, 1, "no price is given for this endpoint") == (made.total, made.unpriced, made.reason["total"])


def test_ungraded_answers_leave_cost_per_success_open() -> None:
    """The total stands; the ratio waits for the grades."""
    made = spent(handmade.ok(1), handmade.ok(2), passed={1: True})
    assert (Decimal(2), None) == (made.total, made.per_success)


def test_the_interval_holds_what_the_unpriced_leave_open() -> None:
    """Twenty sure dollars: without doubt the interval is a point, with one unpriced attempt it reaches up, not down."""
    attempts = [handmade.ok(number) for number in range(20)]
    sure = spent(*attempts).interval
    open_ended = spent(*attempts, handmade.failed(99, "stream_truncated")).interval
    assert (Decimal(1), Decimal(1)) == sure
    assert open_ended is not None
    assert open_ended[0] <= Decimal(1) < open_ended[1]


def test_a_ratio_has_twelve_digits() -> None:
    """A third of a cent, rounded where the thirteenth digit would be."""
    assert "0.00333333333333" == f"{ratio(Decimal('0.01'), 3):f}"


def test_token_sums_name_their_source() -> None:
    """Two servers' counts, one attempt that streamed and told nothing, and no reasoning reported at all."""
    made = handmade.run([handmade.ok(1), handmade.ok(2), handmade.ok(3, tokens=None)])
    assert Tokens(
        input=200, output=10, cached_read=None, reasoning=None, cached_ratio=None, cached_n=0, source={"server": 2}, missing=1
    ) == tokens(join.frame(made, {}, graded=False))


def test_the_cached_share_is_of_those_that_told_it() -> None:
    """30 of 100 and 0 of 100 tokens; a third attempt told its input and nothing of a cache."""
    told = [handmade.ok(n, usage=Usage(input_tokens=100, cached_read_tokens=30 * n)) for n in range(2)]
    made = tokens(join.frame(handmade.run([*told, handmade.ok(3)]), {}, graded=False))
    assert (0.15, 2, 30) == (made.cached_ratio, made.cached_n, made.cached_read)
