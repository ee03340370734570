"""An open loop in real processes: what its schedule had was sent when it was due, or dropped and counted."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from screen import Done

from harness import results
from harness.load import OpenLoad
from harness.loadgen import schedule
from harness.records import Block
from harness.results import Run
from harness.scenario import Scenario
from harness.workload.sampler import Order

SCENARIO = """
name: open
endpoints:
  steady:
    model: sim
    simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.01}}
prompts: {dataset: examples.jsonl}
load: {kind: open, levels: [12, 30], users: 40, warmup_s: 0.4, measure_s: 1.5, drain_s: 4, design: sequential}
"""
NARROW = ["load.users=2", "load.levels=[40]", "load.drain_s=1", "endpoints.steady.simulated.itl.median_s=0.08"]
EXAMPLES = 25


class Sent(NamedTuple):
    """How one arrival of a cell was meant and what became of it."""

    block: int
    at_ns: int
    example: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("open")
    (made / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "reference": f"It is {7 * n} now."} for n in range(EXAMPLES)]
    (made / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def ran(signoff: Callable[..., Done], folder: Path, name: str, *words: str) -> Run:
    done = signoff("run", folder, "--out", folder / name, "--metrics", "", "-q", *words)
    assert done.code in (0, 4), done.err  # a busy machine may be too late, and says so
    return results.read_run(folder / name / "latest")


def scheduled(run: Run) -> Counter[Sent]:
    """Every arrival of the plan, computed again from the scenario alone."""
    load = Scenario.model_validate(run.manifest.scenario).load
    assert isinstance(load, OpenLoad)
    wanted: Counter[Sent] = Counter()
    before: Counter[int] = Counter()
    for block in run.manifest.plan:
        order = Order(f"{load.seed}/{block.level}/{block.repetition}", EXAMPLES)
        for at_s in schedule.due(load, block):
            wanted[Sent(block.id, round(at_s * 1e9), f"q{order.index(before[block.cell])}")] += 1
            before[block.cell] += 1
    return wanted


def journalled(run: Run) -> Counter[Sent]:
    opened = {(worker, mark.block): mark.at_ns for worker, mark in run.marks if mark.edge == "open"}
    found: Counter[Sent] = Counter()
    for each in run.attempts:
        assert each.start.scheduled_ns is not None
        at_ns = each.start.scheduled_ns - opened[each.worker, each.start.block]
        found[Sent(each.start.block, at_ns, each.start.example)] += 1
    return found


def level(run: Run, block: Block) -> dict[str, object]:
    made: dict[str, object] = json.loads((run.path / results.SUMMARY).read_bytes())["endpoints"]["steady"]["levels"][
        block.level
    ]
    return made


def test_what_is_sent_is_the_schedule(signoff: Callable[..., Done], folder: Path) -> None:
    """To the nanosecond and the example, also where two processes share it; all of it ends, and none of it early."""
    run = ran(signoff, folder, "shared", "--processes", "2")
    assert scheduled(run) == journalled(run)
    assert {"ok"} == {each.end.kind for each in run.attempts if each.end is not None}
    assert all((each.start.dispatched_ns or 0) >= (each.start.scheduled_ns or 0) for each in run.attempts)
    assert [0] == sorted({each.start.waited_ns for each in run.attempts})


def test_no_arrival_is_lost_where_users_are_too_few(signoff: Callable[..., Done], folder: Path) -> None:
    """Two users for forty a second: most wait, which scheduled latency holds and service does not; the rest are dropped."""
    settings = [word for each in NARROW for word in ("--set", each)]
    run = ran(signoff, folder, "narrow", *settings)
    assert scheduled(run) == journalled(run)
    kinds = Counter(each.end.kind for each in run.attempts if each.end is not None)
    assert len(run.attempts) == kinds.total()
    assert kinds["dropped"] > 10
    made = level(run, run.manifest.plan[-1])
    offered, dispatch = made["attempts"], made["dispatch"]
    measured = [each for each in run.attempts if each.start.phase == "measure"]
    assert len(measured) == offered["offered"] == offered["attempted"] + dispatch["dropped"]
    waits_s = [(each.start.dispatched_ns - each.start.scheduled_ns) / 1e9 for each in measured if each.start.dispatched_ns]
    assert pytest.approx(max(waits_s), rel=0.002) == dispatch["wait_s"]["max"]
    assert made["scheduled"]["e2e_s"]["min"] > 0.8 > made["service"]["e2e_s"]["max"] - 0.2


def test_a_trace_is_replayed_with_its_times_and_lengths(signoff: Callable[..., Done], folder: Path) -> None:
    """At speed 2 in half the time; prompts and answers are as long as the trace says, and the same blocks are the same text."""
    requests = [(0, 40, 5, [1]), (300, 700, 9, [2, 3]), (900, 700, 3, [2, 4]), (2_400, 30, 12, [1])]
    rows = [
        json.dumps({"timestamp": at_ms, "input_length": asked, "output_length": said, "hash_ids": blocks})
        for at_ms, asked, said, blocks in requests
    ]
    (folder / "trace.jsonl").write_text("\n".join(rows) + "\n")
    text = (folder / "scenario.yaml").read_text().partition("load:")[0]
    replay = folder / "replay.yaml"
    replay.write_text(text + "load: {kind: replay, trace: trace.jsonl, levels: [2], prompts: trace, warmup_s: 0, drain_s: 5}\n")
    done = signoff("run", replay, "--out", folder / "replayed", "--metrics", "", "-q")
    assert done.code in (0, 4), done.err
    run = results.read_run(folder / "replayed" / "latest")
    (opened_ns,) = [mark.at_ns for _, mark in run.marks if mark.edge == "open"]
    sent = sorted(run.attempts, key=lambda each: each.begun_ns)
    assert [0, 150, 450, 1_200] == [((each.start.scheduled_ns or 0) - opened_ns) / 1e6 for each in sent]
    usages = [each.end.usage for each in sent if each.end is not None and each.end.usage is not None]
    assert [5, 9, 3, 12] == [usage.output_tokens for usage in usages]
    assert all(
        pytest.approx(asked, abs=15) == usage.input_tokens for (_, asked, _, _), usage in zip(requests, usages, strict=True)
    )
