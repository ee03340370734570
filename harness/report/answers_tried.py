"""Evaluations in figures and sentences: how many answers, at how many attempts each, and what the first one would have come to.

The rule: examples = answers + given up + not reached, in each repetition; and nothing here judges a load.
"""

from collections.abc import Iterator, Sequence

import msgspec
import pandas as pd

from harness.measure.slo import MONEY, RATIOS, Objective
from harness.report import join, wording
from harness.report.cells import Cell, spread
from harness.report.evaluated import ANSWER, CUT, GIVEN_UP, RETRIED
from harness.report.figures import Comparison, Distribution, LevelFigures, Summary
from harness.report.join import OK
from harness.trial import TRANSIENT

LOAD_FREE = (*RATIOS, *MONEY)  # objectives that do not depend on how hard somebody pushed
NO_LOAD_TEST = (
    "This was an evaluation and no load test: each example was asked once, and what failed by accident was asked again. Its "
    "latencies are those of these few users, and no objective is judged by them."
)


class AnswersTried(msgspec.Struct, frozen=True, kw_only=True):
    """Of one endpoint, over all repetitions, each of which asks every example.

    answers      examples that were answered, rightly or wrongly, refusals included
    given_up     that were not, after their last attempt; not_retried of them at once, for it would not have helped
    not_reached  whose answer nobody waited for, because the run was cut; examples is the sum of the three
    attempts     in all; per_answer and most are of answers that were not cut: of a conversation each turn is one
    first_k      successes (of success.n) without any retry, so what load mode would have had
    retried      attempts after which there was another one, by kind
    waited_s     from failed attempts to the ones after them, added up over all users; waited_most_s before one answer
    answer_s     from the first dispatch to the last token of whole answers, retries and waits included
    not_judged   objectives that are of a load
    """

    examples: int
    answers: int
    given_up: int
    not_retried: int
    not_reached: int
    attempts: int
    attempts_per_answer: float | None
    attempts_most: int | None
    first_k: int | None
    first_ratio: float | None
    retried: dict[str, int]
    waited_s: float
    waited_most_s: float
    answer_s: Distribution
    not_judged: tuple[str, ...]


class EvaluatedLevel(LevelFigures, frozen=True, kw_only=True):
    """A cell of an evaluation: success and errors are by answer, service latencies of the attempt that was whole."""

    tried: AnswersTried


def of_level(cell: Cell, level: LevelFigures, examples: int, targets: Sequence[Objective]) -> LevelFigures:
    """`level` with what it took; `examples` of one repetition. As it is where the cell is of a load."""
    if "trial" not in cell.measured:
        return level
    tried = figures(cell.measured, level, examples, targets)
    return EvaluatedLevel(**{name: getattr(level, name) for name in level.__struct_fields__}, tried=tried)


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
        answer_s=spread(rows[rows["kind"].eq(OK)]["answer_s"], "no answer came whole").figures,
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


def told(summary: Summary) -> Iterator[tuple[str, EvaluatedLevel]]:
    """Endpoint and figures of each level of an evaluation; nothing of a load test."""
    for name, endpoint in summary.endpoints.items():
        yield from ((name, level) for level in endpoint.levels.values() if isinstance(level, EvaluatedLevel))


def sentences(summary: Summary) -> Iterator[str]:
    levels = list(told(summary))
    if not levels:
        return
    yield NO_LOAD_TEST
    if levels[0][1].tried.not_judged:
        yield f"Not judged, for it takes a load test: {'; '.join(levels[0][1].tried.not_judged)}."
    for name, level in levels:
        yield from (f"{name}: {line}" for line in _lines(level))


def _lines(level: EvaluatedLevel) -> Iterator[str]:
    of = level.tried
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
    spans = of.answer_s, level.service.e2e_s
    if of.answer_s.n:
        first, service = (f"mean {wording.seconds(each.mean)}, longest {wording.seconds(each.max)}" for each in spans)
        yield f"time to a whole answer, retries and waits included: {first}; of its own attempt alone: {service}."


def retried(of: AnswersTried) -> str:
    """By cause, with their share of all attempts, and how long users waited before they asked again."""
    if not of.retried:
        return "none was asked again"
    causes = [f"{kind} {count:,} ({wording.percent(count / of.attempts)})" for kind, count in of.retried.items()]
    waited = f"{wording.seconds(of.waited_s)} of waiting in all, at most {wording.seconds(of.waited_most_s)} before one answer"
    return f"asked again after {wording.joined(causes)}, with {waited}"


def cells(level: EvaluatedLevel) -> tuple[str, ...]:
    """A row of the report's table."""
    of = level.tried
    return (
        *(wording.count(each) for each in (of.examples, of.answers, of.given_up, of.not_reached, of.attempts)),
        wording.number(of.attempts_per_answer),
        wording.count(of.attempts_most),
        wording.percent(of.first_ratio),
        wording.percent(level.success.ratio),
        wording.seconds(of.waited_s),
        *(wording.seconds(getattr(of.answer_s, name)) for name in ("mean", "p50", "p99", "max")),
        *(wording.seconds(getattr(level.service.e2e_s, name)) for name in ("mean", "p50", "p99", "max")),
    )
