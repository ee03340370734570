"""A run that is killed or stopped in mid-plan and gone on with: each cell is played whole, by one session, and counts once."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from running import Running, running
from screen import Done

from harness import results, sessions
from harness.records import Phase
from harness.results import Run

SCENARIO = """
name: resumed
endpoints:
  one:
    model: sim
    price: {input: 0, output: 0, per_request: 0.01, source: test}
    simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.02}}
prompts: {dataset: examples.jsonl}
load: {levels: [2, 3, 4], warmup_s: 0.4, measure_s: 1.2, drain_s: 5}
grading: {scorer: exact}
"""
OPEN = "load={kind: open, levels: [6, 9, 12], users: 40, warmup_s: 0.4, measure_s: 1.2, drain_s: 5}"
EVALUATION = "load={kind: evaluation, users: 4, repetitions: 3, attempts_most: 3, drain_s: 5}"
GO_ON = "signoff run --resume"
SLOWER = [pytest.param(*each, marks=pytest.mark.slow) for each in ((0, 0), (4, 2))]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cells of two blocks each."""
    folder = tmp_path_factory.mktemp("resumed")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"It is {n}."} for n in range(30)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def go_on(signoff: Callable[..., Done]) -> Callable[..., Done]:
    return lambda run, *words: signoff("run", "--resume", run, "--metrics", "", "-q", *words)


@pytest.fixture(scope="module")
def unbroken(scenario: Path, signoff: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("unbroken")
    done = signoff("run", scenario, "--out", out, "--metrics", "", "-q")
    assert 0 == done.code, done.err
    return results.read_run((out / "latest").resolve())


def journals(run: Running, number: int = 0) -> list[str]:
    folder = run.out / "latest"
    return [each.read_text() for each in sessions.journals(folder, number)] if folder.exists() else []


def kill(run: Running, block: int, number: int = 0) -> Path:
    """SIGKILL of everything, as soon as an answer of this block has ended."""
    run.until(lambda: is_under_way(run, block, number))
    family = run.family
    for pid in {run.process.pid, *family}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.process.wait()
    run.until_nobody_is_left(5)
    return run.run


def is_under_way(run: Running, block: int, number: int = 0) -> bool:
    opened = f'"block":{block},"edge":"open"'
    return any('"t":"end"' in lines.partition(opened)[2] for lines in journals(run, number))


def cells(run: Run) -> dict[int, int]:
    return {block.id: block.cell for block in run.manifest.plan}


def session_of(run: Run) -> dict[int, set[int]]:
    """By cell, the sessions that its figures are of."""
    found: dict[int, set[int]] = {cell: set() for cell in cells(run).values()}
    for each in run.attempts:
        found[cells(run)[each.start.block]].add(sessions.of_worker(run.manifest.sessions, each.worker))
    return found


def asked(run: Run) -> dict[tuple[int, int], list[str]]:
    """What each user asked in each cell, in its order."""
    found: dict[tuple[int, int], list[str]] = {}
    for each in run.attempts:  # which are sorted by block and time
        found.setdefault((cells(run)[each.start.block], each.start.user), []).append(each.start.example)
    return found


def check(run: Run, finished: int, unbroken: Run) -> None:
    """Whole, VALID, each cell of one session: the first ones of the first, the rest of the last."""
    last = sessions.current(run.manifest.sessions)
    assert "complete" == run.manifest.state
    assert [] == [finding.code for finding in run.findings if finding.invalid]
    assert {cell: {0 if cell < finished else last} for cell in range(3)} == session_of(run)
    assert [] == [each.start.id for each in run.attempts if each.end is None]
    marks = Counter((mark.block, mark.edge) for _, mark in run.marks)
    assert Counter({(block, edge): 1 for block in range(6) for edge in ("open", "close")}) == marks
    orders = asked(run)
    assert asked(unbroken).keys() == orders.keys()
    for who, order in asked(unbroken).items():
        both = min(len(order), len(orders[who]))
        assert both > 1
        assert order[:both] == orders[who][:both]


def summary_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / results.SUMMARY).read_bytes())
    return found


def starts(run: Path) -> int:
    """Of all attempts that are in any journal."""
    return sum(file.read_text().count('"t":"start"') for file in run.glob("journal-*.jsonl"))


