"""`signoff run` from the outside: what it leaves, what it promises, and what it does when it is stopped."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from harness import results

FILES = {"manifest.json", "summary.json", "scorecard.csv", "joined.csv", "report.html", "histograms.hlog", "scores.jsonl"}


def truth(run_dir: Path) -> list[dict]:
    return [json.loads(line) for line in (run_dir / "truth.jsonl").read_text().splitlines()]


def test_run_directory_is_whole_and_private(run_dir: Path) -> None:
    """Every file of the design is there, readable by its owner alone."""
    names = {path.name for path in run_dir.iterdir()}
    assert names >= FILES | {"journal-000.jsonl", "answers-000.jsonl"}
    assert 0o700 == stat.S_IMODE(run_dir.stat().st_mode)
    open_to_others = [path.name for path in run_dir.iterdir() if path.stat().st_mode & 0o077]
    assert [] == open_to_others


def test_nothing_is_lost_and_nothing_invented(run_dir: Path) -> None:
    """Attempts in the journal, requests that the server saw, and the summary's counts are the same requests."""
    run = results.read_run(run_dir)
    assert "complete" == run.manifest.state
    assert 0 == run.torn
    assert [] == [attempt.start.id for attempt in run.attempts if attempt.end is None]
    served = Counter((line["candidate"], line["status"]) for line in truth(run_dir))
    seen = Counter((attempt.start.endpoint, attempt.end.http_status) for attempt in run.attempts)
    assert served == seen
    summary = json.loads((run_dir / "summary.json").read_text())
    for name, endpoint in summary["endpoints"].items():
        for level, figures in endpoint["levels"].items():
            mine = [
                attempt
                for attempt in run.attempts
                if (attempt.start.endpoint, attempt.start.level, attempt.start.phase) == (name, level, "measure")
            ]
            assert len(mine) == figures["attempts"]["attempted"]
            assert Counter(attempt.end.kind for attempt in mine) == figures["attempts"]["by_kind"]


def test_every_moment_of_a_window_is_watched(run_dir: Path) -> None:
    """Samples of the load process follow each other without a hole, none crosses an edge, and every level shows them."""
    run = results.read_run(run_dir)
    samples = [sample for _, sample in run.health]
    edges = [mark.at_ns for _, mark in run.marks]
    begins = [sample.at_ns - sample.interval_ns for sample in samples]
    assert [sample.at_ns for sample in samples[:-1]] == begins[1:]
    assert [] == [edge for edge in edges for begin, sample in zip(begins, samples, strict=True) if begin < edge < sample.at_ns]
    assert set(edges) <= {sample.at_ns for sample in samples}
    summary = json.loads((run_dir / "summary.json").read_text())
    assert "VALID" == summary["verdict"]
    for endpoint in summary["endpoints"].values():
        for figures in endpoint["levels"].values():
            assert figures["client"]["reason"].keys() <= {"wait_ratio", "wait_max_ratio"}  # the kernel may not say
            assert 0 < figures["client"]["cpu_ratio"] < 1
            assert 1 == figures["client"]["tokens_per_chunk"]


def test_report_and_score_again_change_nothing(run_dir: Path, signoff: Callable) -> None:
    """A re-report costs nothing and gives the same bytes; a second grading finds nothing to grade."""
    before = {name: (run_dir / name).read_bytes() for name in FILES}
    assert 0 == signoff("score", run_dir).code
    assert 0 == signoff("report", run_dir).code
    assert before == {name: (run_dir / name).read_bytes() for name in FILES}


def test_repricing_changes_the_money_and_nothing_else(run_dir: Path, scenario: Path, signoff: Callable, tmp_path: Path) -> None:
    """Doubled prices double the spend; `report` without them brings the old figures back."""
    dear = tmp_path / "dear"
    shutil.copytree(scenario, dear)
    text = (dear / "scenario.yaml").read_text()
    (dear / "scenario.yaml").write_text(text.replace("input: 1, output: 2", "input: 2, output: 4"))
    before = json.loads((run_dir / "summary.json").read_text())["endpoints"]["quick"]["levels"]["6"]
    again = json.loads(signoff("report", run_dir, "--reprice", dear, "--json").out)["endpoints"]["quick"]["levels"]["6"]
    assert 2 * Decimal(before["usd"]["total"]) == Decimal(again["usd"]["total"])
    assert before["service"] == again["service"]
    signoff("report", run_dir)
    assert before == json.loads((run_dir / "summary.json").read_text())["endpoints"]["quick"]["levels"]["6"]


