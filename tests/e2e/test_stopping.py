"""A run that is stopped or loses a process: what was measured is kept, the exit code says what happened, nobody is left."""

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Running, running

from harness import results
from harness.report import build

SCENARIO = """
name: stopped
endpoints:
  first: {model: sim, simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.02}}}
  second: {model: sim, simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.02}, seed: 2}}
prompts: {dataset: examples.jsonl}
load: {levels: [4], warmup_s: 0, measure_s: 20, drain_s: 10, design: sequential}
grading: {scorer: patience.exact}
"""
PATIENT_SCORER = """
import os, time
from harness.score.scorers import exact

def scorer():
    grade = exact.scorer()
    def slowly(text, example):
        time.sleep(float(os.environ.get("PATIENCE_S", "0")) if text else 0)
        return grade(text, example)
    return slowly
"""
MADE = (results.SUMMARY, build.SCORECARD, build.JOINED, build.HLOG, build.HTML)
CUT_OFF = {"storage", "attempts_lost", "torn_lines"}
WORDS = 50  # an answer takes about a second


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two endpoints, one after the other, with answers of a second, and a scorer that takes its time when told to."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"{n} " + "so " * WORDS} for n in range(20)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "patience").mkdir()
    (folder / "patience" / "__init__.py").touch()
    (folder / "patience" / "exact.py").write_text(PATIENT_SCORER)
    return folder


@pytest.fixture(autouse=True)
def _patience(scenario: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(scenario))


def importing(run: Running) -> bool:
    return "pydantic_core" in Path(f"/proc/{run.process.pid}/maps").read_text()


def starting_locust(run: Running) -> bool:
    return (run.out / "latest" / "locust.log").exists()


def starting_users(run: Running) -> bool:
    return "starting" in run.err


@pytest.mark.parametrize("moment", [importing, starting_locust, starting_users])
def test_ctrl_c_before_the_first_block(moment: Callable[[Running], bool], scenario: Path, tmp_path: Path) -> None:
    """While there is nothing to keep, Ctrl-C ends everything at once: exit 130, no traceback, no process."""
    with running(scenario, tmp_path) as run:
        run.until(lambda: moment(run))
        run.send()
        assert 130 == run.end(limit_s=10), run.err
        assert "Traceback" not in run.err
        run.until_nobody_is_left(0)


def test_ctrl_c_in_the_drain_and_again_while_grading(scenario: Path, tmp_path: Path, signoff: Callable) -> None:
    """The drain goes on to its end and the next endpoint is not begun; then the grades are kept, and grading can go on."""
    with running(scenario, tmp_path, "--set", "load.measure_s=0.5", PATIENCE_S="0.5") as run:
        run.until_journal_says('"edge":"close"')
        run.send()
        scores = run.out / "latest" / results.SCORES
        run.until(lambda: scores.exists() and scores.read_text().count("\n") >= 2)
        run.send()
        assert 130 == run.end(limit_s=5), run.err
        run.until_nobody_is_left(0)
    assert "signoff score" in run.err
    assert "Traceback" not in run.err
    kept = results.read_run(run.run)
    assert "interrupted" == kept.manifest.state
    assert [("first", "ok")] * 4 == [(each.start.endpoint, each.end and each.end.kind) for each in kept.attempts]
    assert 0 == signoff("score", run.run).code
    assert 4 == len(results.read_grades(run.run))


def test_killed_master(scenario: Path, tmp_path: Path, signoff: Callable) -> None:
    """SIGKILL of Locust's master: its worker ends what was in flight, the run is INVALID, and each report is the same."""
    with running(scenario, tmp_path) as run:
        run.until_journal_says('"t":"end"', times=4)
        os.kill(os.getpgid(run.workers[0]), signal.SIGKILL)
        assert 4 == run.end(limit_s=15), run.err
        assert "killed by signal 9" in run.err
        kept = results.read_run(run.run)
        assert ["not_finished"] == [finding.code for finding in kept.findings if finding.invalid]
        assert [] == [each for each in kept.attempts if each.end is None]
        run.until_nobody_is_left(0)
        made = [(run.run / name).read_bytes() for name in MADE]
        copy = shutil.copytree(run.run, tmp_path / "elsewhere" / "copy")
        for folder in (run.run, copy):
            assert 4 == signoff("report", folder).code
            assert made == [(folder / name).read_bytes() for name in MADE]


def test_killed_signoff(scenario: Path, tmp_path: Path) -> None:
    """SIGKILL of `signoff run` itself: simulator and load end by themselves, every request that was sent has its end."""
    with running(scenario, tmp_path) as run:
        run.until_journal_says('"t":"end"', times=4)
        run.send(signal.SIGKILL)
        run.end(limit_s=1)
        run.until_nobody_is_left(6)
        kept = results.read_run(run.run)
        assert "degraded" == kept.manifest.state
        assert ["abandoned"] == [finding.code for finding in kept.findings if finding.invalid]
        assert [] == [each for each in kept.attempts if each.end is None]


def test_full_disk(scenario: Path, tmp_path: Path) -> None:
    """A journal that cannot grow stops the load: exit 6, and what was written before is reported."""
    with running(scenario, tmp_path) as run:
        run.until_journal_says('"t":"end"', times=4)
        (worker,) = run.workers
        size = (run.run / "journal-000.jsonl").stat().st_size
        resource.prlimit(
            worker, resource.RLIMIT_FSIZE, (size + 50, size + 50)
        )  # the kernel says EFBIG where it would say ENOSPC
        assert 6 == run.end(limit_s=20), run.err
        kept = results.read_run(run.run)
        assert "failed_storage" == kept.manifest.state
        assert {"storage", "attempts_lost"} <= {finding.code for finding in kept.findings} <= CUT_OFF
        assert sum(each.end is not None for each in kept.attempts) >= 4
        assert (run.run / "report.html").exists()
        run.until_nobody_is_left(0)
