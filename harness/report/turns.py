"""Conversations, turn by turn: how the growing context is met, and what was never reached.

The rule: a turn counts where it was sent in a measure phase; latencies are of whole answers and from the sending, because
a later turn has no other beginning.
"""

from collections.abc import Iterator

import pandas as pd

from harness.report import wording
from harness.report.cells import Cell, spread
from harness.report.figures import Conversations, Summary, TurnFigures
from harness.report.join import OK
from harness.report.spend import tokens


def figures(cell: Cell) -> Conversations | None:
    """None where there was no conversation."""
    rows = cell.measured[cell.measured["conversation"].notna()]
    if not len(rows):
        return None
    begun = rows[rows["dispatched_ns"].notna()]
    order = ["turn", "trial"] if "trial" in rows else ["turn"]
    last = rows.sort_values(order).groupby("conversation").tail(1)
    missing = last["turns"] - last["turn"] - last["dispatched_ns"].notna()
    ended = last["is_task"]
    return Conversations(
        n=len(last),
        not_reached=int(missing.sum()),
        not_reached_after_failure=int(missing[ended].sum()),
        turns=tuple(_turn(number, begun[begun["turn"] == number]) for number in sorted(begun["turn"].unique())),
    )


def _turn(number: int, rows: pd.DataFrame) -> TurnFigures:
    asked = rows["input_tokens"].dropna()
    return TurnFigures(
        turn=int(number),
        n=len(rows),
        ttft_s=spread(rows[rows["kind"].eq(OK)]["ttft_s"], "no answer came whole").figures,
        input_tokens_mean=float(asked.mean()) if len(asked) else None,
        cached_ratio=tokens(rows).cached_ratio,
    )


def told(summary: Summary) -> Iterator[tuple[str, str, Conversations]]:
    """Endpoint, load in words and figures of each level that had conversations."""
    for name, endpoint in summary.endpoints.items():
        for level in endpoint.levels.values():
            if level.conversations is not None:
                yield name, level.words, level.conversations


def sentences(summary: Summary) -> Iterator[str]:
    """What was not reached, so that nobody takes the later turns for all that were meant."""
    for name, words, talk in told(summary):
        cut = talk.not_reached - talk.not_reached_after_failure
        yield (
            f"{name} at {words}: {talk.n} conversations, {talk.not_reached} turns not reached: "
            f"{talk.not_reached_after_failure} after a turn that failed, {cut} because the block closed."
        )


def cells(of: TurnFigures) -> tuple[str, ...]:
    """A row of the table: turns count from 1 for readers."""
    return (
        str(of.turn + 1),
        wording.count(of.n),
        wording.seconds(of.ttft_s.p50),
        wording.seconds(of.ttft_s.p99),
        wording.number(of.input_tokens_mean),
        wording.percent(of.cached_ratio),
    )