def test_summary_as_json_on_stdout(run_dir: Path, signoff: Callable) -> None:
    """`--json` prints summary.json and nothing else."""
    done = signoff("report", run_dir, "--json")
    assert json.loads((run_dir / "summary.json").read_text()) == json.loads(done.out)


def test_endpoints_are_asked_the_same_prompts_in_the_same_order(run_dir: Path) -> None:
    """Pairing: user by user, both endpoints get the same sequence of examples at a level."""
    orders: dict[tuple[str, str], dict[int, list[str]]] = {}
    for attempt in results.read_run(run_dir).attempts:
        start = attempt.start
        orders.setdefault((start.endpoint, start.level), {}).setdefault(start.user, []).append(start.example)
    for level in ("2", "6"):
        for user in range(int(level)):
            quick, slow = (orders[endpoint, level][user] for endpoint in ("quick", "slow"))
            shorter = min(len(quick), len(slow))
            assert quick[:shorter] == slow[:shorter]


@pytest.mark.parametrize("phase", ["warmup", "measure"])
def test_ctrl_c_keeps_what_was_measured(phase: str, interrupted: Callable, tmp_path: Path) -> None:
    """One Ctrl-C stops, drains, grades and reports; exit 130; every request that was sent has its end."""
    done = interrupted(phase, warmup_s=6, measure_s=8)
    run = results.read_run((tmp_path / "latest").resolve())
    assert 130 == done.code, done.err
    assert "interrupted" == run.manifest.state
    assert run.attempts
    assert [] == [attempt for attempt in run.attempts if attempt.end is None]
    assert [] == [attempt for attempt in run.attempts if attempt.end.kind == "cancelled"]
    assert (run.path / "summary.json").exists() or phase == "warmup"


def test_second_ctrl_c_cuts_what_is_in_flight(interrupted: Callable, tmp_path: Path, scenario: Path) -> None:
    """Twice cuts: requests in flight end as cancelled, with what was seen, and none is lost."""
    done = interrupted("measure", again_after_s=0.3, measure_s=20, warmup_s=0)
    run = results.read_run((tmp_path / "latest").resolve())
    assert 130 == done.code, done.err
    assert [] == [attempt for attempt in run.attempts if attempt.end is None]


def test_sigterm_is_a_ctrl_c(interrupted: Callable, tmp_path: Path) -> None:
    """A scheduler's SIGTERM keeps the partial run as well."""
    done = interrupted("measure", number=15, measure_s=8)
    assert 130 == done.code, done.err
    assert "interrupted" == results.read_manifest((tmp_path / "latest").resolve()).state


def test_load_process_imports_no_analysis() -> None:
    """A process that makes load imports neither pandas nor scipy, and nothing of grading or reporting."""
    code = (
        "import sys; import locust; sys.argv = ['locust']; import importlib.util as u;"
        "spec = u.spec_from_file_location('f', 'locustfiles/closed_loop.py'); m = u.module_from_spec(spec);"
        "spec.loader.exec_module(m);"
        "heavy = ('pandas', 'scipy', 'genai_prices', 'harness.report', 'harness.cli');"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "[]" == done.stdout.strip(), done.stderr


def test_bare_locust_works(scenario: Path, tmp_path: Path) -> None:
    """The locustfile is Locust's own: `locust -f ... --scenario S --headless` makes a run directory that reports."""
    words = [sys.executable, "-m", "locust", "-f", "locustfiles/closed_loop.py", "--headless", "--only-summary"]
    for extra in ([], ["--processes", "1"]):
        done = subprocess.run(
            [*words, "--scenario", str(scenario), "--out", str(tmp_path), *extra],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env={**os.environ, "LOCUST_MASTER_BIND_PORT": "25557", "LOCUST_MASTER_NODE_PORT": "25557"},
            stdin=subprocess.DEVNULL,
        )
        assert 0 == done.returncode, done.stderr
        run = results.read_run((tmp_path / "latest").resolve())
        assert "complete" == run.manifest.state
        assert all(attempt.end is not None for attempt in run.attempts)
        assert len(truth(run.path)) == len(run.attempts)
