"""`signoff run SCENARIO`: load the endpoints, grade the answers, price them, print the scorecard and write the report."""

import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness import assembly, bundled, credentials, reopening, reserve, results, scenario_file, sessions
from harness.cli import parallel
from harness.cli.child import Child, command
from harness.cli.grading import grade_run
from harness.cli.live import Live
from harness.cli.report import show
from harness.credentials import Secrets
from harness.errors import ExitCode, HarnessError, StorageError, worst
from harness.load import search_of
from harness.loadgen import plan, preflight, prepare
from harness.loadgen.exporter import Exporter, RunInfo, address
from harness.loadgen.port import Port
from harness.measure.recorder import Totals
from harness.records import Manifest
from harness.scenario import Scenario
from harness.scenario_file import Loaded

OUT = Path("runs")


def run(  # noqa: PLR0913, PLR0917 - one parameter per option
    scenario: Annotated[str | None, typer.Argument(help="A scenario's folder or file, or the name of a bundled one.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="KEY.PATH=VALUE over the file's; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the run directory is made.")] = OUT,
    processes: Annotated[int | None, typer.Option(min=1, help="Load-making processes on this machine; else 1.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run, in place of a SCENARIO.")
    ] = None,
    aa: Annotated[str | None, typer.Option(metavar="ENDPOINT", help="Ask this endpoint as two, to see what is noise.")] = None,
    metrics: Annotated[
        str, typer.Option(help="Serve Prometheus on HOST:PORT during the run; '' serves none.")
    ] = "127.0.0.1:9646",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the scorecard.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> ExitCode:
    """Replay the prompts under load and end with a scorecard.

    Ctrl-C once stops and drains, twice cuts what is in flight; what was measured is kept and reported. A run that was stopped
    or killed goes on with --resume, at its first unfinished block; what of that was done is done again, and told apart.
    """
    given = [*(overrides or ()), *([] if aa is None else [f"load.aa={aa}"])]
    if resume is not None:
        refuse_others(scenario, given, is_elsewhere=out != OUT)
        run_dir = resume.resolve()
        loaded, out = reopening.loaded(run_dir), run_dir.parent
        processes = results.read_manifest(run_dir).workers if processes is None else processes
    else:
        loaded, processes = scenario_file.load(named(scenario), given), processes or 1
    keys = credentials.secrets(loaded.scenario, loaded.folder, os.environ)  # a missing key is found before anything is made
    if metrics:
        _check_free(metrics)
    parallel.check(loaded, out, processes)
    plan.check_hands(loaded.scenario.load, processes)
    _preflight(loaded, keys)
    now = datetime.now(UTC)
    opened = assembly.open_run(loaded, out, now) if resume is None else reopening.reopen(run_dir, loaded, processes, now)
    code = ExitCode.OK
    try:
        manifest = results.read_manifest(opened.run)
        if manifest.state == "planned":
            code = load(opened.run, loaded.scenario, manifest, processes, metrics, quiet=quiet)
    finally:
        opened.close()
    ended = results.read_manifest(opened.run)
    if ended.state == "planned":  # the load process did not come to its first block: there is nothing to report
        for finding in ended.findings:
            print(f"signoff: {finding.code}: {finding.what}", file=sys.stderr)
        if code is ExitCode.OK:
            print(f"signoff: {opened.run}: the run ended before its first block: nothing was measured", file=sys.stderr)
        return ExitCode.INVALID if code is ExitCode.OK else code
    code = worst([code, _judge(opened.run, loaded.scenario, as_json=as_json, quiet=quiet)])
    _tell_how_to_go_on(opened.run, loaded.scenario, ended, quiet=quiet)
    return code


def load(run_dir: Path, scenario: Scenario, manifest: Manifest, processes: int, metrics: str, *, quiet: bool) -> ExitCode:
    """The load alone, of a run that is ready, by a Locust child of which nothing is left afterwards."""
    locustfile = bundled.folder("locustfiles") / ("open_loop.py" if scenario.load.is_open else "closed_loop.py")
    words = command(locustfile, run_dir, processes, metrics)
    live = Live(manifest, quiet=quiet)
    live.note(f"$ {shlex.join(['locust', *words[3:]])}")
    number = sessions.current(manifest.sessions)
    with Child(words, run_dir / f"locust{f'-{number}' if number else ''}.log", dict(os.environ)) as child, live:
        for status in child.statuses():
            live.show(status, child.interrupts)
    reserve.free(run_dir)  # of a child that was killed
    complaint = child.complaint()
    if complaint is not None:
        print(complaint, file=sys.stderr)
    return child.exit_code()


def named(scenario: str | None) -> str:
    """`HarnessError` where nothing is named."""
    if scenario is None:
        raise HarnessError("nothing to run", where="SCENARIO", remedy="name a scenario; `signoff list` shows the bundled ones")
    return scenario


def refuse_others(scenario: str | None, overrides: list[str], *, is_elsewhere: bool) -> None:
    """A run goes on as what it was: nothing else is said beside --resume."""
    said = {"SCENARIO": scenario is not None, "--set or --aa": bool(overrides), "--out": is_elsewhere}
    wrong = next((name for name, is_said in said.items() if is_said), None)
    if wrong is not None:
        remedy = f"drop {wrong}, or make a new run without --resume"
        raise HarnessError("a run goes on with the scenario in its manifest, where it is", where=wrong, remedy=remedy)


def _tell_how_to_go_on(run_dir: Path, scenario: Scenario, ended: Manifest, *, quiet: bool) -> None:
    is_whole = {block.cell for block in ended.plan} <= set(ended.played)
    if (
        ended.state in ("running", "interrupted", "degraded")
        and not is_whole
        and search_of(scenario.load) is None
        and not quiet
    ):
        print(f"signoff: stopped before its end; go on with `signoff run --resume {run_dir}`", file=sys.stderr)


def _judge(run_dir: Path, scenario: Scenario, *, as_json: bool, quiet: bool) -> ExitCode:
    """Grade and report; who stops it hears how to go on."""
    try:
        graded = ExitCode.OK if scenario.grading is None else _grade(run_dir, quiet=quiet)
        return worst([graded, show(run_dir, as_json=as_json)])
    except KeyboardInterrupt:
        print(f"signoff: kept in {run_dir}; go on with `signoff score` and `signoff report`", file=sys.stderr)
        raise


def _grade(run_dir: Path, *, quiet: bool) -> ExitCode:
    """A run whose answers cannot all be graded is still reported, with what there is."""
    try:
        grade_run(run_dir, quiet=quiet)
    except StorageError as lacking:
        print(f"signoff: {lacking}", file=sys.stderr)
        return lacking.exit_code
    return ExitCode.OK


def _check_free(metrics: str) -> None:
    """A taken port is found before anything is sent."""
    exporter = Exporter(Totals(), RunInfo("", "", "", {}))
    host, port = address(metrics)
    exporter.start(port, host)
    exporter.stop()


def _preflight(loaded: Loaded, keys: dict[str, Secrets]) -> None:
    """Ask every real endpoint once, before anything is made: a wrong URL or key costs a second and not a run."""
    real = {name: each for name, each in loaded.scenario.endpoints.items() if each.base_url is not None}
    ports = {name: Port(name, each, str(each.base_url), keys[name], loaded.folder) for name, each in real.items()}
    if ports:
        preflight.check(ports, assembly.check(loaded.scenario, prepare.sampled(loaded))[0])
