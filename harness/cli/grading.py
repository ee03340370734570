"""Grading a run's answers from the command line: which are new, with a progress bar, appended as they come."""

from pathlib import Path

from rich.console import Console
from rich.progress import track

from harness import results
from harness.errors import HarnessError, StorageError
from harness.loadgen import prepare
from harness.scenario import Scenario
from harness.score import runner


def grade_run(run: Path, *, quiet: bool = False) -> int:
    """Grade every answer that has no grade yet; returns how many were graded. Running it again changes nothing.

    Raises `StorageError`, when all that can be graded has been, for answers that are not there to be read.
    """
    manifest = results.read_manifest(run)
    grading = Scenario.model_validate(manifest.scenario).grading
    if grading is None:
        raise HarnessError("this scenario has no grading", where=str(run), remedy="add `grading: {scorer: ...}` and run again")
    wanted = _wanted(run)
    answers = [answer for answer in results.read_answers(run) if answer.id in wanted]
    shown = track(answers, "grading", console=Console(stderr=True, quiet=quiet), transient=True)
    known = results.read_grades(run)
    rows = runner.grade(shown, prepare.examples_of(manifest), grading.scorer, grading.options, known)
    graded = results.append_grades(run, rows)
    missing = set(wanted.values()) - results.read_grades(run).keys()
    if missing:
        what = f"{len(missing)} answers are not there, or cannot be read back: they are not graded"
        raise StorageError(
            what, where=str(run / "answers-*.jsonl"), remedy="bring them back from a copy and run `signoff score`"
        )
    return graded


def _wanted(run: Path) -> dict[str, tuple[str, str]]:
    """(example, hash) of each answer to grade, by attempt: what was cut off is a failure already and is not graded.

    Of a conversation the last answer is graded, which alone the example expects something of.
    """
    attempts = [each for each in results.read_run(run).attempts if each.start.is_last]
    ended = [(attempt.start, attempt.end) for attempt in attempts if attempt.end is not None]
    return {end.id: (start.example, end.answer_sha256) for start, end in ended if end.kind == "ok" and end.answer_sha256}
