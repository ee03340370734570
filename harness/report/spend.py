"""Money and tokens of a cell.

The rule: money is a sum of Decimals over every attempt, failures included; a part that nobody could price is counted and makes
the rest a lower bound. Floats serve the bootstrap of the interval and nothing else.
"""

from decimal import Context, Decimal

import numpy as np
import pandas as pd

from harness.measure import stats
from harness.report import join
from harness.report.figures import CONFIDENCE, Spend, Tokens, UsdBounds

BOOTSTRAP_ROUNDS = 2_000
_OF_ALL = ("total", "total_at_most", "per_attempt", "per_attempt_at_most", "per_task")
_OF_SUCCESSES = ("per_success", "per_success_at_most", "interval")
_PRECISION = Context(prec=12)


def spend(attempts: pd.DataFrame, seed: int, *, priced_endpoint: bool) -> Spend:
    """Spend over the attempts of the measure phase of one cell."""
    priced = attempts["usd"].dropna()
    unpriced = len(attempts) - len(priced)
    if priced.empty:
        unknown = _why_unpriced(attempts, priced_endpoint=priced_endpoint)
        return Spend(priced=0, unpriced=unpriced, reason=dict.fromkeys([*_OF_ALL, *_OF_SUCCESSES], unknown))
    low, high = sum(priced, Decimal(0)), sum(at_most(attempts), Decimal(0))
    ended = join.ended(attempts)
    ended_low, ended_high = sum(ended["usd"].dropna(), Decimal(0)), sum(at_most(attempts)[ended.index], Decimal(0))
    successes = int(attempts["success"].eq(True).sum())
    of_tasks = len(ended) - int(join.later(ended).sum())
    why = _why_no_success(attempts)
    bounds = None if why else _interval(ended, seed)
    reason = dict.fromkeys(_OF_SUCCESSES, why) if why else {}
    if not why and bounds is None:
        reason["interval"] = "too few successes to draw from"
    if not of_tasks:
        reason["per_task"] = "no conversation ended within its block"
    return Spend(
        total=low,
        total_at_most=high,
        per_attempt=ratio(low, len(attempts)),
        per_attempt_at_most=ratio(high, len(attempts)),
        per_task=ratio(ended_low, of_tasks) if of_tasks else None,
        per_success=None if why else ratio(ended_low, successes),
        per_success_at_most=None if why else ratio(ended_high, successes),
        interval=bounds,
        priced=len(priced),
        unpriced=unpriced,
        reason=reason,
    )


def at_most(attempts: pd.DataFrame) -> pd.Series:
    """What each attempt cost at most: one that could not be priced is taken to cost no more than the dearest that could."""
    usd = attempts["usd"]
    return usd.where(usd.notna(), usd.dropna().max())


def ratio(amount: Decimal, count: int) -> Decimal:
    """An amount per item, to twelve digits."""
    return _PRECISION.divide(amount, Decimal(count)).normalize(_PRECISION)


def tokens(attempts: pd.DataFrame) -> Tokens:
    """Token sums over what was reported. An attempt that streamed something and reported no output count is missing."""
    both = attempts.dropna(subset=["input_tokens", "cached_read_tokens"])
    read = int(both["input_tokens"].sum())
    sources = attempts["usage_source"].dropna().value_counts()
    return Tokens(
        input=_sum(attempts["input_tokens"]),
        output=_sum(attempts["output_tokens"]),
        cached_read=_sum(attempts["cached_read_tokens"]),
        reasoning=_sum(attempts["reasoning_tokens"]),
        cached_ratio=int(both["cached_read_tokens"].sum()) / read if read else None,
        cached_n=len(both),
        source={str(name): int(count) for name, count in sorted(sources.items())},
        missing=int((attempts["chunks"].gt(0) & attempts["output_tokens"].isna()).sum()),
    )


def _sum(counts: pd.Series) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = counts.dropna()
    return int(known.sum()) if len(known) else None


def _interval(attempts: pd.DataFrame, seed: int) -> UsdBounds | None:
    """95 % interval of cost per success; what could not be priced counts as nothing below and at its most above."""
    least = attempts["usd"].where(attempts["usd"].notna(), Decimal(0))
    bounds = [
        stats.ratio_interval(
            usd.to_numpy(dtype=np.float64),
            attempts["success"].eq(True).to_numpy(dtype=np.float64),
            attempts["cluster"].to_numpy(),
            seed=seed,
            confidence=CONFIDENCE,
            rounds=BOOTSTRAP_ROUNDS,
        )
        for usd in (least, at_most(attempts))
    ]
    if bounds[0] is None or bounds[1] is None:
        return None
    return Decimal(f"{bounds[0][0]:.6g}"), Decimal(f"{bounds[1][1]:.6g}")


def _why_no_success(attempts: pd.DataFrame) -> str | None:
    """Why cost per success has no value, if it has none."""
    if join.tasks(attempts)["success"].isna().any():
        return "some answers are not graded: run `signoff score`"
    return None if attempts["success"].any() else "no success to divide by"


def _why_unpriced(attempts: pd.DataFrame, *, priced_endpoint: bool) -> str:
    if attempts.empty:
        return "no attempt"
    return "no attempt reported a usage that can be priced" if priced_endpoint else "no price is given for this endpoint"
