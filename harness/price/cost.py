"""The price of one attempt, as line items of its token classes (reference evaluation, 6.2).

The rule: an unknown cost is None and is never 0. A needed count that is missing makes the items that depend on it None, usage
that contradicts itself makes all of them None, and `doubts` says why.
"""

from dataclasses import dataclass
from decimal import Decimal

from harness.rates import Rates, Tier
from harness.records import Usage

_COUNTS = {  # count in Usage -> its price in Rates and Tier
    "input_tokens": "input",
    "cached_read_tokens": "cached_read",
    "cache_write_tokens": "cache_write",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
}
_INSIDE = {"input_tokens": ("cached_read_tokens", "cache_write_tokens"), "output_tokens": ("reasoning_tokens",)}


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars per token class. A class without a price of its own has an item of 0: its tokens are in the item of its whole.

    input_usd   input that was neither read from nor written to a cache at a price of its own
    output_usd  output, with the reasoning unless that has a price of its own
    """

    input_usd: Decimal | None
    cached_read_usd: Decimal | None
    cache_write_usd: Decimal | None
    output_usd: Decimal | None
    reasoning_usd: Decimal | None
    request_usd: Decimal
    doubts: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when every line item is known."""
        return not self.doubts

    @property
    def total_usd(self) -> Decimal | None:
        """The sum of the line items; None while one of them is unknown."""
        tokens = (self.input_usd, self.cached_read_usd, self.cache_write_usd, self.output_usd, self.reasoning_usd)
        known = [item for item in tokens if item is not None]
        return sum(known, self.request_usd) if len(known) == len(tokens) else None


def cost(usage: Usage | None, rates: Rates) -> Cost:
    """What one attempt that reached the endpoint costs; `usage` is None where the endpoint reported none."""
    contradictions = _contradictions(usage, rates)
    counts = usage if usage is not None and not contradictions else Usage()
    prices = _prices(counts.input_tokens, rates)
    cached_read = _own(counts.cached_read_tokens, prices.cached_read)
    cache_write = _own(counts.cache_write_tokens, prices.cache_write)
    reasoning = _own(counts.reasoning_tokens, prices.reasoning)
    return Cost(
        input_usd=_usd(_rest(counts.input_tokens, cached_read, cache_write), prices.input),
        cached_read_usd=_usd(cached_read, prices.cached_read),
        cache_write_usd=_usd(cache_write, prices.cache_write),
        output_usd=_usd(_rest(counts.output_tokens, reasoning), prices.output),
        reasoning_usd=_usd(reasoning, prices.reasoning),
        request_usd=rates.per_request,
        doubts=contradictions or _missing(counts, prices),
    )


def _contradictions(usage: Usage | None, rates: Rates) -> tuple[str, ...]:
    """Why nothing of this usage can be priced; empty when it can."""
    if usage is None:
        return ("no usage reported",)
    if rates.tiers and usage.input_tokens is None:
        return ("input_tokens missing, and the price tier follows from them",)
    counts = {name: tokens for name in _COUNTS if (tokens := getattr(usage, name)) is not None}
    doubts = [f"{name} {tokens} is negative" for name, tokens in counts.items() if tokens < 0]
    for whole, parts in _INSIDE.items():
        inside = sum(counts.get(part, 0) for part in parts)
        if whole in counts and inside > counts[whole] >= 0:
            doubts.append(f"{' + '.join(parts)} {inside} exceed {whole} {counts[whole]}")
    return tuple(doubts)


def _prices(input_tokens: int | None, rates: Rates) -> Rates | Tier:
    """The prices for a whole input of this length: those of the highest tier that it exceeds."""
    exceeded = [tier for tier in rates.tiers if input_tokens is not None and input_tokens > tier.above_input_tokens]
    return exceeded[-1] if exceeded else rates


def _missing(counts: Usage, prices: Rates | Tier) -> tuple[str, ...]:
    """The counts that a price asks for and that the endpoint did not report."""
    return tuple(
        f"{name} missing"
        for name, price in _COUNTS.items()
        if getattr(prices, price) is not None and getattr(counts, name) is None
    )


def _own(tokens: int | None, price: Decimal | None) -> int | None:
    """Tokens that are billed at a price of their own: none without such a price, None where the count is needed and missing."""
    return 0 if price is None else tokens


def _rest(whole: int | None, *own: int | None) -> int | None:
    """The whole's tokens that no part of it is billed for."""
    known = [tokens for tokens in own if tokens is not None]
    return None if whole is None or len(known) < len(own) else whole - sum(known)


def _usd(tokens: int | None, price: Decimal | None) -> Decimal | None:
    """Tokens at a price per 1,000,000."""
    if tokens is None:
        return None
    return Decimal(0) if price is None else (price * tokens).scaleb(-6)
