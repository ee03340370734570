"""Grading a run's answers from the command line: which are new, with a progress bar, appended as they come."""

from pathlib import Path

from rich.console import Console
from rich.progress import track

from harness import results
from harness.errors import HarnessError
from harness.loadgen import prepare
from harness.records import Answer, AttemptEnd
from harness.scenario import Scenario
from harness.score import runner


def grade_run(run: Path, *, quiet: bool = False) -> int:
    """Grade every answer that has no grade yet; returns how many were graded. Running it again changes nothing."""
    manifest = results.read_manifest(run)
    grading = Scenario.model_validate(manifest.scenario).grading
    if grading is None:
        raise HarnessError("this scenario has no grading", where=str(run), remedy="add `grading: {scorer: ...}` and run again")
    known = results.read_grades(run)
    answers = _worth_grading(run)
    shown = track(answers, "grading", console=Console(stderr=True, quiet=quiet), transient=True)
    rows = runner.grade(shown, prepare.examples_of(manifest), grading.scorer, grading.options, known)
    return results.append_grades(run, rows)


def _worth_grading(run: Path) -> list[Answer]:
    """Answers of attempts that ended well: what was cut off is a failure already and is not graded."""
    good = {each.start.id for each in results.read_run(run).attempts if each.end is not None and _ended_well(each.end)}
    return [answer for answer in results.read_answers(run) if answer.id in good]


def _ended_well(end: AttemptEnd) -> bool:
    return end.kind == "ok"
