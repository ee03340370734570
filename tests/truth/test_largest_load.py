"""A search in a real run against M/M/c: it finds the rate that Erlang's formula says the queue holds, from below."""

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy import optimize

from harness import results
from harness.cli import report
from harness.errors import ExitCode
from harness.loadgen import plan
from harness.measure import slo
from harness.measure.level import level_result
from harness.measure.rows import Seen, names_for, rows
from harness.records import Block, Phase
from harness.scenario import Scenario

pytestmark = [pytest.mark.alone, pytest.mark.slow]

SERVERS, MEAN_S, LIMIT_S, ALLOWED = 8, 0.02, 0.08, 0.1
OBJECTIVE = f"e2e.p90 <= {1000 * LIMIT_S:g} ms"
BEGIN = random.Random(1).uniform(60, 180)  # a sixth to a half of the capacity: no step falls on it by design
EFFORT = "ratio: 1.05, confidence: 0.95, looks: 40, requests: 2000, requests_most: 8000, budget: 50000"
SCENARIO = f"""
name: queue
endpoints:
  queue:
    model: sim
    simulated: {{service: {{mean_s: {MEAN_S}}}, servers: {SERVERS}, accuracy: 1}}
prompts: {{dataset: examples.jsonl}}
load:
  kind: open
  users: 300
  warmup_s: 1
  drain_s: 5
  seed: 1
  search: {{begin: {BEGIN}, most: 2000, {EFFORT}}}
slo: ["{OBJECTIVE}"]
"""


def beyond(rate: float) -> float:
    """P(sojourn > limit): Erlang C, then no wait or an exponential one at rate c mu - lambda, and the service."""
    mu, offered, blocked = 1 / MEAN_S, rate * MEAN_S, 1.0
    for k in range(1, SERVERS + 1):
        blocked = offered * blocked / (k + offered * blocked)
    waits, drain = blocked / (1 - offered / SERVERS * (1 - blocked)), SERVERS * mu - rate
    served, both = math.exp(-mu * LIMIT_S), (mu * math.exp(-drain * LIMIT_S) - drain * math.exp(-mu * LIMIT_S)) / (mu - drain)
    return (1 - waits) * served + waits * both


def capacity() -> float:
    return float(optimize.brentq(lambda rate: beyond(rate) - ALLOWED, 1, SERVERS / MEAN_S * (1 - 1e-9)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run, of seeds that are fixed. In virtual time, 983 of 1,000 such searches end within a tenth of the truth."""
    folder = tmp_path_factory.mktemp("queue")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "reference": "so so"} for n in range(500)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [sys.executable, "-m", "harness.cli.app", "run", str(folder), "--out", str(folder / "runs"), "--metrics", "", "-q"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (ExitCode.OK, ExitCode.INVALID, ExitCode.SLO_FAILED), done.stderr
    return (folder / "runs" / "latest").resolve()


def searched(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / results.SUMMARY).read_bytes())["endpoints"]["queue"]["search"]
    return found


def test_the_answer_is_that_of_erlang(run: Path) -> None:
    """Within a tenth of the closed form; what lies above it was not shown to hold."""
    found = searched(run)
    assert capacity() == pytest.approx(found["load"], rel=0.1)
    assert ("resolved", False, "requests/s") == (found["end"], found["at_least"], found["unit"])
    assert found["load"] < found["above"] <= 1.05 * found["load"] + 1e-9


def test_a_rate_beyond_the_servers_is_cut_short(run: Path) -> None:
    """The last doubling asks for half as much again as is served, which is hopeless, and the report says so."""
    most = searched(run)["frontier"][-1]
    assert most["load"] > 1.5 * SERVERS / MEAN_S
    assert (True, "fail") == (most["cut_short"], most["verdict"])
    assert re.search(rf"cut short as hopeless: .*\b{most['load']:.4g} requests/s", (run / "report.html").read_text())


def test_the_plan_is_what_was_run(run: Path) -> None:
    """Every block is in the manifest, and every attempt in a block of it; what was spent are the attempts of the journal."""
    made = results.read_run(run)
    assert {block.id for block in made.manifest.plan} == {each.start.block for each in made.attempts}
    assert list(range(len(made.manifest.plan))) == [block.id for block in made.manifest.plan]
    assert len(made.attempts) == searched(run)["requests"]
    assert () == plan.build(scenario_of(made))


def scenario_of(made: results.Run) -> Any:
    return Scenario.model_validate(made.manifest.scenario)


def test_what_was_decided_follows_from_the_journal(run: Path) -> None:
    """The last run of each load, judged again from the run directory, has the arrivals and answers that the master saw."""
    made = results.read_run(run)
    objectives = [slo.parse(OBJECTIVE, "scheduled")]
    for each in searched(run)["frontier"]:
        if each["runs"] == 1:
            (block,) = [one for one in made.manifest.plan if one.level == each["level"] and one.phase is Phase.MEASURE]
            level = level_result(seen_of(made, block, objectives), block.rate or 0, window_s(made, block), objectives)
            assert each["requests"] == level.requests
            assert each["achieved_per_s"] == pytest.approx(level.achieved_per_s)


def window_s(made: results.Run, block: Block) -> tuple[float, float]:
    edges = {mark.edge: mark.at_ns for _, mark in made.marks if mark.block == block.id}
    return 0.0, (edges["close"] - edges["open"]) / 1e9


def seen_of(made: results.Run, block: Block, objectives: list[slo.Objective]) -> Any:
    (opened_ns,) = [mark.at_ns for _, mark in made.marks if mark.block == block.id and mark.edge == "open"]
    mine = {each.id for each in made.manifest.plan if each.cell == block.cell}
    seen = [Seen(each.start, each.end, opened_ns) for each in made.attempts if each.start.block in mine]
    return rows(seen, names_for(objectives))


def test_a_report_made_again_is_the_same(run: Path) -> None:
    """From the run directory alone, byte for byte."""
    before = {name: (run / name).read_bytes() for name in (results.SUMMARY, "report.html")}
    report.show(run, as_json=True)
    assert before == {name: (run / name).read_bytes() for name in before}
