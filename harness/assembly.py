"""Where a run is put together from the stages: scenario, prices, simulator, run directory.

`signoff run` and a bare `locust -f locustfiles/...` both start here, so that they are one engine with two doors.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from harness import results
from harness.errors import HarnessError
from harness.loadgen import prepare
from harness.price import contract
from harness.rates import Rates
from harness.records import Call, Example
from harness.scenario import Scenario
from harness.scenario_file import Loaded
from harness.score import runner
from harness.simulator import knowledge
from harness.simulator.candidate import Candidate
from harness.simulator.config import Config

TRUTH = "truth.jsonl"
KNOWLEDGE_SEED = 1
STOP_S = 20.0


class Simulator:
    """The bundled simulator as a child process; `urls` are the addresses of its candidates. Stop it, or leave the `with`."""

    def __init__(self, config: Config, folder: Path) -> None:
        file = folder / "simulator.json"
        results.write_atomic(file, msgspec.json.encode(config))
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.simulator", str(file)],
            stdin=subprocess.PIPE,  # it ends when this pipe does, so also when we are killed
            stdout=subprocess.PIPE,
            umask=0o077,
            start_new_session=True,  # a Ctrl-C at the terminal is for signoff; the simulator outlives the drain
        )
        assert self._child.stdout is not None, "asked for above"
        line = self._child.stdout.readline()
        if not line:
            raise HarnessError("the simulator did not start", where=str(file), remedy="its message is above")
        self.urls: dict[str, str] = json.loads(line)["ready"]

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait(self) -> None:
        """Until it ends by itself, which it does only when somebody ends it."""
        self._child.wait()

    def stop(self) -> None:
        """Let it write its truth down and go."""
        with suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()


class Opened:
    """A run that is ready to be made: its directory, and the simulator that plays some of its endpoints (or None).

    lock  a file descriptor that is held until the run is closed
    """

    def __init__(self, run: Path, simulator: Simulator | None, lock: int | None = None) -> None:
        self.run, self.simulator, self._lock = run, simulator, lock

    def close(self) -> None:
        if self.simulator is not None:
            self.simulator.stop()
        if self._lock is not None:
            os.close(self._lock)


def open_run(loaded: Loaded, out: Path, now: datetime) -> Opened:
    """Create the run directory, start the simulator where endpoints are simulated, and write the manifest."""
    prices = rates(loaded.scenario, now)
    examples = prepare.sampled(loaded)
    check(loaded.scenario, examples)
    run = results.create(out, loaded.scenario.name, now)
    config = simulator_config(loaded, run / TRUTH)
    simulator = None if config is None else Simulator(config, run)
    prepare.write(loaded, run, examples, prices, urls(loaded.scenario, simulator), now)
    _copy_calibration([loaded.folder, out], run)
    results.point_latest(run)
    return Opened(run, simulator)


def urls(scenario: Scenario, simulator: Simulator | None) -> dict[str, str]:
    """Where the simulated endpoints are; one that is asked as two is at one address."""
    found = {} if simulator is None else dict(simulator.urls)
    if scenario.load.aa in found:
        found[str(scenario.load.again)] = found[scenario.load.aa]
    return found


def _copy_calibration(folders: Iterable[Path], run: Path) -> None:
    """The first one goes into the run directory as it stands: a report says what the machine could measure then, or that
    this is no calibration.
    """
    found = next((file for folder in folders if (file := folder / results.CALIBRATION).is_file()), None)
    if found is None:
        return
    try:
        data = found.read_bytes()
    except OSError as failed:
        remedy = "make it readable, or remove it"
        raise HarnessError(f"cannot be read: {failed.strerror}", where=str(found), remedy=remedy) from failed
    results.write_atomic(run / results.CALIBRATION, data)


def check(scenario: Scenario, examples: tuple[Example, ...]) -> tuple[Call, ...]:
    """The prompts of these examples. `HarnessError` where template or scorer does not fit the data: free of charge now."""
    calls = prepare.calls_of(scenario, examples)
    if scenario.grading is not None:
        runner.check(examples, runner.build(scenario.grading.scorer, scenario.grading.options))
    return calls


def simulator_config(loaded: Loaded, truth: Path | None, port: int = 0) -> Config | None:
    """How to play this scenario's simulated endpoints, with all answers known; None when it has none."""
    played = _candidates(loaded.scenario)
    if not played:
        return None
    examples = prepare.sampled(loaded)
    calls = prepare.calls_of(loaded.scenario, examples)
    known = knowledge.build({each.id: (each, call) for each, call in zip(examples, calls, strict=True)}, KNOWLEDGE_SEED)
    return Config(
        candidates=played,
        port=port,
        truth=None if truth is None else str(truth),
        knowledge=tuple(known),
        until_stdin_closes=True,
    )


def rates(scenario: Scenario, now: datetime) -> dict[str, Rates | None]:
    """The price of every endpoint, frozen for the run; None where the scenario states none."""
    found: dict[str, Rates | None] = {}
    for name, endpoint in scenario.endpoints.items():
        stated = None if endpoint.price is None else endpoint.price.model_dump(exclude_none=True)
        where = f"endpoints.{name}.price"
        found[name] = None if stated is None else contract.rates(stated, where, now.date())
    return found


def _candidates(scenario: Scenario) -> tuple[Candidate, ...]:
    """The simulated endpoints as the simulator's own records: one that is asked as two is one."""
    return tuple(
        msgspec.convert({"name": name, "model": endpoint.model, **endpoint.simulated.model_dump()}, Candidate)
        for name, endpoint in scenario.endpoints.items()
        if endpoint.simulated is not None and name != scenario.load.again
    )
