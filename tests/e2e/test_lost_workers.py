"""A run that loses a load process: the others go on, what was disturbed is measured again, and what is missing is counted."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import Running, running

from harness import results
from harness.journal_log import read_lines
from harness.records import AttemptEnd, AttemptStart, JournalHead, JournalLine, Phase

SCENARIO = """
name: lost
endpoints:
  first: {model: sim, simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.02}}}
  second: {model: sim, simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.02}, seed: 2}}
prompts: {dataset: examples.jsonl}
load: {levels: [6], warmup_s: 0.3, measure_s: 2, drain_s: 10, design: sequential}
"""
WORDS = 20  # an answer takes half a second
PLANNED = [("first", 0), ("second", 1)]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two endpoints, one after the other."""
    folder = tmp_path_factory.mktemp("lost")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"{n} " + "so " * WORDS} for n in range(20)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def journals(run: Running) -> dict[int, list[Any]]:
    """What each load process wrote, by its number."""
    read = [list(read_lines(journal, JournalLine)) for journal in sorted(run.run.glob("journal-*.jsonl"))]
    return {next(line.pid for line in journal if isinstance(line, JournalHead)): journal for journal in read}


def unended(journal: list[Any]) -> int:
    starts = {line.id for line in journal if isinstance(line, AttemptStart)}
    return len(starts - {line.id for line in journal if isinstance(line, AttemptEnd)})


def cells(run: Running) -> list[tuple[str, int]]:
    return [(block.endpoint, block.cell) for block in results.read_manifest(run.run).plan if block.phase is Phase.MEASURE]


@pytest.mark.parametrize(
    ("number", "how", "missing"),
    [
        pytest.param(signal.SIGKILL, "ended before its last word", 2, id="killed"),
        pytest.param(signal.SIGSTOP, "has been silent for 4 s", 0, id="stopped", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "was told to end (SIGTERM)", 0, id="evicted"),
    ],
)
def test_the_others_go_on(number: signal.Signals, how: str, missing: int, scenario: Path, tmp_path: Path) -> None:
    """One of three processes, with a request of each of its two users in flight: the cell is given up and comes again last.

    A killed process leaves these requests without an end. One that stands still is woken, sees that it was given up, and
    writes their end down; so does one that is told to end.
    """
    with running(scenario, tmp_path, "--processes", 3) as run:
        run.until_journal_says('"t":"end"', times=4)
        pid = run.workers[1]
        os.kill(pid, number)
        assert 4 == run.end(limit_s=40), run.err
        run.until_nobody_is_left(0)
        kept = results.read_run(run.run)
        (loss,) = kept.manifest.losses
        told = {finding.code: finding.what for finding in kept.findings}
        lost = journals(run)[pid]
        index = next(line.worker for line in lost if isinstance(line, JournalHead))
        assert ("degraded", index, how, (0,)) == (kept.manifest.state, loss.worker, loss.why, loss.cells)
        assert [*PLANNED, ("first", 2)] == cells(run)
        assert missing == unended(lost) <= loss.at_most
        assert bool(missing) == bool(loss.at_most)
        begun = sum(isinstance(line, AttemptStart) for line in lost)
        assert bool(missing) == (f"worker {index}: {missing} of {begun} requests have no end" in told.get("attempts_lost", ""))
        others = [journal for process, journal in journals(run).items() if process != pid]
        assert [0, 0] == [unended(journal) for journal in others]
        assert {0} == {kept.manifest.plan[each.start.block].cell for each in kept.aside}
        assert {1, 2} == {kept.manifest.plan[each.start.block].cell for each in kept.attempts}
        summary = json.loads((run.run / results.SUMMARY).read_text())
        by_kind = [set(each["levels"]["6"]["attempts"]["by_kind"]) for each in summary["endpoints"].values()]
        assert [{"ok"}, {"ok"}] == by_kind
        assert len(kept.aside) == summary["sessions"]["set_aside"]["attempts"]


def test_one_is_lost_before_it_has_said_anything(scenario: Path, tmp_path: Path) -> None:
    """Nobody waits a minute for it: the run ends within seconds, and says why."""
    with running(scenario, tmp_path, "--processes", 3) as run:
        run.until(lambda: len(run.workers) == 3)
        os.kill(run.workers[1], signal.SIGKILL)
        assert 4 == run.end(limit_s=20), run.err
        run.until_nobody_is_left(0)
        assert "not_started: 1 of 3 load processes ended before all were ready" in run.err
        assert "planned" == results.read_manifest(run.run).state


@pytest.mark.slow
def test_the_level_is_held_by_who_is_left(scenario: Path, tmp_path: Path) -> None:
    """Six users again, three at each of two processes: the same calls as six would have made at three."""
    with running(scenario, tmp_path, "--processes", 3) as run:
        run.until_journal_says('"t":"end"', times=4)
        os.kill(run.workers[0], signal.SIGKILL)
        assert 4 == run.end(limit_s=40), run.err
    kept = results.read_run(run.run)
    repeated = [each.start for each in kept.attempts if kept.manifest.plan[each.start.block].cell == 2]
    assert {0, 1, 2, 3, 4, 5} == {start.user for start in repeated}
    opened = [mark.users for _, mark in kept.marks if mark.edge == "open" and kept.manifest.plan[mark.block].cell == 2]
    assert [3] * 4 == opened  # of warm-up and measure block at both


