"""Closed loops that end by the number of requests, and the end of a run with work in flight: nothing more, nothing less."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import results
from harness.records import Phase

SCENARIO = """
name: counted
endpoints: {first: {model: sim, simulated: {ttft: {median_s: 0.01, sigma: 1.0}, itl: {median_s: 0.0005}}}}
prompts: {dataset: examples.jsonl, nonce: attempt, reuse_share: 0.3}
load: {levels: [5], warmup_s: 0.3, measure_s: 60, drain_s: 10, requests: 203, seed: 4}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of a few words, which take between 5 and 50 ms."""
    folder = tmp_path_factory.mktemp("counted")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"{n} {n} {n}"} for n in range(30)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_any_number_of_workers_makes_the_same_calls(scenario: Path, tmp_path: Path, signoff: Callable) -> None:
    """Each user the same examples in the same order, whatever worker it is at and however fast the answers come."""
    asked = []
    for processes in (1, 2, 3):
        done = signoff(
            "run", scenario, "--out", tmp_path / str(processes), "--metrics", "", "--processes", processes, "--quiet"
        )
        run = results.read_run((tmp_path / str(processes) / "latest").resolve())
        assert "complete" == run.manifest.state, done.err
        measured = [each for each in run.attempts if each.start.phase is Phase.MEASURE]
        assert {"ok": 203} == Counter(each.end and each.end.kind for each in measured)
        in_order = sorted(measured, key=lambda each: each.begun_ns)
        asked.append({user: [each.start.example for each in in_order if each.start.user == user] for user in range(5)})
    assert [41, 41, 41, 40, 40] == [len(examples) for examples in asked[0].values()]
    assert asked[0] == asked[1] == asked[2]


def test_a_window_that_is_over_first_is_told(scenario: Path, tmp_path: Path, signoff: Callable) -> None:
    """measure_s is the longest that a level may take; what it then lacks is said."""
    sets = ["--set", "load.measure_s=0.5", "--set", "load.requests=100000"]
    done = signoff("run", scenario, "--out", tmp_path, "--metrics", "", "--quiet", *sets)
    manifest = results.read_manifest((tmp_path / "latest").resolve())
    found = {finding.code: finding.what for finding in manifest.findings}
    assert "first at 5 users had not made its 100,000 requests in 0.5 s" == found.get("requests_unfinished"), done.err


@pytest.mark.parametrize("requests", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_nothing_is_missing_at_the_end(requests: int, scenario: Path, tmp_path: Path, signoff: Callable) -> None:
    """The last block is closed with work in flight at two processes: every request has its end, and the live sums hold it."""
    rate = requests / 5
    load = json.dumps({"kind": "open", "levels": [rate], "users": 200, "warmup_s": 0, "measure_s": 5, "drain_s": 10})
    sets = ["--set", f"load={load}", "--set", "endpoints.first.simulated.ttft.median_s=0.3"]
    signoff("run", scenario, "--out", tmp_path, "--metrics", "", "--quiet", "--processes", 2, *sets)
    run = results.read_run((tmp_path / "latest").resolve())
    codes = {finding.code for finding in run.findings}
    assert ("complete", set()) == (run.manifest.state, codes & {"attempts_lost", "flush_incomplete", "worker_lost"})
    assert [] == [each for each in run.attempts if each.end is None]
    closed_ns = {worker: mark.at_ns for worker, mark in run.marks if mark.edge == "close"}
    assert any(each.end.done_ns > closed_ns[each.worker] for each in run.attempts if each.end and each.end.done_ns)
    assert abs(len(run.attempts) - requests) < 5 * requests**0.5
