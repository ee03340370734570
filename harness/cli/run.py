"""`signoff run SCENARIO`: load the endpoints, grade the answers, price them, print the scorecard and write the report."""

import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness import assembly, bundled, credentials, scenario_file
from harness.cli.child import Child, command
from harness.cli.grading import grade_run
from harness.cli.live import Live
from harness.cli.report import show
from harness.errors import ExitCode, worst
from harness.loadgen import preflight, prepare
from harness.loadgen.exporter import Exporter, RunInfo, address
from harness.loadgen.port import Port
from harness.measure.recorder import Totals
from harness.records import Manifest
from harness.results import read_manifest
from harness.scenario import Scenario
from harness.scenario_file import Loaded


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario's folder or file, or the name of a bundled one.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="KEY.PATH=VALUE over the file's; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the run directory is made.")] = Path("runs"),
    processes: Annotated[int, typer.Option(min=1, help="Load-making processes on this machine.")] = 1,
    metrics: Annotated[
        str, typer.Option(help="Serve Prometheus on HOST:PORT during the run; '' serves none.")
    ] = "127.0.0.1:9646",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the scorecard.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> ExitCode:
    """Replay the prompts under load and end with a scorecard.

    Ctrl-C once stops and drains, twice cuts what is in flight; what was measured is kept and reported.
    """
    loaded = scenario_file.load(scenario, overrides or ())
    keys = credentials.secrets(loaded.scenario, loaded.folder, os.environ)  # a missing key is found before anything is made
    if metrics:
        _check_free(metrics)
    opened = assembly.open_run(loaded, out, datetime.now(UTC))
    try:
        manifest = read_manifest(opened.run)
        _preflight(loaded, manifest, keys)
        code = _load(opened.run, loaded.scenario, manifest, processes, metrics, quiet=quiet)
    finally:
        opened.close()
    if read_manifest(opened.run).state == "planned":
        return code  # the load process did not come to its first block: there is nothing to report
    if loaded.scenario.grading is not None:
        grade_run(opened.run, quiet=quiet)
    return worst([code, show(opened.run, as_json=as_json)])


def _load(run_dir: Path, scenario: Scenario, manifest: Manifest, processes: int, metrics: str, *, quiet: bool) -> ExitCode:
    locustfile = bundled.folder("locustfiles") / f"{scenario.load.kind}_loop.py"
    words = command(locustfile, run_dir, processes, metrics)
    live = Live(manifest, quiet=quiet)
    live.note(f"$ {shlex.join(['locust', *words[3:]])}")
    child = Child(words, run_dir, dict(os.environ))
    with live:
        for status in child.statuses():
            live.show(status, child.interrupts)
    code = child.exit_code()
    if code in (ExitCode.BUG, ExitCode.USAGE, ExitCode.STORAGE):
        print(child.log_tail(), file=sys.stderr)
    return code


def _check_free(metrics: str) -> None:
    """A taken port is found before anything is sent."""
    exporter = Exporter(Totals(), RunInfo("", "", "", {}))
    host, port = address(metrics)
    exporter.start(port, host)
    exporter.stop()


def _preflight(loaded: Loaded, manifest: Manifest, keys: dict[str, str | None]) -> None:
    """Ask every endpoint that is not simulated once, so that a wrong URL or key costs a second and not a run."""
    real = {name: each for name, each in loaded.scenario.endpoints.items() if each.simulated is None}
    ports = {name: Port(name, each, manifest.urls[name], keys[name]) for name, each in real.items()}
    if ports:
        preflight.check(ports, prepare.calls(manifest)[0])