@pytest.mark.parametrize(("block", "finished"), [(3, 1), *SLOWER])
def test_killed_and_gone_on_with(
    block: int, finished: int, scenario: Path, unbroken: Run, go_on: Callable[..., Done], tmp_path: Path
) -> None:
    """SIGKILL of every process in block k of 6: the cell of that block is played again, the cells before it are not."""
    with running(scenario, tmp_path) as killed:
        path = kill(killed, block)
    begun = starts(path)
    done = go_on(path)
    assert 0 == done.code, done.err
    run = results.read_run(path)
    check(run, finished, unbroken)
    assert starts(path) == len(run.attempts) + len(run.aside)
    assert begun == len(run.aside) + sum("." not in each.start.id for each in run.attempts)
    levels = summary_of(run)["endpoints"]["one"]["levels"]
    measured = Counter(each.start.level for each in run.attempts if each.start.phase is Phase.MEASURE)
    assert measured == {level: figures["attempts"]["offered"] for level, figures in levels.items()}
    told = summary_of(run)["sessions"]
    assert (len(run.aside), 2) == (told["set_aside"]["attempts"], len(told["sessions"]))
    assert ["running", "complete"] == [each["state"] for each in told["sessions"]]
    paid = sum(each.end is not None and each.end.kind == "ok" for each in (*run.attempts, *run.aside))
    assert paid == round(100 * float(told["usd"]))
    said = " ".join(done.out.split())
    assert "Made in 2 sessions" in said
    assert f"from step {2 * finished + 1}, is complete" in said
    assert f"Set aside, for their part of the plan was played again from its beginning: {len(run.aside)} requests" in said
    assert "Spent on what was given up: " in said


def test_reports_and_grades_of_both_sessions(
    scenario: Path, go_on: Callable[..., Done], signoff: Callable[..., Done], tmp_path: Path
) -> None:
    """Two reports are the same bytes; without its grades the run is graded again, from the answers of both sessions."""
    with running(scenario, tmp_path) as killed:
        path = kill(killed, 3)
    assert 0 == go_on(path).code
    made = ("summary.json", "joined.csv", "report.html", "scorecard.csv", "histograms.hlog")
    before = {name: (path / name).read_bytes() for name in made}
    assert 0 == signoff("report", path).code
    assert before == {name: (path / name).read_bytes() for name in made}
    (path / results.SCORES).unlink()
    done = signoff("score", path)
    assert 0 == done.code, done.err
    distinct = {(each.start.example, each.end and each.end.answer_sha256) for each in results.read_run(path).attempts}
    assert f"{len(distinct)} answers graded\n" == done.out
    assert 0 == signoff("report", path).code
    assert before == {name: (path / name).read_bytes() for name in made}
    truth = [json.loads(line) for line in (path / "truth.jsonl").read_text().splitlines() if line.endswith("}")]
    assert len(truth) >= len(results.read_run(path).attempts)


def test_ctrl_c_and_gone_on_with(scenario: Path, unbroken: Run, go_on: Callable[..., Done], tmp_path: Path) -> None:
    """Ctrl-C leaves a block that was closed early: exit 130, how to go on is told, and the block is played again."""
    with running(scenario, tmp_path) as stopped:
        stopped.until(lambda: is_under_way(stopped, 3))
        stopped.send()
        assert 130 == stopped.end(limit_s=20), stopped.err
        path = stopped.run
    assert f"{GO_ON} {path}" in stopped.err
    assert "interrupted" == results.read_manifest(path).state
    done = go_on(path)
    assert 0 == done.code, done.err
    run = results.read_run(path)
    check(run, 1, unbroken)
    assert {"ok"} == {each.end and each.end.kind for each in run.aside}
    assert ["interrupted", None] == [each.state for each in run.manifest.sessions]


@pytest.mark.slow
def test_gone_on_with_twice(scenario: Path, unbroken: Run, go_on: Callable[..., Done], tmp_path: Path) -> None:
    """Killed in the second cell, and again in the third: three sessions, of which each played a cell whole."""
    with running(scenario, tmp_path) as killed:
        path = kill(killed, 2)
    with running(None, tmp_path, "--resume", path) as again:
        kill(again, 5, number=1)
    done = go_on(path)
    assert 0 == done.code, done.err
    run = results.read_run(path)
    assert {0: {0}, 1: {1}, 2: {2}} == session_of(run)
    assert [(0, 0, "running"), (1, 2, "running"), (2, 4, None)] == [
        (each.number, each.first_block, each.state) for each in run.manifest.sessions
    ]
    assert {"locust.log", "locust-1.log", "locust-2.log"} <= {each.name for each in path.iterdir()}
    assert starts(path) == len(run.attempts) + len(run.aside)
    assert "Made in 3 sessions" in " ".join(done.out.split())
    assert asked(unbroken).keys() == asked(run).keys()


