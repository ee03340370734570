"""Prices as numbers, frozen into the manifest: what `price` makes of a contract or a catalog, and all that load needs."""

from decimal import Decimal

import msgspec


class Tier(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices of a call whose whole input is longer than so many tokens: they replace those of `Rates` for all its tokens."""

    above_input_tokens: int
    input: Decimal
    output: Decimal
    cached_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None


class Rates(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices frozen into the manifest: US dollars per 1,000,000 tokens of each class, and per request.

    A class that is None has no price: usage in it is an error, except `reasoning` (None: billed as output) and
    `cached_read` / `cache_write` (None: billed as input). `tiers` are sorted, the shortest input first.
    """

    source: str
    input: Decimal
    output: Decimal
    cached_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    per_request: Decimal = Decimal(0)
    dated: str | None = None
    tiers: tuple[Tier, ...] = ()
