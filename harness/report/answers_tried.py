"""Evaluations in figures and sentences: how many answers, at how many attempts each, and what the first one would have come to.

The rule: examples = answers + given up + not reached, in each repetition; and nothing here judges a load.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import pandas as pd

from harness.measure.slo import MONEY, RATIOS, Objective
from harness.report import join, wording
from harness.report.cells import Cell, spread
from harness.report.evaluated import ANSWER, CUT, GIVEN_UP, RETRIED
from harness.report.figures import Comparison, Distribution, LevelFigures, Summary
from harness.report.join import OK
from harness.report.tries import AnswersTried
from harness.trial import TRANSIENT

LOAD_FREE = (*RATIOS, *MONEY)  # objectives that do not depend on how hard somebody pushed
NO_LOAD_TEST = (
    "This was an evaluation and no load test: each example was asked once, and what failed by accident was asked again. Its "
    "latencies are those of these few users, and no objective is judged by them."
)


class Told(NamedTuple):
    """A level of an evaluation, with what only those have."""

    level: LevelFigures
    tried: AnswersTried
    answer_s: Distribution


def of_level(cell: Cell, level: LevelFigures, examples: int, targets: Sequence[Objective]) -> LevelFigures:
    """`level` with what it took; `examples` of one repetition. As it is where the cell is of a load."""
    if "trial" not in cell.measured:
        return level
    tried = figures(cell.measured, level, examples, targets)
    whole = cell.measured[cell.measured["kind"].eq(OK)]
    return msgspec.structs.replace(level, tried=tried, answer_s=spread(whole["answer_s"], "no answer came whole").figures)


def figures(rows: pd.DataFrame, level: LevelFigures, examples: int, targets: Sequence[Objective]) -> AnswersTried:
    tasks = join.tasks(rows)
    by_fate = tasks["fate"].value_counts()
    given_up = tasks[tasks["fate"].eq(GIVEN_UP)]
    again = rows[rows["fate"].eq(RETRIED)]
    reached = len(tasks[["repetition", "example"]].drop_duplicates())
    whole = rows[~rows["first_trial"].isin(rows[rows["fate"].eq(CUT)]["first_trial"])]
    counts = whole.groupby("first_trial").size()
    waits_s = rows.groupby("first_trial")["trial_wait_s"].sum()
    first_k = None if level.success.k is None else _first(rows, tasks)
    return AnswersTried(
        examples=examples,
        answers=int(by_fate.get(ANSWER, 0)),
        given_up=int(by_fate.get(GIVEN_UP, 0)),
        not_retried=int((~given_up["kind"].isin(TRANSIENT)).sum()),
        not_reached=examples - reached,
        attempts=len(rows),
        attempts_per_answer=float(counts.mean()) if len(counts) else None,
        attempts_most=int(counts.max()) if len(counts) else None,
        first_k=first_k,
        first_ratio=first_k / level.success.n if first_k is not None and level.success.n else None,
        retried={str(kind): int(count) for kind, count in sorted(again["kind"].value_counts().items())},
        waited_s=float(waits_s.sum()),
        waited_most_s=float(waits_s.max()) if len(waits_s) else 0.0,
        not_judged=tuple(each.text for each in targets if not is_judged(each)),
    )


def _first(rows: pd.DataFrame, tasks: pd.DataFrame) -> int:
    """Successes of tasks none of whose answers was asked for again."""
    again = set(join.task_ids(rows)[rows["fate"].eq(RETRIED)])
    return int((tasks["success"].eq(True) & ~join.task_ids(tasks).isin(again)).sum())


def is_judged(objective: Objective) -> bool:
    """In an evaluation: shares and money, but not latencies and rates."""
    return objective.metric in LOAD_FREE


def without_speed(comparison: Comparison | None) -> Comparison | None:
    """Nobody is called fastest: that would be of a load."""
    if comparison is None:
        return None
    kept = tuple(each for each in comparison.rankings if each.figure != "e2e_s")
    return msgspec.structs.replace(comparison, rankings=kept)


# ----------------------------------------------------------------------------------------------------------------------- words


def told(summary: Summary) -> Iterator[tuple[str, Told]]:
    """Endpoint and figures of each level of an evaluation; nothing of a load test."""
    for name, endpoint in summary.endpoints.items():
        for level in endpoint.levels.values():
            if isinstance(level.tried, AnswersTried) and isinstance(level.answer_s, Distribution):
                yield name, Told(level, level.tried, level.answer_s)


def sentences(summary: Summary) -> Iterator[str]:
    levels = list(told(summary))
    if not levels:
        return
    yield NO_LOAD_TEST
    if levels[0][1].tried.not_judged:
        yield f"Not judged, for it takes a load test: {'; '.join(levels[0][1].tried.not_judged)}."
    for name, level in levels:
        yield from (f"{name}: {line}" for line in _lines(level))


def _lines(told: Told) -> Iterator[str]:
    level, of, answer_s = told
    parts = f"{of.answers:,} answers + {of.given_up:,} given up + {of.not_reached:,} not reached"
    at_once = (
        f" ({of.not_retried:,} of the given up were not asked again, for it would not have helped)" if of.not_retried else ""
    )
    yield f"{of.examples:,} examples = {parts}{at_once}."
    if of.attempts_per_answer is not None:
        most = wording.count(of.attempts_most)
        yield f"{of.attempts:,} attempts, {of.attempts_per_answer:.2f} per answer (most {most}); {retried(of)}."
    if of.first_ratio is not None:
        final = wording.percent(level.success.ratio)
        yield f"success {wording.percent(of.first_ratio)} at the first attempt, {final} in the end."
    spans = answer_s, level.service.e2e_s
    if answer_s.n:
        first, service = (f"mean {wording.seconds(each.mean)}, longest {wording.seconds(each.max)}" for each in spans)
        yield f"time to a whole answer, retries and waits included: {first}; of its own attempt alone: {service}."


def retried(of: AnswersTried) -> str:
    """By cause, with their share of all attempts, and how long users waited before they asked again."""
    if not of.retried:
        return "none was asked again"
    causes = [f"{kind} {count:,} ({wording.percent(count / of.attempts)})" for kind, count in of.retried.items()]
    waited = f"{wording.seconds(of.waited_s)} of waiting in all, at most {wording.seconds(of.waited_most_s)} before one answer"
    return f"asked again after {wording.joined(causes)}, with {waited}"


def cells(told: Told) -> tuple[str, ...]:
    """A row of the report's table."""
    level, of, answer_s = told
    return (
        *(wording.count(each) for each in (of.examples, of.answers, of.given_up, of.not_reached, of.attempts)),
        wording.number(of.attempts_per_answer),
        wording.count(of.attempts_most),
        wording.percent(of.first_ratio),
        wording.percent(level.success.ratio),
        wording.seconds(of.waited_s),
        *(wording.seconds(getattr(answer_s, name)) for name in ("mean", "p50", "p99", "max")),
        *(wording.seconds(getattr(level.service.e2e_s, name)) for name in ("mean", "p50", "p99", "max")),
    )