@pytest.mark.slow
def test_several_load_processes(scenario: Path, go_on: Callable[..., Done], tmp_path: Path) -> None:
    """It goes on with as many as it had: two."""
    with running(scenario, tmp_path, "--processes", 2) as killed:
        path = kill(killed, 3)
    done = go_on(path)
    assert 0 == done.code, done.err
    run = results.read_run(path)
    assert {0: {0}, 1: {1}, 2: {1}} == session_of(run)
    assert {0, 1, 2, 3} == {each.worker for each in run.attempts}
    assert 24 == len(run.marks)


@pytest.mark.slow
def test_a_run_that_lost_a_worker_before(scenario: Path, go_on: Callable[..., Done], tmp_path: Path) -> None:
    """What was given up for it is not played again but by the cell that stands for it, and the loss still counts against it."""
    with running(scenario, tmp_path, "--processes", 2) as killed:
        killed.until(lambda: is_under_way(killed, 1))
        os.kill(killed.workers[0], signal.SIGKILL)
        path = kill(killed, 4)
    done = go_on(path)
    assert 4 == done.code, done.err
    run = results.read_run(path)
    assert {0: set(), 1: {0}, 2: {1}, 3: {1}} == session_of(run)
    assert ["worker_lost"] == [finding.code for finding in run.findings if finding.invalid]
    assert "degraded" == run.manifest.state
    again = go_on(path)
    assert (2, True) == (again.code, "every block of this run was played" in again.err)


@pytest.mark.slow
def test_arrivals_of_an_open_loop(
    scenario: Path, signoff: Callable[..., Done], go_on: Callable[..., Done], tmp_path: Path
) -> None:
    """Exactly the schedule of a run that was not interrupted."""
    whole = signoff("run", scenario, "--out", tmp_path / "whole", "--metrics", "", "-q", "--set", OPEN)
    assert 0 == whole.code, whole.err
    with running(scenario, tmp_path, "--set", OPEN) as killed:
        path = kill(killed, 3)
    done = go_on(path)
    assert 0 == done.code, done.err

    def arrivals(run: Run) -> Counter[tuple[int, str]]:
        return Counter((each.start.block, each.start.example) for each in run.attempts)

    assert arrivals(results.read_run(tmp_path / "whole" / "latest")) == arrivals(results.read_run(path))


def test_an_evaluation(scenario: Path, go_on: Callable[..., Done], tmp_path: Path) -> None:
    """Killed in the second of three repetitions: each example is asked once in each that counts."""
    with running(scenario, tmp_path, "--set", EVALUATION) as killed:
        path = kill(killed, 1)
    done = go_on(path)
    assert 0 == done.code, done.err
    run = results.read_run(path)
    assert Counter({(block, f"q{n}"): 1 for block in range(3) for n in range(30)}) == Counter(
        (each.start.block, each.start.example) for each in run.attempts
    )
    assert {0: {0}, 1: {1}, 2: {1}} == session_of(run)


@pytest.mark.slow
def test_the_budget_goes_on(scenario: Path, go_on: Callable[..., Done], tmp_path: Path) -> None:
    """What two cells left of it is less than the third one costs, and the whole is more."""
    settings = "budget.usd=2.5", "load.levels=[3]", "load.repetitions=3", "load.measure_s=3"  # a cell is some 110 requests
    with running(scenario, tmp_path, *(word for each in settings for word in ("--set", each))) as killed:
        path = kill(killed, 4)
    done = go_on(path)
    assert 5 == done.code, done.err
    run = results.read_run(path)
    assert "stopped_by_guard" == run.manifest.state
    assert sum("." in each.start.id for each in run.attempts) < 250 <= len(run.attempts) + len(run.aside)
    again = go_on(path)
    assert 2 == again.code
    assert "the budget of this run is used up" in again.err


