"""`signoff report RUN`: scorecard, summary, CSV and HTML from a finished run; sends nothing and grades nothing."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import assembly, scenario_file
from harness.errors import ExitCode
from harness.rates import Rates
from harness.report import build, console, figures
from harness.report.circumstances import SearchFigures
from harness.report.figures import Summary


def report(
    run: Annotated[Path, typer.Argument(help="A run directory; runs/latest is the newest.")],
    reprice: Annotated[str | None, typer.Option(help="A scenario whose prices replace those of the run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the scorecard.")] = False,
) -> ExitCode:
    """Make the scorecard and the report again from the journals. The same journals and prices give the same bytes."""
    return show(run, as_json=as_json, rates=None if reprice is None else _stated(reprice))


def _stated(scenario: str) -> dict[str, Rates]:
    found = assembly.rates(scenario_file.load(scenario).scenario, datetime.now(UTC))
    return {name: rates for name, rates in found.items() if rates is not None}


def show(run: Path, *, as_json: bool, rates: dict[str, Rates] | None = None) -> ExitCode:
    """Build every file of the report stage, print the scorecard, and say what the numbers mean for the exit code."""
    built = build.build(run, reprice=rates)
    if as_json:
        sys.stdout.buffer.write(figures.encode(built.summary))
    else:
        console.show(built.summary, Console(width=console.WIDTH))
        print(f"\n{run / build.HTML}")
    return verdict_code(built.summary)


def _found(search: SearchFigures) -> bool | None:
    """Whether a load holds; None where that stayed open."""
    if search.load is not None:
        return True
    return False if search.frontier and search.frontier[0].verdict == "fail" else None


def verdict_code(summary: Summary) -> ExitCode:
    """INVALID (4) before a missed objective (99) before one that the sample cannot decide (98), each at the peak level."""
    if not summary.valid:
        return ExitCode.INVALID
    held = [objective.met for each in summary.endpoints.values() for objective in each.levels[each.peak].slo]
    held += [_found(each.search) for each in summary.endpoints.values() if each.search is not None]
    if False in held:
        return ExitCode.SLO_FAILED
    return ExitCode.NOT_PROVEN if None in held else ExitCode.OK
