"""`signoff score RUN`: grade the answers of a run; a grade that is there already is kept."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.grading import grade_run
from harness.errors import ExitCode


def score(
    run: Annotated[Path, typer.Argument(help="A run directory; runs/latest is the newest.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> ExitCode:
    """Grade the answers of a run. Sends nothing; running it again changes nothing."""
    print(f"{grade_run(run, quiet=quiet)} answers graded")
    return ExitCode.OK