@pytest.fixture(scope="module")
def broken(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    with running(scenario, folder) as killed:
        return kill(killed, 3)


@pytest.fixture
def copied(broken: Path, scenario: Path, tmp_path: Path) -> Path:
    """A copy of the interrupted run, and of its scenario, to be changed."""
    copy = shutil.copytree(broken, tmp_path / "run")
    folder = shutil.copytree(scenario, tmp_path / "scenario")
    change(copy, dataset__folder=str(folder), dataset__path=str(folder / "examples.jsonl"))
    return copy


def change(run: Path, **values: object) -> None:
    """Keys of the manifest; `a__b` is b in a."""
    manifest = json.loads((run / results.MANIFEST).read_text())
    for key, value in values.items():
        *outer, name = key.split("__")
        place = manifest
        for each in outer:
            place = place[each]
        place[name] = value
    (run / results.MANIFEST).write_text(json.dumps(manifest))


def rehash(run: Path) -> None:
    scenario = json.loads((run / results.MANIFEST).read_text())["scenario"]
    text = json.dumps(scenario, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    change(run, scenario_sha256=hashlib.sha256(text.encode()).hexdigest())


def search(run: Path) -> None:
    change(run, scenario__slo=["e2e.p50 <= 1 s"], scenario__load__levels=[], scenario__load__measure_s=60.0)
    change(run, scenario__load__search={"begin": 1, "most": 4})
    rehash(run)


def other_examples(run: Path) -> None:
    with (run.parent / "scenario" / "examples.jsonl").open("a") as rows:
        rows.write('{"id": "new", "prompt": "?", "expected": "!"}\n')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: change(run, state="complete"), "this run is complete: nothing is left to measure"),
        (lambda run: change(run, signoff="0.0.1"), "this run was begun by signoff 0.0.1"),
        (lambda run: change(run, scenario__load__seed=2), "the scenario is not the one that the run was begun with"),
        (other_examples, "the data set has changed since the run"),
        (search, "this run is a search"),
        (lambda run: (run / "journal-000.jsonl").unlink(), "0 of 1 journals of session 1 are here"),
    ],
    ids=["complete", "version", "scenario", "data set", "search", "journal"],
)
def test_what_is_refused(spoil: Callable[[Path], None], words: str, copied: Path, here: Callable[..., Done]) -> None:
    """Exit 2, the reason and what to do instead; the run directory stays as it was."""
    spoil(copied)
    before = (copied / results.MANIFEST).read_bytes()
    done = here("run", "--resume", copied, "--metrics", "", cwd=copied.parent)
    assert 2 == done.code, done.err
    assert words in " ".join(done.err.split())
    assert any(remedy in done.err for remedy in ("signoff run SCENARIO", "bring it back", "copy journal-000.jsonl"))
    assert before == (copied / results.MANIFEST).read_bytes()


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("SCENARIO",), "SCENARIO"),
        (("--set", "load.seed=2"), "--set"),
        (("--aa", "one"), "--aa"),
        (("--processes", "3"), "--processes 1"),
    ],
)
def test_what_may_not_stand_beside_it(
    words: tuple[str, ...], where: str, broken: Path, here: Callable[..., Done], tmp_path: Path
) -> None:
    """A run goes on as what it was; with as many load processes as long as one of its cells counts."""
    copy = shutil.copytree(broken, tmp_path / "run")
    done = here("run", "--resume", copy, "--metrics", "", *words, cwd=tmp_path)
    assert 2 == done.code
    assert where in done.err


def test_a_run_that_is_going_on(scenario: Path, here: Callable[..., Done], tmp_path: Path) -> None:
    """Refused, and not disturbed: it comes to its end."""
    with running(scenario, tmp_path) as run:
        run.until(lambda: is_under_way(run, 1))
        done = here("run", "--resume", run.run, "--metrics", "", cwd=tmp_path)
        assert (2, True) == (done.code, "this run is going on" in done.err)
        assert 0 == run.end(limit_s=60), run.err


def test_bare_locust(broken: Path) -> None:
    """It does not begin an interrupted run again, and says who goes on with it."""
    locustfile = Path(__file__).parents[2] / "locustfiles" / "closed_loop.py"
    words = [sys.executable, "-m", "locust", "-f", locustfile, "--headless", "--run-dir", broken]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert 2 == done.returncode
    assert f"{GO_ON} {broken}" in done.stderr + done.stdout
