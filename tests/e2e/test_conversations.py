"""Conversations from the command line to the report: what was asked, graded, counted and shown."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from screen import Done

SCENARIO = """
name: talk
endpoints:
  one:
    model: sim
    price: {input: 1, output: 4}
    simulated: {ttft: {median_s: 0.02}, itl: {median_s: 0}, accuracy: 0.5, prefix_cache: true}
prompts: {dataset: examples.jsonl, system: Answer briefly.}
load: {levels: [3], warmup_s: 0.3, measure_s: 1.5, drain_s: 4, think_s: {median_s: 0.01, sigma: 0.5}}
grading: {scorer: exact}
"""
Ran = tuple[Done, Path, list[dict[str, str]]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, signoff: Callable[..., Done]) -> Ran:
    folder = tmp_path_factory.mktemp("talk")
    (folder / "scenario.yaml").write_text(SCENARIO)
    turns = "Where does trip {} begin?", "May I take my dog along?", "And its code?"
    rows = [{"id": f"c{n}", "turns": [said.format(n) for said in turns], "expected": f"T-{n}"} for n in range(30)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = signoff("run", folder, "--out", folder / "runs", "--metrics", "", "-q")
    assert done.code in (0, 4), done.err  # a busy machine may be too late, and says so
    run = folder / "runs" / "latest"
    with (run / "joined.csv").open(newline="") as table:
        return done, run, [row for row in csv.DictReader(table) if row["phase"] == "measure"]


def test_only_last_answers_are_graded(ran: Ran) -> None:
    """By what the simulator really said: right or wrong, with the turns before it neither."""
    _, run, rows = ran
    truth = [json.loads(line) for line in (run / "truth.jsonl").read_text().splitlines()]
    assert {None, True, False} == {each["right"] for each in truth}
    last = [row for row in rows if row["turn"] == "2"]
    assert {"True", "False"} == {row["success"] for row in last}
    right = {each["example"]: str(each["right"]) for each in truth if each["example"] is not None}
    assert [right[row["example"]] for row in last] == [row["success"] for row in last]
    assert {("", "False")} == {(row["success"], row["is_task"]) for row in rows if row["turn"] != "2"}


def test_the_summary_counts_conversations(ran: Ran) -> None:
    """Success over those that ended, cost of all their turns, and what was not reached."""
    done, run, rows = ran
    level = json.loads((run / "summary.json").read_text())["endpoints"]["one"]["levels"]["3"]
    last = [row for row in rows if row["turn"] == "2"]
    right = sum(row["success"] == "True" for row in last)
    assert (right, len(last)) == (level["success"]["k"], level["success"]["n"])
    ended = {row["conversation"] for row in last}
    spent = sum(float(row["usd"]) for row in rows if row["conversation"] in ended)
    assert spent / right == pytest.approx(float(level["usd"]["per_success"]))
    talk = level["conversations"]
    assert talk["n"] == sum(row["turn"] == "0" for row in rows)
    assert 3 * talk["n"] - len(rows) == talk["not_reached"]
    assert 0 == talk["not_reached_after_failure"]
    assert f"{talk['n']} conversations, {talk['not_reached']} turns not reached" in " ".join((done.out + done.err).split())
    assert 'id="conversations"' in (run / "report.html").read_text()