@pytest.mark.slow
def test_a_process_that_stands_still_for_two_seconds_is_not_lost(scenario: Path, tmp_path: Path) -> None:
    """What that did to the figures is for the report to say."""
    with running(scenario, tmp_path, "--processes", 3, "--set", "load.measure_s=3") as run:
        run.until_journal_says('"t":"end"', times=4)
        pid = run.workers[1]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(pid, signal.SIGCONT)
        run.end(limit_s=40)
        run.until_nobody_is_left(0)
        kept = results.read_run(run.run)
        assert ("complete", ()) == (kept.manifest.state, kept.manifest.losses)
        assert PLANNED == cells(run)
        assert [0, 0, 0] == [unended(journal) for journal in journals(run).values()]


def test_the_last_one_is_lost(scenario: Path, tmp_path: Path) -> None:
    """Nobody is left: the run ends within seconds, with what was written down."""
    with running(scenario, tmp_path, "--set", "load.warmup_s=0") as run:
        run.until_journal_says('"t":"end"', times=4)
        os.kill(run.workers[0], signal.SIGKILL)
        assert 4 == run.end(limit_s=20), run.err
        run.until_nobody_is_left(0)
        kept = results.read_run(run.run)
        assert ["degraded", 6, 0] == [kept.manifest.state, unended(next(iter(journals(run).values()))), len(kept.aside)]
        assert PLANNED == cells(run)
        level = json.loads((run.run / results.SUMMARY).read_text())["endpoints"]["first"]["levels"]["6"]
        assert 6 == level["attempts"]["by_kind"]["lost_worker"]


@pytest.mark.slow
def test_two_are_lost_one_after_the_other(scenario: Path, tmp_path: Path) -> None:
    """The second one in the next cell: both cells come again, on the one that is left."""
    with running(scenario, tmp_path, "--processes", 3) as run:
        run.until_journal_says('"t":"end"', times=4)
        os.kill(run.workers[0], signal.SIGKILL)
        run.until(lambda: "second at" in run.err)
        os.kill(run.workers[0], signal.SIGKILL)
        assert 4 == run.end(limit_s=60), run.err
        run.until_nobody_is_left(0)
        kept = results.read_run(run.run)
        assert [*PLANNED, ("first", 2), ("second", 3)] == cells(run)
        assert {(0,), (1,)} == {loss.cells for loss in kept.manifest.losses}
        assert {2, 3} == {kept.manifest.plan[each.start.block].cell for each in kept.attempts}


def test_the_master_is_lost(scenario: Path, tmp_path: Path, signoff: Callable) -> None:
    """Two processes stop by themselves and write the end of all they began; one that stands still is not left behind."""
    with running(scenario, tmp_path, "--processes", 3) as run:
        run.until_journal_says('"t":"end"', times=4)
        stopped = run.workers[1]
        os.kill(stopped, signal.SIGSTOP)
        os.kill(os.getpgid(stopped), signal.SIGKILL)
        assert 4 == run.end(limit_s=20), run.err
        run.until_nobody_is_left(0)
    written = journals(run)
    assert 2 == unended(written.pop(stopped))
    assert [0, 0] == [unended(journal) for journal in written.values()]
    assert 4 == signoff("report", run.run).code
    assert ["attempts_lost", "not_finished"] == sorted(finding.code for finding in results.read_run(run.run).findings)


OPEN = "{kind: open, levels: [40], users: 60, warmup_s: 0.5, measure_s: 2, drain_s: 10, arrivals: {process: constant}}"
ONCE = "{kind: evaluation, users: 6, design: sequential}"


@pytest.mark.parametrize(
    ("load", "of_a_cell"), [pytest.param(OPEN, 100, id="open", marks=pytest.mark.slow), pytest.param(ONCE, 20, id="evaluation")]
)
def test_whoever_is_left_sends_all_there_is(load: str, of_a_cell: int, scenario: Path, tmp_path: Path) -> None:
    """Each arrival of a schedule, or each example, once in the cell that was played and once in the one that was repeated."""
    with running(scenario, tmp_path, "--processes", 3, "--set", f"load={load}", "--set", "load.design=sequential") as run:
        run.until_journal_says('"t":"end"', times=1)
        os.kill(run.workers[2], signal.SIGKILL)
        assert 4 == run.end(limit_s=40), run.err
        run.until_nobody_is_left(0)
    kept = results.read_run(run.run)
    assert [*PLANNED, ("first", 2)] == cells(run)
    sent = Counter((kept.manifest.plan[each.start.block].cell, each.end and each.end.kind) for each in kept.attempts)
    assert {(1, "ok"): of_a_cell, (2, "ok"): of_a_cell} == sent
