"""Public list prices: worked numbers with the price book that is installed, and what it would answer in silence."""

import contextlib
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as BookUsage
from genai_prices.data_snapshot import get_snapshot

from harness.errors import HarnessError
from harness.price.catalog import lookup
from harness.price.cost import cost
from harness.records import Usage

DAY = date(2026, 11, 1)


def test_gpt_4o_worked_example() -> None:
    """10,000 in of which 4,000 cached and 1,000 out cost 0.030 USD."""
    usage = Usage(input_tokens=10_000, cached_read_tokens=4_000, output_tokens=1_000)
    assert Decimal("0.030") == cost(usage, lookup("openai/gpt-4o", DAY)).total_usd


@pytest.mark.parametrize(("day", "input_usd", "output_usd"), [("2025-06-09", 10, 40), ("2025-06-10", 2, 8)])
def test_history_is_by_day(day: str, input_usd: int, output_usd: int) -> None:
    """The price of o3 fell from 10 / 40 to 2 / 8 USD on 10 June 2025."""
    rates = lookup("openai/o3", date.fromisoformat(day))
    assert (Decimal(input_usd), Decimal(output_usd), day) == (rates.input, rates.output, rates.dated)


@pytest.mark.parametrize(("input_tokens", "total_usd"), [(300_000, "0.765"), (200_000, "0.260"), (200_001, "0.5150025")])
def test_long_inputs_pay_their_tier(input_tokens: int, total_usd: str) -> None:
    """Gemini 2.5 Pro with 300,000 in and 1,000 out costs 0.765 USD; 200,000 in is still the lower tier."""
    usage = Usage(input_tokens=input_tokens, cached_read_tokens=0, output_tokens=1_000)
    assert Decimal(total_usd) == cost(usage, lookup("google/gemini-2.5-pro", DAY)).total_usd


def _comparable() -> list[tuple[str, Any]]:
    """Every model of the book that is priced per token and not by the hour of the day."""
    entries = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            with contextlib.suppress(HarnessError):
                lookup(f"{provider.id}/{model.id}", DAY)
                entries.append((f"{provider.id}/{model.id}", model))
    return entries


def test_every_priced_model_agrees_with_the_book() -> None:
    """For every model that can be looked up, our cost of one usage, short and long, is the book's own to the last digit."""
    entries = _comparable()
    assert len(entries) > 1_500
    for ref, model in entries:
        for input_tokens in (150_000, 600_000):
            counts = {"input_tokens": input_tokens, "output_tokens": 2_000}
            usage = Usage(**counts, cached_read_tokens=30_000, cache_write_tokens=7_000, reasoning_tokens=500)
            theirs = BookUsage(**counts, cache_read_tokens=30_000, cache_write_tokens=7_000, output_reasoning_tokens=500)
            moment = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
            expected = model.get_prices(moment).calc_price(theirs)["total_price"]
            assert expected == cost(usage, lookup(ref, DAY)).total_usd, ref


def test_rates_say_where_they_come_from_and_what_they_leave_out() -> None:
    """The source names the book's version, the entry that was matched, and the prices that are not of our token classes."""
    source = lookup("openai/gpt-4o-2024-11-20", DAY).source
    assert source.startswith("genai-prices ")
    assert source.endswith("standard price of openai/gpt-4o, not counted: storage_searches_kcount, web_searches_kcount")


def test_a_request_fee_is_per_request() -> None:
    """The book prices 1,000 requests; rates price one."""
    assert Decimal("0.012") == lookup("perplexity/sonar", DAY).per_request


@pytest.mark.parametrize(
    ("ref", "what", "remedy"),
    [
        ("openai/gpt-4oo", "'openai' has no model 'gpt-4oo' in the price book", "gpt-4o"),
        ("opnai/gpt-4o", "'opnai/gpt-4o' names no provider of the price book and a model of it", "did you mean 'openai'"),
        ("gpt-4o", "'gpt-4o' names no provider of the price book and a model of it", "provider/model"),
        ("openai/", "'openai/' names no provider of the price book and a model of it", "provider/model"),
        ("deepseek/deepseek-chat", "the price of 'deepseek/deepseek-chat' changes with the hour of the day", "contract"),
        ("openai/whisper-1", "'openai/whisper-1' has no price per input and output token", "contract"),
    ],
)
def test_what_the_book_cannot_say_is_an_error(ref: str, what: str, remedy: str) -> None:
    """An unknown name suggests the nearest, and no price is invented for a model that is not priced per token."""
    with pytest.raises(HarnessError) as refused:
        lookup(ref, DAY, "place")
    assert what == refused.value.what
    assert remedy in str(refused.value.remedy)
    assert "place" == refused.value.where


def test_importing_the_stage_loads_no_price_book() -> None:
    """Only a look-up pays for the price book and its HTTP client."""
    code = "import sys, harness.price.contract, harness.price.cost; print({'genai_prices', 'httpx2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()
