"""A run that was interrupted and gone on with: in how many sessions it was made, and what of them is in no figure.

The rule: what an earlier session began of a cell that was played again is set aside and never spliced; it was paid, though.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import pandas as pd

from harness.rates import Rates
from harness.report import join, wording
from harness.report.circumstances import SessionFigures, Sessions, SetAside
from harness.report.figures import Summary
from harness.results import Run

_ENDED = {
    "running": "was killed",
    "planned": "ended before its first request",
    "degraded": "broke off",
    "failed_storage": "found the disk full",
}


def figures(run: Run, frame: pd.DataFrame, rates: Mapping[str, Rates | None]) -> Sessions | None:
    """None of a run that was made at one go and lost nothing. `frame` as `join.frame` gives it."""
    if not run.manifest.sessions and not run.aside:
        return None
    aside = _aside(run, rates)
    return Sessions(
        sessions=tuple(
            SessionFigures(
                number=each.number,
                began_utc=each.began_utc,
                first_block=each.first_block,
                workers=each.workers,
                seconds=each.seconds if each.state is not None else None,
                state=run.manifest.state if each.state is None else each.state,
                why=each.why,
            )
            for each in run.manifest.sessions
        ),
        set_aside=aside,
        usd=_sum([*frame["usd"].dropna(), *([] if aside.usd is None else [aside.usd])]),
    )


def sentences(summary: Summary) -> Iterator[str]:
    """Nothing of a run that was made at one go and lost nothing."""
    told = summary.sessions
    if told is None:
        return
    count = len(told.sessions)
    if count:
        yield f"Made in {count} session{'s' if count > 1 else ''}: {'; '.join(_session(each) for each in told.sessions)}."
    aside = told.set_aside
    if aside.attempts:
        kinds = ", ".join(f"{kind} {wording.count(count)}" for kind, count in aside.by_kind.items())
        yield (
            f"Set aside, for their part of the plan was played again from its beginning: {wording.count(aside.attempts)} "
            f"requests ({kinds}). They are in no other figure."
        )
    if told.usd is not None:
        least = "≥ " if aside.unpriced else ""
        spent = "0" if aside.usd is None else wording.usd(aside.usd)
        total = wording.usd(told.usd)
        yield f"Spent on what was given up: {least}{spent} USD, of {least}{total} USD for all requests of the run."


def _session(each: SessionFigures) -> str:
    why = f" ({'; '.join(each.why)})" if each.why else ""
    ended = _ENDED.get(each.state, f"is {each.state}" if each.seconds is None else f"was {each.state}")
    return f"{each.began_utc} from step {each.first_block + 1}, {ended.replace('_', ' ')}{why}"


def _aside(run: Run, rates: Mapping[str, Rates | None]) -> SetAside:
    by_kind = Counter(join.kind(each.end) for each in run.aside)
    paid = [join.usd(each.end, rates.get(each.start.endpoint)) for each in run.aside]
    return SetAside(
        attempts=len(run.aside),
        by_kind=dict(sorted(by_kind.items())),
        usd=_sum(each for each in paid if each is not None),
        unpriced=sum(each is None for each in paid),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal | None:
    """None of nothing."""
    known = list(amounts)
    return sum(known, Decimal(0)) if known else None
