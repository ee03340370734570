"""`signoff report RUN`: scorecard, summary, CSV and HTML from a finished run; sends nothing and grades nothing."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.errors import ExitCode
from harness.report import build, console, figures
from harness.report.figures import Summary


def report(
    run: Annotated[Path, typer.Argument(help="A run directory; runs/latest is the newest.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the scorecard.")] = False,
) -> ExitCode:
    """Make the scorecard and the report again from the journals. The same journals give the same bytes."""
    return show(run, as_json=as_json)


def show(run: Path, *, as_json: bool) -> ExitCode:
    """Build every file of the report stage, print the scorecard, and say what the numbers mean for the exit code."""
    built = build.build(run)
    if as_json:
        sys.stdout.buffer.write(figures.encode(built.summary))
    else:
        console.show(built.summary, Console(width=console.WIDTH))
        print(f"\n{run / build.HTML}")
    return verdict_code(built.summary)


def verdict_code(summary: Summary) -> ExitCode:
    """INVALID (4) before a missed objective (99) before one that the sample cannot decide (98), each at the peak level."""
    if not summary.valid:
        return ExitCode.INVALID
    held = [objective.met for each in summary.endpoints.values() for objective in each.levels[each.peak].slo]
    if False in held:
        return ExitCode.SLO_FAILED
    return ExitCode.NOT_PROVEN if None in held else ExitCode.OK
