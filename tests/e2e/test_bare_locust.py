"""Locust as a user types it, with two processes of its own: it is stopped as a run is, and leaves nobody behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Running, running

from harness import bundled, results
from harness.records import AttemptEnd

SCENARIO = """
name: bare
endpoints: {first: {model: sim, simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.02}}}}
prompts: {dataset: examples.jsonl}
load: {levels: [4], warmup_s: 0, measure_s: 30, drain_s: 10}
"""


class Bare(Running):
    """The same, but for `signoff run`; its process is Locust's master."""

    def __init__(self, scenario: Path, folder: Path, *words: object) -> None:
        self.out, self._printed, self._said = folder / "runs", folder / "stdout", folder / "stderr"
        port = free_port()
        command = [sys.executable, "-m", "locust", "-f", bundled.folder("locustfiles") / "closed_loop.py", "--headless"]
        command += ["--scenario", scenario, "--out", self.out, "--processes", 2, "--only-summary", "--loglevel", "WARNING"]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port, *words]
        with self._printed.open("wb") as stdout, self._said.open("wb") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def workers(self) -> list[int]:
        return sorted(pid for pid in self.family if pid != self.simulator)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Bare]:
    """Begun, with a few answers in the first journal; all of it is gone afterwards."""
    scenario = tmp_path / "bare"
    scenario.mkdir()
    (scenario / "scenario.yaml").write_text(SCENARIO)
    rows = [f'{{"id": "q{n}", "prompt": "Question {n}?", "expected": "{n} {"so " * 40}"}}\n' for n in range(20)]
    (scenario / "examples.jsonl").write_text("".join(rows))
    with running(scenario, tmp_path, made=Bare) as run:
        run.until_journal_says('"t":"end"', times=4)
        yield run


def kinds(run: Running) -> set[str | None]:
    return {each.end and each.end.kind for each in results.read_run(run.run).attempts}


def test_one_ctrl_c_drains(bare: Bare) -> None:
    """It goes to all processes, as from a terminal: what is in flight ends by itself, and the run is interrupted."""
    os.killpg(bare.process.pid, signal.SIGINT)
    assert 130 == bare.end(limit_s=15), bare.err
    bare.until_nobody_is_left(0)
    assert ("interrupted", {"ok"}) == (results.read_manifest(bare.run).state, kinds(bare))


def test_two_ctrl_c_cut(bare: Bare) -> None:
    """What is in flight ends at once, as cancelled."""
    for _ in range(2):
        os.killpg(bare.process.pid, signal.SIGINT)
        bare.until(lambda: True)
        signal.sigtimedwait([], 0.3)
    assert 130 == bare.end(limit_s=15), bare.err
    bare.until_nobody_is_left(0)
    assert ("interrupted", {"ok", "cancelled"}) == (results.read_manifest(bare.run).state, kinds(bare))


def test_a_process_that_stands_still_is_not_left_behind(bare: Bare) -> None:
    """The other one goes on, and Ctrl-C ends the run; what was given up is in no figure."""
    os.kill(bare.workers[0], signal.SIGSTOP)
    bare.until(lambda: bool(results.read_manifest(bare.run).losses))
    os.killpg(bare.process.pid, signal.SIGINT)
    assert 4 == bare.end(limit_s=15), bare.err
    bare.until_nobody_is_left(0)
    kept = results.read_run(bare.run)
    assert ("degraded", 1) == (kept.manifest.state, len(kept.manifest.losses))
    assert all(isinstance(each.end, AttemptEnd) for each in (*kept.attempts, *kept.aside))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_master_that_waits_for_workers_can_be_stopped(number: signal.Signals, tmp_path: Path, locust: Callable) -> None:
    """Locust itself would wait for them, whatever it is told."""
    scenario = tmp_path / "waiting"
    scenario.mkdir()
    (scenario / "scenario.yaml").write_text(SCENARIO)
    (scenario / "examples.jsonl").write_text('{"id": "q", "prompt": "Question?", "expected": "x"}\n')
    words = [
        "--master",
        "--expect-workers",
        2,
        "--master-bind-port",
        free_port(),
        "--scenario",
        scenario,
        "--out",
        tmp_path / "runs",
    ]
    master = locust("master", *words, "-f", bundled.folder("locustfiles") / "closed_loop.py", SIGNOFF_TOKEN=64 * "3")
    master.until((tmp_path / "runs" / "latest" / ".lock").exists)
    master.until(lambda: "starting" in master.log)
    master.process.send_signal(number)
    assert 130 == master.end(limit_s=10), master.log
    assert "planned" == results.read_manifest(tmp_path / "runs" / "latest").state
