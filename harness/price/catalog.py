"""Public list prices, from the price book that genai-prices carries (no network).

The rule: the standard price of text tokens on one day, or an error. The book falls back in silence (a misspelt service tier has
the standard price, a likeness of a provider's name will do), so each price is taken from it by name.
"""

import difflib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from harness.errors import HarnessError, nearest
from harness.rates import Rates, Tier

_CLASSES = {  # ours -> theirs
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",  # for five minutes; the one-hour price is not ours to choose
    "reasoning": "output_reasoning_mtok",
}
_REQUESTS = "requests_kcount"
_COUNTED = {*_CLASSES.values(), _REQUESTS}
_REMEDY = "write the `input` and `output` prices of your contract instead of `catalog`"


def lookup(ref: str, at: date, where: str | None = None) -> Rates:
    """The list price of `provider/model` on that day (UTC).

    Batch, flex and priority prices are not looked up. What else the book prices (searches, audio) is named in `source`.
    Raises HarnessError for an unknown name, a model without a price per token, and a price that changes with the hour.
    """
    import genai_prices  # noqa: PLC0415  (0.2 s and httpx2, which nothing but pricing may load)
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    provider, model = _entry(get_snapshot(), ref, where)
    if isinstance(model.prices, list) and any(hasattr(price.constraint, "start_time") for price in model.prices):
        raise HarnessError(f"the price of {ref!r} changes with the hour of the day", where=where, remedy=_REMEDY)
    listed = vars(model.get_prices(datetime(at.year, at.month, at.day, tzinfo=UTC)))
    missing = [name for name in ("input", "output") if listed.get(_CLASSES[name]) is None]
    if missing:
        raise HarnessError(f"{ref!r} has no price per {' and '.join(missing)} token", where=where, remedy=_REMEDY)

    fee_usd = listed.get(_REQUESTS)
    uncounted = sorted(key for key, price in listed.items() if price is not None and key not in _COUNTED)
    note = f", not counted: {', '.join(uncounted)}" if uncounted else ""
    return Rates(
        source=f"genai-prices {genai_prices.__version__}, standard price of {provider.id}/{model.id}{note}",
        dated=at.isoformat(),
        per_request=Decimal(0) if fee_usd is None else fee_usd / 1000,
        tiers=tuple(Tier(above_input_tokens=start, **_prices(listed, start)) for start in _starts(listed)),
        **_prices(listed, -1),
    )


def _entry(book: Any, ref: str, where: str | None) -> tuple[Any, Any]:
    """The book's provider and model. The provider is taken by its exact id: the book itself would settle for a likeness."""
    provider_id, _, name = ref.partition("/")
    providers = {provider.id: provider for provider in book.providers}
    if provider_id not in providers or not name:
        remedy = f"write provider/model; {nearest(provider_id, providers)}"
        raise HarnessError(f"{ref!r} names no provider of the price book and a model of it", where=where, remedy=remedy)
    try:
        found: tuple[Any, Any] = book.find_provider_model(name, providers[provider_id], None, None)
    except LookupError as unknown:
        known = [model.id for model in providers[provider_id].models]
        alike = ", ".join(difflib.get_close_matches(name, known, n=5, cutoff=0.4))
        remedy = f"nearest of its {len(known)}: {alike or '(none)'}; or {_REMEDY}"
        raise HarnessError(f"{provider_id!r} has no model {name!r} in the price book", where=where, remedy=remedy) from unknown
    return found


def _starts(listed: dict[str, Any]) -> list[int]:
    """The input lengths above which some price changes, ascending."""
    return sorted({tier.start for price in listed.values() for tier in getattr(price, "tiers", ())})


def _prices(listed: dict[str, Any], start: int) -> dict[str, Decimal]:
    """Our classes at the price of the tier that begins at `start` (-1: before the first); unpriced classes are left out."""
    prices = {name: listed.get(theirs) for name, theirs in _CLASSES.items()}
    return {name: _at(price, start) for name, price in prices.items() if price is not None}


def _at(price: Any, start: int) -> Decimal:
    """A flat price, or the price of the last tier that begins no later than `start`."""
    begun = [tier.price for tier in getattr(price, "tiers", ()) if tier.start <= start]
    flat: Decimal = getattr(price, "base", price)
    return begun[-1] if begun else flat
