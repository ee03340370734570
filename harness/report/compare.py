"""Which endpoint is best at the peak level, and how surely: paired by example, because every endpoint got the same prompts.

The rule: a difference counts only when its interval lies wholly on the winner's side. The intervals of one comparison hold
together at 95 % (Bonferroni over all pairs of endpoints and figures), because the winner is picked after looking.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as distributions

from harness.report import join
from harness.report.cells import Cell
from harness.report.figures import CONFIDENCE, Bounds, Comparison, Difference, Ranking
from harness.report.join import OK
from harness.report.spend import at_most

# Fewer clusters than this and an interval over them says more about luck than about endpoints.
FEWEST_CLUSTERS = 10
ROUNDS = 5_000
_FIGURES = 3


class Gap(NamedTuple):
    """How far two endpoints are apart: the first minus the second."""

    value: float
    interval: Bounds


def compare(cells: Sequence[Cell], seed: int) -> Comparison | None:
    """The comparison of all endpoints of one level; None where fewer than two were measured."""
    attempts = {cell.endpoint: join.judged(cell.measured) for cell in cells if len(join.judged(cell.measured))}
    if len(attempts) < 2:
        return None
    pairs = len(list(combinations(attempts, 2)))
    confidence = 1 - (1 - CONFIDENCE) / (pairs * _FIGURES)
    column = "e2e_s" if cells[0].rate is None else "e2e_scheduled_s"
    return Comparison(
        level=cells[0].level,
        confidence=confidence,
        rankings=(
            _paired("success", {name: _success(rows) for name, rows in attempts.items()}, confidence, sign=1),
            _paired("e2e_s", {name: _e2e_s(rows, column) for name, rows in attempts.items()}, confidence, sign=-1),
            _spent({name: _spend(rows) for name, rows in attempts.items()}, confidence, seed),
        ),
    )


def paired_gap(first: pd.DataFrame, second: pd.DataFrame, confidence: float) -> Gap | None:
    """Mean over shared examples of first - second, with a cluster-robust t interval.

    Each frame has a row per attempt with `example`, `cluster` and `value`; an example counts once, by the mean of its
    attempts.
    The standard error is sqrt(G/(G-1) x sum over clusters of (sum of deviations)^2) / n with G - 1 degrees of freedom (Miller,
    arXiv 2411.00640). None where fewer than FEWEST_CLUSTERS clusters are shared.
    """
    means = [frame.groupby(["cluster", "example"])["value"].mean() for frame in (first, second)]
    apart = (means[0] - means[1]).dropna()
    clusters = apart.index.get_level_values("cluster")
    count = clusters.nunique()
    if count < FEWEST_CLUSTERS:
        return None
    mean = float(apart.mean())
    deviations = (apart - mean).groupby(level="cluster").sum()
    error = math.sqrt(count / (count - 1) * float((deviations**2).sum())) / len(apart)
    margin = float(distributions.t.ppf((1 + confidence) / 2, count - 1)) * error
    return Gap(mean, (mean - margin, mean + margin))


def ratio_gap(first: pd.DataFrame, second: pd.DataFrame, confidence: float, seed: int) -> Gap | None:
    """Spend per success of the first minus that of the second: percentile bootstrap that draws the same clusters for both.

    Each frame has a row per attempt with `cluster` and, as floats, `usd`, `usd_at_most` and `success`. The interval runs from
    the least the first may have cost against the most of the second, to the reverse. None where a draw has no success.
    """
    sums = [frame.groupby("cluster")[["usd", "usd_at_most", "success"]].sum() for frame in (first, second)]
    clusters = sums[0].index.union(sums[1].index)
    ours, theirs = (table.reindex(clusters, fill_value=0.0).to_numpy() for table in sums)
    count = len(clusters)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=ROUNDS)
    if not ((draws @ ours)[:, 2].all() and (draws @ theirs)[:, 2].all()):
        return None
    least = _per_success(draws @ ours, 0) - _per_success(draws @ theirs, 1)
    most = _per_success(draws @ ours, 1) - _per_success(draws @ theirs, 0)
    everyone = np.ones((1, count))
    value = float((_per_success(everyone @ ours, 0) - _per_success(everyone @ theirs, 0))[0])
    return Gap(value, (float(np.quantile(least, (1 - confidence) / 2)), float(np.quantile(most, (1 + confidence) / 2))))


def _per_success(sums: NDArray[np.float64], amount: int) -> NDArray[np.float64]:
    """The ratio of one of the amounts (columns 0 and 1) to the successes (column 2), by draw."""
    ratio: NDArray[np.float64] = sums[:, amount] / sums[:, 2]
    return ratio


def _success(attempts: pd.DataFrame) -> pd.DataFrame | None:
    """Rows of 0 and 1, or None while one answer waits for its grade."""
    attempts = join.tasks(attempts)
    if attempts["success"].isna().any():
        return None
    return _valued(attempts, attempts["success"].astype(float))


def _e2e_s(attempts: pd.DataFrame, column: str) -> pd.DataFrame | None:
    """Seconds of the ok attempts."""
    ok = attempts[attempts["kind"].eq(OK) & attempts[column].notna()]
    return _valued(ok, ok[column])


def _spend(attempts: pd.DataFrame) -> pd.DataFrame | None:
    """Money and success, or None where nothing is priced, nothing succeeded or an answer waits for its grade."""
    attempts = join.ended(attempts)
    if join.tasks(attempts)["success"].isna().any() or attempts["usd"].isna().all() or not attempts["success"].any():
        return None
    return pd.DataFrame(
        {
            "cluster": attempts["cluster"],
            "usd": attempts["usd"].astype(float).fillna(0.0),
            "usd_at_most": at_most(attempts).astype(float),
            "success": attempts["success"].eq(True).astype(float),
        }
    )


def _valued(attempts: pd.DataFrame, value: pd.Series) -> pd.DataFrame:
    return attempts[["example", "cluster"]].assign(value=value)


def _paired(figure: str, tables: Mapping[str, pd.DataFrame | None], confidence: float, *, sign: int) -> Ranking:
    able = _able(tables)
    return _rank(
        figure,
        tables,
        {name: sign * float(table["value"].mean()) for name, table in able.items()},
        lambda best, other: paired_gap(able[best], able[other], confidence),
        sign,
    )


def _spent(tables: Mapping[str, pd.DataFrame | None], confidence: float, seed: int) -> Ranking:
    able = _able(tables)
    return _rank(
        "usd_per_success",
        tables,
        {name: -float(table["usd"].sum() / table["success"].sum()) for name, table in able.items()},
        lambda best, other: ratio_gap(able[best], able[other], confidence, seed),
        sign=-1,
    )


def _able(tables: Mapping[str, pd.DataFrame | None]) -> dict[str, pd.DataFrame]:
    """Those with the figure, over enough clusters to be ranked."""
    return {
        name: table for name, table in tables.items() if table is not None and table["cluster"].nunique() >= FEWEST_CLUSTERS
    }


def _rank(
    figure: str,
    everyone: Mapping[str, object],
    merit: Mapping[str, float],
    gap: Callable[[str, str], Gap | None],
    sign: int,
) -> Ranking:
    """The endpoint of highest merit against each other one; those without merit are named, not ranked."""
    unranked = tuple(name for name in everyone if name not in merit)
    if len(merit) < 2:
        return Ranking(figure=figure, best=None, differences=(), unranked=unranked)
    best = max(merit, key=lambda name: merit[name])
    others = [name for name in merit if name != best]
    return Ranking(
        figure=figure,
        best=best,
        differences=tuple(_difference(other, gap(best, other), sign) for other in others),
        unranked=unranked,
    )


def _difference(other: str, gap: Gap | None, sign: int) -> Difference:
    if gap is None:
        why = f"fewer than {FEWEST_CLUSTERS} clusters are shared, or too few successes"
        return Difference(other=other, value=None, interval=None, distinguishable=None, reason=why)
    ahead = min(sign * bound for bound in gap.interval) > 0
    return Difference(other=other, value=gap.value, interval=gap.interval, distinguishable=ahead)
