"""A server that freezes shows in the numbers: as much as its users would feel it, computed exactly from the schedule."""

import heapq
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import results
from harness.load import OpenLoad
from harness.loadgen import schedule
from harness.measure.histogram import nearest_rank
from harness.scenario import Scenario

pytestmark = pytest.mark.alone


class Scale(NamedTuple):
    """Of a freeze of a tenth of the time, and of the run that meets it."""

    every_s: float
    for_s: float
    first_s: float
    seconds: int


SCALES = [
    pytest.param(Scale(every_s=4, for_s=0.4, first_s=1.5, seconds=6), id="short"),
    pytest.param(Scale(every_s=20, for_s=2, first_s=10, seconds=60), id="long", marks=pytest.mark.slow),
]
RATE, USERS = 150, 20  # fifteen are busy on average: twenty are the usual concurrency
TTFT_S, GAP_S, TOKENS = 0.05, 0.005, 10
NEXT_S = 1 / RATE  # arrivals lie on a lattice, and so do the waits of those that meet a freeze: one more or less meets it
OPEN = f"kind: open, levels: [{RATE}], arrivals: {{process: constant}}"
CLOSED = f"levels: [{USERS}], start_over_s: 0.1"
TRIES = 3
Made = tuple[results.Run, dict[str, Any]]


def scenario(scale: Scale, load: str) -> str:
    return f"""
name: frozen
endpoints:
  played:
    model: sim
    simulated:
      ttft: {{median_s: {TTFT_S}}}
      itl: {{median_s: {GAP_S}}}
      accuracy: 1
      freeze: {{every_s: {scale.every_s}, for_s: {scale.for_s}, first_s: {scale.first_s}}}
prompts: {{dataset: examples.jsonl}}
load: {{{load}, warmup_s: 0, measure_s: {scale.seconds}, drain_s: 10}}
"""


def ran(folder: Path, scale: Scale, load: str) -> Made:
    """A run, and its only level."""
    folder.mkdir()
    (folder / "scenario.yaml").write_text(scenario(scale, load))
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "reference": "so" + " so" * (TOKENS - 1)} for n in range(2_000)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [sys.executable, "-m", "harness.cli.app", "run", str(folder), "--out", str(folder / "runs"), "--metrics", "", "-q"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode in (0, 4), done.stderr  # a busy machine may be limited, and says so
    run = results.read_run(folder / "runs" / "latest")
    summary = json.loads((run.path / results.SUMMARY).read_bytes())
    (level,) = summary["endpoints"]["played"]["levels"].values()
    return run, level


def first_freeze_s(run: results.Run, scale: Scale) -> float:
    """From the beginning of the schedule: the simulator counts from its first request, which has to be sent to it first."""
    (opened_ns,) = [mark.at_ns for _, mark in run.marks if mark.edge == "open"]
    lines = (run.path / "truth.jsonl").read_text().splitlines()
    return scale.first_s + (min(json.loads(line)["received_ns"] for line in lines) - opened_ns) / 1e9


def exact_ttft_s(arrivals_s: Sequence[float], users: int, scale: Scale, first_s: float) -> list[float]:
    """From the intended arrival to the first token, of a first-come-first-served pool of so many users, in rising order."""

    def after(at_s: float) -> float:
        """When what is due at that moment goes out."""
        into_s = (at_s - first_s) % scale.every_s
        return at_s - into_s + scale.for_s if at_s >= first_s and into_s < scale.for_s else at_s

    free_s = [0.0] * users
    found = []
    for at_s in arrivals_s:
        sent_s = max(at_s, heapq.heappop(free_s))
        found.append(after(sent_s + TTFT_S) - at_s)
        heapq.heappush(free_s, after(sent_s + TTFT_S + (TOKENS - 1) * GAP_S))
    return sorted(found)


def arrivals_s(run: results.Run) -> list[float]:
    load = Scenario.model_validate(run.manifest.scenario).load
    assert isinstance(load, OpenLoad)
    return list(schedule.due(load, run.manifest.plan[0]))


def measured(folder: Path, scale: Scale, users: int) -> Made:
    """A run, and again where the machine stood still for longer than the schedule can explain."""
    folder.mkdir()
    for number in range(TRIES):
        made = ran(folder / str(number), scale, f"{OPEN}, users: {users}")
        if not wrong(made, scale, users):
            break
    return made


def wrong(made: Made, scale: Scale, users: int) -> list[str]:
    """The percentiles that are not the schedule's within 2 % and a place of its lattice, with both values in ms."""
    run, level = made
    exact = exact_ttft_s(arrivals_s(run), users, scale, first_freeze_s(run, scale))
    assert RATE * scale.seconds == len(exact) == level["attempts"]["offered"]
    found = []
    for name, q in (("p95", 0.95), ("p99", 0.99)):
        said, true = level["scheduled"]["ttft_s"][name], exact[nearest_rank(q, len(exact)) - 1]
        assert true > 4 * TTFT_S
        if abs(said - true) > 0.02 * true + NEXT_S:
            found.append(f"{name}: said {1e3 * said:.1f}, true {1e3 * true:.1f}")
    return found


@pytest.fixture(scope="module", params=SCALES)
def scale(request: pytest.FixtureRequest) -> Scale:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def capped(scale: Scale, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return measured(tmp_path_factory.mktemp("frozen") / "capped", scale, USERS)


def test_the_freeze_is_in_scheduled_latency(tmp_path: Path, scale: Scale, capped: Made) -> None:
    """p95 and p99 of scheduled TTFT are those that the schedule gives, also with the usual pool."""
    many = 400
    assert [] == wrong(measured(tmp_path / "open", scale, many), scale, many)
    assert [] == wrong(capped, scale, USERS)


def test_a_capped_pool_hides_it_from_service_and_a_closed_loop_hides_it_whole(
    tmp_path: Path, scale: Scale, capped: Made
) -> None:
    """At p95, with a tenth of the time frozen: only the schedule knows. The report shows both, and says why they differ."""
    run, level = capped
    _, closed = ran(tmp_path / "closed", scale, CLOSED)
    assert level["service"]["ttft_s"]["p95"] < 1.5 * TTFT_S < 4 * TTFT_S < level["scheduled"]["ttft_s"]["p95"]
    assert closed["service"]["ttft_s"]["p95"] < 1.5 * TTFT_S
    summary = json.loads((run.path / results.SUMMARY).read_bytes())
    (exhausted,) = [each for each in summary["findings"] if each["code"] == "users_exhausted"]
    assert f"found all {USERS} users busy" in exhausted["what"]
    assert "from the intended arrival, and" in (run.path / "report.html").read_text()
