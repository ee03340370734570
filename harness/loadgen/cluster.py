"""How one run sits in Locust: who is master, who makes load, and when Locust may spawn and quit.

Called by a locustfile. In a distributed run the master conducts and exports; in a plain `locust` process both ends are here.
"""

import functools
import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import LoadTestShape, events
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from harness import reserve, results
from harness.errors import ExitCode, HarnessError
from harness.load import search_of
from harness.loadgen import children, door, page, plan, prepare, resuming
from harness.loadgen.conductor import Conductor
from harness.loadgen.guard import Guard
from harness.loadgen.home import Own
from harness.loadgen.member import Member
from harness.loadgen.plan import Fixed, Source
from harness.scenario import Scenario

log = logging.getLogger(__name__)
WATCH_S = 0.5


class PopulationShape(LoadTestShape):
    """Spawns the largest population once, parked, when every worker is ready, and ends Locust when the run is over."""

    abstract = True
    conductor: ClassVar[Conductor | None] = None
    spawned: ClassVar[bool] = False

    def tick(self) -> tuple[int, float] | None:
        """Blocks instead of being asked again: Locust's one-second ticks are too coarse for the end of a run."""
        conductor = self.conductor
        assert conductor is not None, "the init event comes before the first tick"
        if not PopulationShape.spawned:
            PopulationShape.spawned = True
            while not (conductor.ready or conductor.stopped or conductor.over.is_set()):
                gevent.sleep(0.02)
            if conductor.ready and not conductor.stopped:
                return conductor.population, float(conductor.population)
        conductor.over.wait()
        return None


Started = Callable[[Conductor, Path, str], None]


def join(environment: Any, runner: Any, run_of: Callable[[Any], Path], started: Started) -> None:
    """The `init` event. `run_of(options)` prepares or finds the run directory on the master; `started` sees the conductor.

    Metrics are served by a master only: a process that makes load serves no HTTP.
    """
    if isinstance(runner, WorkerRunner):
        options = environment.parsed_options
        member = Member(runner, prepare.calls, prepare.keys, Own(options.scenario, Path(options.out)))
        signal.signal(signal.SIGINT, lambda *_: None if member.is_set_up else sys.exit(ExitCode.INTERRUPTED))
        return  # at work it obeys the master, not a stray Ctrl-C, and leaves by itself when the master is gone
    if not isinstance(runner, MasterRunner):
        Member(runner, prepare.calls, prepare.keys)
    try:
        _conduct(environment, runner, run_of(environment.parsed_options), started)
    except HarnessError as mistake:
        log.error("%s", mistake)  # noqa: TRY400 - the user's mistake, on one screen
        raise SystemExit(mistake.exit_code) from mistake


def _conduct(environment: Any, runner: Any, run: Path, started: Started) -> None:
    manifest = results.read_manifest(run)
    workers = max(1, environment.parsed_options.expect_workers) if isinstance(runner, MasterRunner) else 1
    runner.quit = functools.cache(runner.quit)  # Locust calls it twice, and waits half a second each time
    scenario = Scenario.model_validate(manifest.scenario)
    plan.check_hands(scenario.load, workers)
    drain_s = scenario.load.drain_s
    source = _search(scenario, run) if search_of(scenario.load) is not None else None
    reserve.hold(run, len(plan.lanes(manifest.plan)) * (source or Fixed(manifest.plan)).users)
    conductor = PopulationShape.conductor = Conductor(runner, run, manifest, workers, drain_s, source)
    _receive(runner, conductor, workers)
    before = resuming.used(results.read_run(run)) if manifest.sessions else None
    conductor.guard(Guard(scenario.budget, manifest.rates, before))
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, conductor.interrupt)
    events.spawning_complete.add_listener(lambda **_: conductor.populated.set())
    events.quitting.add_listener(lambda environment, **_: _exit_with(environment, conductor))
    if environment.web_ui is not None:
        page.close_to_strangers(environment, conductor)
    started(conductor, run, environment.parsed_options.metrics if isinstance(runner, MasterRunner) else "")
    gevent.spawn(conductor.play)
    if isinstance(runner, MasterRunner):
        gevent.spawn(_watch, runner, conductor, environment.parsed_options)


def _receive(runner: Any, conductor: Conductor, workers: int) -> None:
    """Workers are let in, now that somebody listens. A locustfile that asks for none of this has no door."""
    entrance = door.of(runner)
    if entrance is not None:
        entrance.open(workers)
        conductor.at_the_door = lambda: door.findings(runner, "the master")


def _search(scenario: Scenario, run: Path) -> Source:
    from harness.loadgen.journals import Journals  # noqa: PLC0415 - they load scipy
    from harness.loadgen.searching import Searching  # noqa: PLC0415

    return Searching(scenario, Journals(run, lambda: gevent.sleep(0)), time.monotonic)


def _watch(runner: MasterRunner, conductor: Conductor, options: Any) -> None:
    """Locust tells nobody that a worker is missing. What it calls missing may come back; until all are ready it is believed."""
    while not conductor.over.is_set():
        present = {each.id for each in runner.clients.all if conductor.ready or each.state != STATE_MISSING}
        conductor.look(present, 0 if conductor.ready else _missing(options.processes))
        gevent.sleep(WATCH_S)
    options.expect_workers = 0  # Locust may still wait for workers, and hears no signal then


def _missing(processes: int | None) -> int:
    """Forks that are gone. One that ends before it has said anything is known to nobody else."""
    forks = children.forks() if processes else None
    return 0 if forks is None or processes is None else max(0, processes - forks)


def _exit_with(environment: Any, conductor: Conductor) -> None:
    """Locust quits by itself when its last worker is missing, or at a SIGTERM; the end of the run is the conductor's."""
    conductor.over.wait()
    environment.process_exit_code = int(conductor.exit_code)
