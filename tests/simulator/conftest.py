"""Simulators as their users start them: a process each, a configuration file, base URLs on stdout, a truth file."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Simulator:
    """A running process; `stop` ends it with a signal and returns its lines of truth."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.truth = folder / "truth.jsonl"
        path = folder / "config.json"
        path.write_text(json.dumps({"truth": str(self.truth), **config}))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.simulator", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.urls: dict[str, str] = json.loads(line)["ready"]

    def port(self, name: str) -> int:
        return int(self.urls[name].rsplit(":", 1)[1].removesuffix("/v1"))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        assert (0, "") == (self.process.returncode, errors)
        return [json.loads(line) for line in self.truth.read_text().splitlines()]


Start = Callable[..., Simulator]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(candidates=[...], ...)` begins a simulator; what is not stopped by the test is killed after it."""
    running: list[Simulator] = []

    def begin(**config: Any) -> Simulator:
        running.append(Simulator(tmp_path_factory.mktemp("simulator"), config))
        return running[-1]

    yield begin
    for simulator in running:
        simulator.process.kill()
        simulator.process.communicate()
