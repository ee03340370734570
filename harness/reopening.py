"""Where a run that was interrupted is made ready to go on: `signoff run --resume`.

The rule: it goes on as what it was. Scenario, seed, prices and order are those of its manifest, and whatever has changed since
then, so that two sessions would measure two things, is refused.
"""

import dataclasses
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import msgspec

import harness
from harness import claim, results, scenario_file, sessions
from harness.assembly import TRUTH, Opened, Simulator, simulator_config, urls
from harness.errors import HarnessError
from harness.load import search_of
from harness.loadgen import prepare, resuming
from harness.loadgen.guard import Guard
from harness.measure.recorder import Totals
from harness.records import Finding, Manifest
from harness.results import Run
from harness.scenario import Scenario
from harness.scenario_file import Loaded
from harness.sessions import Session

NEW = "make a new run: `signoff run SCENARIO`"


def loaded(run: Path) -> Loaded:
    """The scenario of a run that may go on, as its manifest has it. `HarnessError` says why one may not, and what to do."""
    manifest = results.read_manifest(run)
    os.close(claim.claim_resuming(run))  # before the network and ports are tried that the other one may use
    if manifest.state == "complete":
        _refuse(run, "this run is complete: nothing is left to measure", f"look at it: `signoff report {run}`; or {NEW}")
    if manifest.signoff != harness.__version__:
        what = f"this run was begun by signoff {manifest.signoff}, and this is {harness.__version__}"
        _refuse(run, what, f"go on with that version, or {NEW}")
    if scenario_file.digest(manifest.scenario) != manifest.scenario_sha256:
        _refuse(run / results.MANIFEST, "the scenario is not the one that the run was begun with", f"bring it back, or {NEW}")
    scenario = Scenario.model_validate(manifest.scenario)
    if search_of(scenario.load) is not None:
        what = "this run is a search, whose next step depends on how the machine and the endpoint were at the last one"
        _refuse(run, what, NEW)
    prepare.calls(manifest)  # of the data set and the trace that were there then
    folder = Path(manifest.dataset["folder"])
    return Loaded(scenario, folder, folder / scenario_file.FILE, manifest.scenario, manifest.scenario_sha256)


def reopen(run: Path, scenario: Loaded, processes: int, now: datetime) -> Opened:
    """Set aside what was begun in vain, start the simulator again, and write down that another session is planned.

    A run of which nothing but its last word is missing is over by this alone.
    """
    lock = claim.claim_resuming(run)
    try:
        manifest = _gone_on_with(results.read_run(run), processes, now)
        simulator = _simulator(scenario, run) if manifest.state == "planned" else None
    except BaseException:
        os.close(lock)
        raise
    opened = Opened(run, simulator, lock)
    try:
        results.write_manifest(run, msgspec.structs.replace(manifest, urls=manifest.urls | urls(scenario.scenario, simulator)))
    except BaseException:
        opened.close()
        raise
    results.point_latest(run)
    return opened


def _simulator(scenario: Loaded, run: Path) -> Simulator | None:
    config = simulator_config(scenario, run / TRUTH)
    return None if config is None else Simulator(msgspec.structs.replace(config, truth_goes_on=True), run)


def _gone_on_with(run: Run, processes: int, now: datetime) -> Manifest:
    """Planned, or over where nothing is left but to say so. What ended the run early is history from now on."""
    earlier = _ended(run)
    _check_journals(run.path, earlier)
    stays = _of_what_counts(run.manifest)
    done = msgspec.structs.replace(run.manifest, sessions=earlier, findings=stays, played=resuming.finished(run))
    left = resuming.left(done)
    if not left and done.state not in ("running", "interrupted"):
        remedy = f"what stands against it is in its report: `signoff report {run.path}`; or {NEW}"
        _refuse(run.path, "every block of this run was played: nothing is left to measure", remedy)
    if not left:
        return msgspec.structs.replace(done, state="degraded" if stays else "complete", finished_utc=_text(now))
    if not earlier:
        return done  # it was planned and never begun
    if done.played and processes != done.workers:
        _refuse(run.path, f"{processes} load processes, and the run has {done.workers}", f"--processes {done.workers}")
    _check_budget(dataclasses.replace(run, manifest=done))
    new = Session(earlier[-1].number + 1, _text(now), left[0].id, processes)
    return msgspec.structs.replace(done, state="planned", finished_utc=None, sessions=(*earlier, new), workers=processes)


def _of_what_counts(manifest: Manifest) -> tuple[Finding, ...]:
    """Findings that speak of cells which count: where a worker was lost and the others played on, these were fewer."""
    lost = tuple(finding for finding in manifest.findings if finding.code == "worker_lost")
    return lost if len(lost) < manifest.workers else ()


def _ended(run: Run) -> tuple[Session, ...]:
    """The sessions until now, the last one with what became of it; without one that was planned and never begun."""
    manifest = run.manifest
    number = sessions.current(manifest.sessions)
    journals = sessions.journals(run.path, number)
    if manifest.state == "planned" and not journals:
        return manifest.sessions[:-1]
    begun = manifest.sessions or (Session(0, manifest.created_utc, manifest.plan[0].id, manifest.workers),)
    first = sessions.first_worker(begun, number)
    had_users = manifest.state == "running" or any(worker >= first for worker, _ in run.marks)
    ended = msgspec.structs.replace(
        begun[-1],
        workers=manifest.workers if had_users else len(journals),
        state=manifest.state,
        seconds=round(resuming.seconds(run, first), 3),
        why=tuple(f"{finding.code}: {finding.what}" for finding in manifest.findings),
    )
    return (*begun[:-1], ended)


def _check_journals(run: Path, earlier: Iterable[Session]) -> None:
    """Without one of them nobody knows what was finished."""
    for each in earlier:
        here = len(sessions.journals(run, each.number))
        if here < each.workers:
            what = f"{here} of {each.workers} journals of session {each.number + 1} are here"
            _refuse(
                run, what, f"copy {sessions.file_name('journal', each.number, 0)} and its like from every host into this folder"
            )


def _check_budget(run: Run) -> None:
    """What is used up already would stop the run at its first request."""
    budget = Scenario.model_validate(run.manifest.scenario).budget
    breach = Guard(budget, run.manifest.rates, resuming.used(run)).breach(Totals(), 0.0)
    if breach is not None:
        remedy = f"what was measured is kept: `signoff report {run.path}`; to measure more, {NEW} with a larger budget"
        _refuse(run.path, f"the budget of this run is used up: {breach.what}", remedy)


def _text(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")


def _refuse(where: Path, what: str, remedy: str) -> NoReturn:
    raise HarnessError(what, where=str(where), remedy=remedy)
