"""`signoff doctor`: can this machine measure? Each check says what it found, why that matters and what to do."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import msgspec
import typer

from harness import scenario_file
from harness.cli.checks import installation, limits, processor, stamps, timing
from harness.cli.checks.check import Check, Planned
from harness.errors import ExitCode
from harness.load import ClosedLoad
from harness.scenario import Scenario


def doctor(
    scenario: Annotated[str | None, typer.Argument(help="Its highest level and its endpoints are what is planned.")] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users at once. Default: the scenario's highest level.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Load-making processes on this machine.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Check whether this machine can measure. Exits 2 when a check fails; a warning alone does not."""
    found = [check() for check in checks(_planned(scenario, users, processes))]
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        verb = "signoff calibrate" if scenario is None else f"signoff calibrate {scenario}"
        after = f"What this machine can measure under load: `{verb}` finds out, in about a minute."
        print("\n".join([*map(_line, found), after]))
    return ExitCode.USAGE if any(check.status == "fail" for check in found) else ExitCode.OK


def checks(planned: Planned) -> tuple[Callable[[], Check], ...]:
    return (
        installation.python,
        installation.packages,
        stamps.plain,
        stamps.through_tls,
        partial(limits.open_files, planned),
        timing.clock,
        timing.wake_ups,
        partial(processor.cores, planned),
        processor.idleness,
        processor.governor,
        installation.exporter_port,
        installation.sandbox,
        installation.prometheus,
    )


def _planned(scenario: str | None, users: int | None, processes: int) -> Planned:
    if scenario is None:
        return Planned(users, processes=processes)
    found = scenario_file.load(scenario).scenario
    return Planned(users or _most_users(found), len(found.endpoints), processes)


def _most_users(scenario: Scenario) -> int:
    load = scenario.load
    if not isinstance(load, ClosedLoad):
        return load.users
    return max(load.levels) if load.search is None else int(load.search.most)


def _line(check: Check) -> str:
    advice = "" if check.status in {"ok", "none"} else f"\n      why: {check.why}\n      do:  {check.remedy}"
    return f"{check.status:<4}  {check.name}: {check.found}{advice}"
