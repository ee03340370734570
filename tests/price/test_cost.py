"""The price of one attempt against worked numbers, and what is unknown when a count is missing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.price.cost import cost
from harness.rates import Rates, Tier
from harness.records import Usage

GPT_4O = Rates(source="test", input=Decimal("2.5"), output=Decimal(10), cached_read=Decimal("1.25"))
FLAT = Rates(source="test", input=Decimal(3), output=Decimal(15))
TIERED = Rates(
    source="test",
    input=Decimal("1.25"),
    output=Decimal(10),
    tiers=(
        Tier(above_input_tokens=200_000, input=Decimal("2.5"), output=Decimal(15)),
        Tier(above_input_tokens=500_000, input=Decimal(5), output=Decimal(30)),
    ),
)
counts = st.none() | st.integers(min_value=0, max_value=10**7)


def test_worked_example_with_cached_input() -> None:
    """10,000 in of which 4,000 cached and 1,000 out at 2.5 / 1.25 / 10 USD is 0.015 + 0.005 + 0.010 = 0.030 USD."""
    bill = cost(Usage(input_tokens=10_000, cached_read_tokens=4_000, output_tokens=1_000), GPT_4O)
    assert (Decimal("0.015"), Decimal("0.005"), Decimal("0.010")) == (bill.input_usd, bill.cached_read_usd, bill.output_usd)
    assert Decimal("0.030") == bill.total_usd
    assert bill.complete


def test_cache_reads_and_writes_are_inside_the_input() -> None:
    """100 plain, 20 read and 10 written tokens come as input 130 and are billed once each."""
    rates = Rates(source="t", input=Decimal(3), output=Decimal(15), cached_read=Decimal("0.3"), cache_write=Decimal("3.75"))
    usage = Usage(input_tokens=130, cached_read_tokens=20, cache_write_tokens=10, output_tokens=0)
    bill = cost(usage, rates)
    assert (Decimal("0.000300"), Decimal("0.000006"), Decimal("0.0000375")) == (
        bill.input_usd,
        bill.cached_read_usd,
        bill.cache_write_usd,
    )


def test_reasoning_is_billed_as_output_unless_it_has_a_price() -> None:
    """1,000 output tokens of which 600 are reasoning: at one price 0.015 USD, with reasoning at 5 USD 0.006 + 0.003."""
    usage = Usage(input_tokens=0, output_tokens=1_000, reasoning_tokens=600)
    priced = Rates(source="t", input=Decimal(3), output=Decimal(15), reasoning=Decimal(5))
    assert (Decimal("0.015"), Decimal(0)) == (cost(usage, FLAT).output_usd, cost(usage, FLAT).reasoning_usd)
    assert (Decimal("0.006"), Decimal("0.003")) == (cost(usage, priced).output_usd, cost(usage, priced).reasoning_usd)


def test_cached_tokens_without_a_price_are_plain_input() -> None:
    """A contract without a cached price bills cached tokens as input, and does not ask for their count."""
    with_count = cost(Usage(input_tokens=1_000, cached_read_tokens=400, output_tokens=0), FLAT)
    assert Decimal("0.003") == with_count.input_usd == cost(Usage(input_tokens=1_000, output_tokens=0), FLAT).input_usd


def test_request_fee_is_added_to_every_attempt() -> None:
    """A fee per request is due even where the endpoint reported no usage, and alone it is not the whole cost."""
    rates = Rates(source="t", input=Decimal(1), output=Decimal(1), per_request=Decimal("0.012"))
    assert Decimal("0.012001") == cost(Usage(input_tokens=1, output_tokens=0), rates).total_usd
    assert Decimal("0.012") == cost(None, rates).request_usd
    assert cost(None, rates).total_usd is None


def test_no_usage_is_unknown_and_not_free() -> None:
    """Without usage every token item is None, the total is None, and the reason is given."""
    bill = cost(None, FLAT)
    assert [None] * 3 == [bill.input_usd, bill.output_usd, bill.total_usd]
    assert ("no usage reported",) == bill.doubts


@pytest.mark.parametrize(
    ("usage", "rates", "missing", "known"),
    [
        (Usage(output_tokens=10), FLAT, ("input_tokens missing",), "output_usd"),
        (Usage(input_tokens=10), FLAT, ("output_tokens missing",), "input_usd"),
        (Usage(input_tokens=10, output_tokens=5), GPT_4O, ("cached_read_tokens missing",), "output_usd"),
    ],
)
def test_a_missing_count_hides_only_what_depends_on_it(usage: Usage, rates: Rates, missing: tuple[str], known: str) -> None:
    """A count that a price needs and that was not reported makes its items and the total None; the others stay known."""
    bill = cost(usage, rates)
    assert missing == bill.doubts
    assert bill.total_usd is None
    assert getattr(bill, known) is not None


def test_unknown_cached_share_hides_the_input_item_too() -> None:
    """Where cached input has its own price and its count is missing, the rest of the input is unknown as well."""
    bill = cost(Usage(input_tokens=10, output_tokens=5), GPT_4O)
    assert (None, None) == (bill.input_usd, bill.cached_read_usd)


@pytest.mark.parametrize(
    ("usage", "doubt"),
    [
        (Usage(input_tokens=-5, output_tokens=1), "input_tokens -5 is negative"),
        (Usage(input_tokens=5, output_tokens=1, reasoning_tokens=-1), "reasoning_tokens -1 is negative"),
        (
            Usage(input_tokens=10, cached_read_tokens=8, cache_write_tokens=3, output_tokens=1),
            "cached_read_tokens + cache_write_tokens 11 exceed input_tokens 10",
        ),
        (Usage(input_tokens=1, output_tokens=2, reasoning_tokens=3), "reasoning_tokens 3 exceed output_tokens 2"),
    ],
)
def test_usage_that_contradicts_itself_prices_nothing(usage: Usage, doubt: str) -> None:
    """Counts that cannot be true are not billed at all, and the doubt quotes them."""
    bill = cost(usage, FLAT)
    assert (doubt,) == bill.doubts
    assert [None] * 3 == [bill.input_usd, bill.output_usd, bill.total_usd]


@pytest.mark.parametrize(
    ("input_tokens", "total_usd"),
    [(200_000, "0.26"), (200_001, "0.5150025"), (300_000, "0.765"), (500_001, "2.530005")],
)
def test_a_tier_prices_the_whole_call(input_tokens: int, total_usd: str) -> None:
    """A call with more input than a tier's bound pays that tier for all its tokens: 300,000 in, 1,000 out is 0.765 USD."""
    assert Decimal(total_usd) == cost(Usage(input_tokens=input_tokens, output_tokens=1_000), TIERED).total_usd


def test_without_input_count_no_tier_can_be_chosen() -> None:
    """Tiered output cannot be priced while the length of the input is unknown."""
    bill = cost(Usage(output_tokens=10), TIERED)
    assert bill.output_usd is None
    assert ("input_tokens missing, and the price tier follows from them",) == bill.doubts


@given(st.tuples(counts, counts, counts, counts, counts))
def test_total_is_the_sum_of_known_items_or_none(numbers: tuple[int | None, ...]) -> None:
    """For any counts: complete means that the items add up to the total and none is negative; incomplete means no total."""
    names = ("input_tokens", "cached_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    rates = Rates(
        source="t",
        input=Decimal(3),
        output=Decimal(15),
        cached_read=Decimal("0.3"),
        cache_write=Decimal("3.75"),
        reasoning=Decimal(7),
    )
    bill = cost(Usage(**dict(zip(names, numbers, strict=True))), rates)
    items = [bill.input_usd, bill.cached_read_usd, bill.cache_write_usd, bill.output_usd, bill.reasoning_usd]
    known = [item for item in items if item is not None]
    assert bill.complete == (len(known) == len(items))
    assert (sum(known, bill.request_usd) if bill.complete else None) == bill.total_usd
    assert all(item >= 0 for item in known)
