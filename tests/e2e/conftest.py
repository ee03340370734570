"""Real runs in real processes: small scenarios on simulated endpoints, and the command line as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bare_locust import Locust
from screen import Done

from harness.cli.app import command_line

SIGNOFF = (sys.executable, "-m", "harness.cli.app")
SCENARIO = """
name: tiny
endpoints:
  quick:
    model: sim-quick
    simulated: {ttft: {median_s: 0.03, sigma: 0.2}, itl: {median_s: 0.02, sigma: 0.3}, accuracy: 0.8, seed: 1}
    price: {input: 1, output: 2, source: test}
  slow:
    model: sim-slow
    simulated: {ttft: {median_s: 0.06, sigma: 0.2}, itl: {median_s: 0.03, sigma: 0.3}, accuracy: 0.6, error_rate: 0.1, seed: 2}
    price: {input: 0.5, output: 1, source: test}
prompts: {dataset: examples.jsonl, template: "{{ prompt }}"}
load: {levels: [2, 6], warmup_s: 0.3, measure_s: 1.2, drain_s: 3}
grading: {scorer: exact}
slo: ["e2e.p50 <= 10 s"]
"""


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario of 40 short questions for two simulated endpoints."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"The answer to {n} is {7 * n}."} for n in range(40)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="session")
def signoff() -> Callable[..., Done]:
    """Run a verb to its end."""

    def call(*words: object, cwd: Path | None = None, limit_s: float = 90, **environ: str) -> Done:
        done = subprocess.run(
            [*SIGNOFF, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            cwd=cwd,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run a verb to its end in this process: what it imports takes a second, which is paid once. Not for what loads Locust."""

    def call(*words: object, cwd: Path) -> Done:
        monkeypatch.chdir(cwd)
        arguments = [str(word) for word in words]
        with pytest.raises(SystemExit) as caught:
            command_line(arguments)(arguments, prog_name="signoff")
        return Done(int(caught.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def run_dir(scenario: Path, signoff: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run of the tiny scenario, for tests that only look."""
    out = tmp_path_factory.mktemp("runs")
    done = signoff("run", scenario, "--out", out, "--metrics", "")
    assert 0 == done.code, done.err
    return (out / "latest").resolve()


@pytest.fixture
def interrupted(scenario: Path, tmp_path: Path) -> Iterator[Callable[..., Done]]:
    """Start a run, send it a signal as soon as its progress shows a phase, and wait for its end."""
    started: list[subprocess.Popen[str]] = []

    def call(phase: str, *, again_after_s: float | None = None, number: int = signal.SIGINT, **load: float) -> Done:
        sets = [word for key, value in load.items() for word in ("--set", f"load.{key}={value}")]
        words = [*SIGNOFF, "run", str(scenario), "--out", str(tmp_path), "--metrics", "", *sets]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        started.append(child)
        assert child.stderr is not None
        seen = []
        for line in child.stderr:
            seen.append(line)
            if phase in line:
                break
        child.send_signal(number)
        if again_after_s is not None:
            time.sleep(again_after_s)
            child.send_signal(number)
        out, err = child.communicate(timeout=60)
        return Done(child.returncode, out, "".join(seen) + err)

    yield call
    for child in started:
        if child.poll() is None:
            child.kill()
            child.wait()


@pytest.fixture
def locust(tmp_path: Path) -> Iterator[Callable[..., Locust]]:
    """Start one; at the end of the test none is left."""
    started: list[Locust] = []

    def start(name: str, *words: object, **environ: str) -> Locust:
        started.append(Locust(tmp_path, name, *words, **environ))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()
