"""All endpoints at once, and one endpoint as two, in real processes."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from screen import Done

from harness import assembly, results, scenario_file
from harness.loadgen import plan, prepare, schedule
from harness.records import Phase
from harness.results import Run
from harness.scenario import Scenario

OPEN = (
    "load={kind: open, design: parallel, levels: [20], users: 6, warmup_s: 0.3, measure_s: 1.5, drain_s: 0.5}",
    "endpoints.slow.simulated.itl.median_s=0.2",
)
CLOSED = ("load.design=parallel", "load.levels=[2, 4]", "load.measure_s=0.6")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a calibration of this machine lies that allows everything."""
    folder = tmp_path_factory.mktemp("parallel")
    error = {"n": 1, "p50_s": 0.1, "p50_error_s": 0.0, "p99_s": 0.1, "p99_error_s": 0.0}
    sizes = {"users": 1_000, "attempts": 1, "unmatched": 0, "window_s": 1.0, "chunks_per_s": 1e6, "headroom": 9.0}
    unknown = ("read_lag_p50_s", "read_lag_p99_s", "coalesced_ratio", "cpu_ratio", "cpu_s_per_chunk")
    unknown += ("simulator_late_p50_s", "simulator_late_p99_s")
    level = sizes | dict.fromkeys(("ttft", "icl", "tpot", "e2e"), error) | dict.fromkeys(unknown) | {"is_measured": True}
    load = {"users": [1_000], "processes": 1, "prompt_bytes": 9, "tokens": 9, "ttft_s": 0.1, "gap_s": 0.1, "seconds": 1.0}
    load |= {"stream": True, "tls": False, "simulator_core": None, "client_cores": [], "priority": "none"}
    ceiling = {"users": 1, "per_s": 1e6, "cpu_ratio": 0.9, "limited_by": "client"}
    whole = {"v": 1, "signoff": "0", "created_utc": "2026-01-01T00:00:00+00:00", "host": prepare.host(), "versions": {}}
    whole |= {"load": load, "levels": [level], "tokens": ceiling, "requests": ceiling}
    (folder / results.CALIBRATION).write_text(json.dumps(whole))
    return folder


def ran(signoff: Callable[..., Done], scenario: Path, out: Path, sets: tuple[str, ...]) -> Run:
    words = [word for each in sets for word in ("--set", each)]
    done = signoff("run", scenario, "--out", out, "--metrics", "", "-q", "--processes", 2, *words)
    assert done.code in (0, 4, 98, 99), done.err  # a busy machine may be too late, and says so
    return results.read_run((out / "latest").resolve())


@pytest.fixture(scope="module")
def opened(signoff: Callable[..., Done], scenario: Path, out: Path) -> Run:
    """An open loop at two endpoints, one of which is far too slow for its users."""
    return ran(signoff, scenario, out, OPEN)


@pytest.fixture(scope="module")
def closed(signoff: Callable[..., Done], scenario: Path, out: Path) -> Run:
    return ran(signoff, scenario, out, CLOSED)


def test_blocks_of_a_step_are_open_at_the_same_time(opened: Run, closed: Run) -> None:
    """Every worker marks all blocks of a step at one moment, when they open and when they close."""
    for run in (opened, closed):
        for step in plan.steps(run.manifest.plan):
            marks = Counter((worker, mark.edge, mark.at_ns) for worker, mark in run.marks if mark.block in {b.id for b in step})
            assert [2] * 4 == list(marks.values())


def test_what_each_endpoint_was_scheduled_is_sent_or_dropped(opened: Run) -> None:
    """Arrival by arrival, for each endpoint; the slow one drops, and costs the other nothing."""
    load = Scenario.model_validate(opened.manifest.scenario).load
    for block in opened.manifest.plan:
        offered = [each for each in opened.attempts if each.start.block == block.id]
        assert {block.endpoint} == {each.start.endpoint for each in offered}
        assert len(list(schedule.due(load, block))) == len(offered)  # type: ignore[arg-type]
        assert all(each.end is not None for each in offered)
    dropped = Counter(each.start.endpoint for each in opened.attempts if each.end is not None and each.end.kind == "dropped")
    assert ["slow"] == list(dropped)


def test_users_are_of_one_endpoint_each(closed: Run) -> None:
    """At each level as many at each endpoint as it says, over both workers."""
    users: dict[tuple[str, str], set[int]] = {}
    for each in closed.attempts:
        users.setdefault((each.start.endpoint, each.start.level), set()).add(each.start.user)
    assert {(name, level): set(range(int(level))) for name in ("quick", "slow") for level in ("2", "4")} == users


def test_both_ask_the_same_examples_in_the_same_order(closed: Run) -> None:
    """The first request of each user is the same at both, so that answers are paired."""
    first: dict[tuple[str, str, int], str] = {}
    for each in closed.attempts:
        if each.start.phase is Phase.WARMUP:
            first.setdefault((each.start.endpoint, each.start.level, each.start.user), each.start.example)
    both = [(example, first.get(("slow", level, user))) for (name, level, user), example in first.items() if name == "quick"]
    known = [pair for pair in both if pair[1] is not None]
    assert known
    assert all(one == other for one, other in known)


def test_without_a_calibration_it_is_refused(here: Callable[..., Done], scenario: Path, tmp_path: Path) -> None:
    """Exit code 2 with the remedy, and nothing is made."""
    done = here("run", scenario, "--out", "runs", "--set", "load.design=parallel", cwd=tmp_path)
    assert (2, True, False) == (done.code, "signoff calibrate" in done.err, (tmp_path / "runs").exists())


def test_one_endpoint_as_two_is_one_server(scenario: Path, tmp_path: Path) -> None:
    """Both arms of an A/A test have one address, and the simulator plays one candidate."""
    opened = assembly.open_run(scenario_file.load(scenario, ["load.aa=quick"]), tmp_path, datetime.now(UTC))
    try:
        manifest = results.read_manifest(opened.run)
        assert ["quick", "quick-again"] == list(manifest.urls)
        assert 1 == len(set(manifest.urls.values()))
        assert {"quick", "quick-again"} == {block.endpoint for block in manifest.plan}
    finally:
        opened.close()


def test_several_runs_are_one_campaign(here: Callable[..., Done], opened: Run, closed: Run, tmp_path: Path) -> None:
    """Runs of two scenarios are refused with what differs; a run and its copy are one run."""
    done = here("report", opened.path, closed.path, cwd=tmp_path)
    assert 2 == done.code
    assert "are of two scenarios" in done.err
    assert "are the same run" in here("report", closed.path, closed.path, cwd=tmp_path).err
