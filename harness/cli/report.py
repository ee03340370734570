"""`signoff report RUN...`: scorecard, summary, CSV and HTML from a finished run, or a campaign from several of one scenario.

It sends nothing and grades nothing.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import assembly, collected, results, scenario_file
from harness.errors import ExitCode, HarnessError, StorageError
from harness.rates import Rates
from harness.report import build, campaign, campaign_page, console, figures
from harness.report.campaign import Campaign
from harness.report.circumstances import SearchFigures
from harness.report.figures import Summary


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="A run directory; runs/latest is the newest. Several are one campaign."),
    ],
    reprice: Annotated[str | None, typer.Option(help="A scenario whose prices replace those of the runs.")] = None,
    out: Annotated[Path | None, typer.Option(help="The campaign's folder; else one beside the newest run.")] = None,
    folders: Annotated[
        list[Path] | None, typer.Option("--collect", metavar="DIR", help="First bring a far worker's files from its folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json or campaign.json.")] = False,
) -> ExitCode:
    """Make the scorecard and the report again from the journals. The same journals and prices give the same bytes.

    Several runs of one scenario, hours or days apart, report as one campaign, with intervals between runs.
    """
    rates = None if reprice is None else _stated(reprice)
    _collect(runs, folders or ())
    if len(runs) > 1:
        return _campaign(runs, out or campaign.default_folder(runs), as_json=as_json, rates=rates)
    if out is not None:
        remedy = "drop --out, or name further runs of the same scenario"
        raise HarnessError("one run is reported in its own folder", where="--out", remedy=remedy)
    return show(runs[0], as_json=as_json, rates=rates)


def _collect(runs: list[Path], folders: Sequence[Path]) -> None:
    """Workers' files into the run; of a folder all is looked at before anything is copied."""
    if folders and len(runs) > 1:
        remedy = "collect for each run by itself, then report them together"
        raise HarnessError("--collect with several runs", where="--collect", remedy=remedy)
    for folder in folders:
        brought = collected.collect(runs[0], folder)
        said = f"brought {', '.join(brought)} from" if brought else "nothing new in"
        print(f"signoff: {said} {folder}", file=sys.stderr)


def _stated(scenario: str) -> dict[str, Rates]:
    found = assembly.rates(scenario_file.load(scenario).scenario, datetime.now(UTC))
    return {name: rates for name, rates in found.items() if rates is not None}


def _campaign(runs: list[Path], out: Path, *, as_json: bool, rates: dict[str, Rates] | None) -> ExitCode:
    found = campaign.measure(runs, reprice=rates)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        remedy = "name a folder that you may write to with --out"
        raise StorageError(failed.strerror or str(failed), where=str(out), remedy=remedy) from failed
    encoded = campaign.encode(found)
    results.write_atomic(out / campaign.JSON, encoded)
    results.write_atomic(out / campaign.HTML, campaign_page.render(found).encode())
    if as_json:
        sys.stdout.buffer.write(encoded)
    else:
        campaign_page.show(found, Console(width=console.WIDTH))
        print(f"\n{out / campaign.HTML}")
    return _campaign_code(found)


def _campaign_code(found: Campaign) -> ExitCode:
    """As of one run: an objective counts as missed where any run missed it."""
    held = [each for endpoint in found.endpoints.values() for each in endpoint.levels[endpoint.peak].slo.values()]
    if any(each.missed for each in held):
        return ExitCode.SLO_FAILED
    return ExitCode.NOT_PROVEN if any(each.unknown for each in held) else ExitCode.OK


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
