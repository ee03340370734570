"""An endpoint with a quota: kept by those who declare it, found out by those who do not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from screen import Done

from harness import results
from harness.results import Run

SCENARIO = """
name: limited
endpoints:
  small:
    model: sim
    simulated:
      ttft: {median_s: 0.03}
      itl: {median_s: 0.002}
      limits: {requests_per_minute: 600, burst_s: 1}
prompts: {dataset: examples.jsonl}
load: {kind: open, levels: [16], users: 60, warmup_s: 0, measure_s: 4, drain_s: 10, arrivals: {process: constant}}
"""
OURS = "endpoints.small.limits={requests_per_minute: 570, burst_s: 0.1}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("limited")
    (made / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "reference": "It is so."} for n in range(30)]
    (made / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def ran(signoff: Callable[..., Done], folder: Path, name: str, *words: str) -> tuple[Run, Done]:
    done = signoff("run", folder, "--out", folder / name, "--metrics", "", "-q", *words)
    assert done.code in (0, 4), done.err
    return results.read_run(folder / name / "latest"), done


def test_a_declared_quota_is_kept(signoff: Callable[..., Done], folder: Path) -> None:
    """16 a second against 9.5: nobody is refused, all are sent, and their wait is in scheduled latency and not in service."""
    run, _ = ran(signoff, folder, "declared", "--set", OURS)
    ends = [each.end for each in run.attempts if each.end is not None]
    assert [("ok", 64)] == [(kind, sum(end.kind == kind for end in ends)) for kind in sorted({end.kind for end in ends})]
    waits_s = sorted((end.limited_ns or 0) / 1e9 for end in ends)
    assert pytest.approx(64 / 9.5 - 4, abs=0.6) == waits_s[-1]  # the last one of 64 goes at 6.7 s, and was due at 4 s
    level = json.loads((run.path / results.SUMMARY).read_bytes())["endpoints"]["small"]["levels"]["16rps"]
    assert level["service"]["e2e_s"]["max"] < 1.0 < waits_s[-1] < level["scheduled"]["e2e_s"]["max"]


def test_an_undeclared_quota_is_found_out(signoff: Callable[..., Done], folder: Path) -> None:
    """Refusals are outcomes and not sent again; the report says at what load the first came, and what was left by header."""
    run, done = ran(signoff, folder, "undeclared")
    kinds = [each.end.kind for each in run.attempts if each.end is not None]
    assert 64 == len(kinds) == len({each.start.scheduled_ns for each in run.attempts})
    assert {None} == {each.start.trial for each in run.attempts}
    assert "trial" not in (run.path / "joined.csv").read_text() + (run.path / "journal-000.jsonl").read_text()
    assert {"ok", "http_rate_limited"} == set(kinds)
    assert pytest.approx(50, abs=3) == kinds.count("ok")  # 10 at once and 10 a second
    said = " ".join(done.out.split())
    assert "small: first 429 at 16" in said
    assert "of 600 requests" in said


PRICED = "endpoints.small.price={input: 0, output: 0, per_request: 0.01, source: test}"


def test_a_guard_stops_the_run_and_says_so(signoff: Callable[..., Done], folder: Path, tmp_path: Path) -> None:
    """Exit code 5; what was measured until then is kept and reported, and nothing more is sent."""
    said = "of a budget of 0.2"
    settings = [word for each in (PRICED, "budget.usd=0.2", "load.measure_s=60") for word in ("--set", each)]
    done = signoff("run", folder, "--out", tmp_path, "--metrics", "", "-q", *settings)
    assert done.code == 5, done.err
    run = results.read_run(tmp_path / "latest")
    assert "stopped_by_guard" == run.manifest.state
    assert any(said in finding.what for finding in run.manifest.findings)
    assert said in " ".join(done.out.split())
    assert len(run.attempts) < 16 * 15
    assert all(each.end is not None for each in run.attempts)
