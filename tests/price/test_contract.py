"""Prices as the user states them: what becomes rates, and what is refused with the value quoted."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.price import catalog
from harness.price.contract import rates
from harness.rates import Rates
from harness.scenario import Price

WHERE = "scenario.yaml:7 endpoints.alpha.price"


def test_numbers_become_decimal_rates() -> None:
    """Text, integers and floats are read exactly; classes that are not stated stay None."""
    expected = Rates(
        source="offer 17", input=Decimal("2.5"), output=Decimal(10), cached_read=Decimal("0.1"), dated="2026-11-01"
    )
    price = {"input": "2.5", "output": 10, "cached_read": 0.1, "reasoning": None, "source": "offer 17", "dated": "2026-11-01"}
    assert expected == rates(price, WHERE)


def test_the_place_is_the_source_of_a_contract_that_names_none() -> None:
    """A report can always say where a price came from."""
    assert WHERE == rates({"input": 1, "output": 2}, WHERE).source


def test_the_scenario_section_is_accepted_as_it_is() -> None:
    """What the scenario model dumps, with its None fields and its default fee, is a price."""
    section = Price(input="0.5", output="1.5").model_dump()
    assert (Decimal("0.5"), Decimal(0)) == (rates(section, WHERE).input, rates(section, WHERE).per_request)


@pytest.mark.parametrize(
    ("price", "complaint"),
    [
        ({"output": 1}, "the price has no input"),
        ({"input": 1}, "the price has no output"),
        ({}, "the price has no input and no output"),
        ({"input": -1, "output": 1}, "-1 is no price"),
        ({"input": "two", "output": 1}, "'two' is no price"),
        ({"input": "NaN", "output": 1}, "'NaN' is no price"),
        ({"input": "Infinity", "output": 1}, "'Infinity' is no price"),
        ({"input": True, "output": 1}, "True is no price"),
        ({"input": [1], "output": 1}, "[1] is no price"),
        ({"input": "1e999999999", "output": 1}, "'1e999999999' is no price"),
        ({"input": 1, "output": 1, "dated": "yesterday"}, "'yesterday' is no day"),
        ({"input": 1, "output": 1, "cache_reed": 1}, "'cache_reed' is no part of a price"),
        ({"catalog": "openai/gpt-4o", "input": 1}, "catalog 'openai/gpt-4o' stands beside input"),
        ({"catalog": "openai/gpt-4o", "per_request": "0.1"}, "catalog 'openai/gpt-4o' stands beside per_request"),
        ({"catalog": "openai/gpt-4o", "source": "offer"}, "catalog 'openai/gpt-4o' stands beside source"),
        ({"catalog": "openai/gpt-4o"}, "catalog 'openai/gpt-4o' has no date"),
    ],
)
def test_what_is_no_price_is_refused(price: dict[str, Any], complaint: str) -> None:
    """The message quotes the value, names the place and says what to write instead."""
    with pytest.raises(HarnessError) as refused:
        rates(price, WHERE)
    assert complaint == refused.value.what
    assert str(refused.value.where).startswith(WHERE)
    assert refused.value.remedy


def test_the_nearest_key_is_suggested() -> None:
    """A misspelt class is not ignored."""
    with pytest.raises(HarnessError, match="did you mean 'cached_read'"):
        rates({"input": 1, "output": 1, "cached_reed": 1}, WHERE)


@pytest.mark.parametrize(("stated", "at"), [("2025-06-09", date(2026, 11, 1)), (None, date(2025, 6, 9))])
def test_a_catalog_price_is_of_the_stated_day_else_of_the_callers(stated: str | None, at: date) -> None:
    """`dated` in the section wins over the day that the caller hands in; the fee's default of 0 is no contradiction."""
    price = {"catalog": "openai/o3", "dated": stated, "per_request": "0"}
    assert catalog.lookup("openai/o3", date(2025, 6, 9)) == rates(price, WHERE, at)
