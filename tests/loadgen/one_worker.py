"""A worker of this process with its users at the real simulator."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent

from harness import assembly, results, scenario_file
from harness.loadgen import prepare
from harness.loadgen.gate import Turn
from harness.loadgen.worker import Worker
from harness.records import Phase
from harness.results import Run

SYSTEM = "You answer briefly and say nothing that nobody has asked you."
SCENARIO = """
name: talk
endpoints:
  one:
    model: sim
    simulated: {ttft: {median_s: 0.003}, itl: {median_s: 0}, accuracy: 1, prefix_cache: true}
prompts: {dataset: examples.jsonl, system: %s}
load: {levels: [1], warmup_s: 0, measure_s: 60, start_over_s: 0}
"""


class Load:
    """A worker with so many users at a simulator of its own, for as long as a test wants."""

    def __init__(self, folder: Path, data: list[dict[str, Any]], *changes: str) -> None:
        (folder / "scenario.yaml").write_text(SCENARIO % json.dumps(SYSTEM))
        (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
        self.loaded = scenario_file.load(folder, list(changes))
        self.opened = assembly.open_run(self.loaded, folder / "runs", datetime.now(UTC))
        manifest = results.read_manifest(self.opened.run)
        self.worker = Worker(self.opened.run, manifest, prepare.calls(manifest), prepare.keys(manifest), 0, 1)
        self.blocks = [each for each in manifest.plan if each.phase is Phase.MEASURE]
        self.block = self.blocks[0]
        self.bugs: list[str] = []  # that a test expects
        self._users = [gevent.spawn(self._replay) for _ in range(self.block.concurrency)]
        gevent.sleep(0)

    def _replay(self) -> None:
        seat = self.worker.seat()
        try:
            while True:
                turn: Turn | None = seat.turns.turn(seat.number)
                if turn is None:
                    seat.turns.wait(seat.number)
                    continue
                self.worker.attempt(seat, turn)
        finally:
            self.worker.leave(seat)

    def until(self, holds: Callable[[Worker], bool]) -> None:
        with gevent.Timeout(30):
            while not holds(self.worker):
                gevent.sleep(0.002)

    def run(self, until: Callable[[Worker], bool]) -> Run:
        """Load until this holds, and what it came to."""
        try:
            self.worker.open((self.block,))
            self.until(until)
            self.worker.close()
            self.until(lambda worker: worker.is_idle)
            gevent.sleep(0.01)
            assert not self.worker.in_flight
            self.worker.finish()
            assert self.bugs == [repr(bug) for bug in self.worker.drain.bugs]
        finally:
            gevent.killall(self._users)
            self.worker.drain.close()
            self.opened.close()
        return results.read_run(self.opened.run)
