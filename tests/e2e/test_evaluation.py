"""Evaluations from the command line to the report: every example once, and what failed by accident again."""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from screen import Done

from harness import results
from harness.journal_reader import Attempt
from harness.results import Run
from harness.trial import TRANSIENT

EXAMPLES = 40
SCENARIO = """
name: evaluated
endpoints:
  one:
    model: sim
    price: {input: 0, output: 0, per_request: 0.01, source: test}
    simulated: {ttft: {median_s: 0.03}, itl: {median_s: 0.002}, accuracy: 0.5}
prompts: {dataset: examples.jsonl}
load: {kind: evaluation, users: 8, attempts_most: 60, backoff_s: 0.05, backoff_most_s: 0.2, drain_s: 5}
grading: {scorer: exact}
slo: ["e2e.p50 <= 1 ms"]
"""
QUOTA = "endpoints.one.simulated.limits={requests_per_minute: 900, burst_s: 1}"
Evaluate = Callable[..., tuple[Run, dict[str, Any], Done]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluated")
    (made / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"It is {n}."} for n in range(EXAMPLES)]
    (made / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    turns = "Where does trip {} begin?", "May I take my dog along?", "And its code?"
    talks = [{"id": f"c{n}", "turns": [said.format(n) for said in turns], "expected": f"T-{n}"} for n in range(12)]
    (made / "talks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in talks))
    return made


@pytest.fixture(scope="module")
def evaluate(folder: Path, signoff: Callable[..., Done]) -> Evaluate:
    def call(name: str, *settings: str, code: int = 0, words: tuple[object, ...] = ()) -> tuple[Run, dict[str, Any], Done]:
        sets = [word for each in settings for word in ("--set", each)]
        done = signoff("run", folder, "--out", folder / name, "--metrics", "", "-q", *sets, *words)
        assert done.code in (code, 4), done.err  # a busy machine may be too late, and says so
        run = results.read_run(folder / name / "latest")
        levels = json.loads((run.path / results.SUMMARY).read_bytes())["endpoints"]["one"]["levels"]
        return run, next(iter(levels.values())), done

    return call


@pytest.fixture(scope="module")
def limited(evaluate: Evaluate) -> tuple[Run, dict[str, Any], Done]:
    """Eight users against 15 requests a second."""
    return evaluate("limited", QUOTA)


def kind(attempt: Attempt) -> str | None:
    return attempt.end and attempt.end.kind


def number(attempt: Attempt) -> int:
    assert attempt.start.trial is not None
    return attempt.start.trial.number


def by_answer(run: Run) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for each in sorted(run.attempts, key=number):
        assert each.start.trial is not None
        found.setdefault(str(each.start.trial.first), []).append(each)
    return found


def asked(run: Run) -> Counter[tuple[str, int, str]]:
    """What was asked at all, retries left out."""
    repetition = {block.id: block.repetition for block in run.manifest.plan}
    return Counter(
        (each.start.endpoint, repetition[each.start.block], each.start.example) for each in run.attempts if not number(each)
    )


def test_a_quota_costs_attempts_and_no_answers(limited: tuple[Run, dict[str, Any], Done]) -> None:
    """40 examples, 40 answers: each refusal is an attempt in the journal, and the one after it knows the first."""
    run, level, _ = limited
    answers = by_answer(run)
    assert Counter({("one", 0, f"q{n}"): 1 for n in range(EXAMPLES)}) == asked(run)
    assert EXAMPLES == len(answers)
    for first, attempts in answers.items():
        assert [*range(len(attempts))] == [number(each) for each in attempts]
        assert first == attempts[0].start.id
        assert {attempts[0].start.example} == {each.start.example for each in attempts}
        assert ["http_rate_limited"] * (len(attempts) - 1) + ["ok"] == [kind(each) for each in attempts]
    refused = sum(kind(each) == "http_rate_limited" for each in run.attempts)
    assert refused > 0
    assert EXAMPLES + refused == len(run.attempts) == level["attempts"]["attempted"]
    tried = level["tried"]
    assert (EXAMPLES, EXAMPLES, 0, 0) == tuple(tried[name] for name in ("examples", "answers", "given_up", "not_reached"))
    assert {"http_rate_limited": refused} == tried["retried"]
    assert pytest.approx(len(run.attempts) / EXAMPLES) == tried["attempts_per_answer"]
    assert max(map(len, answers.values())) == tried["attempts_most"]


def test_what_the_endpoint_asks_for_is_waited(limited: tuple[Run, dict[str, Any], Done]) -> None:
    """Nobody comes back before its Retry-After is over; the waits are in the summary."""
    run, level, _ = limited
    waited_s = 0.0
    for attempts in by_answer(run).values():
        for before, after in itertools.pairwise(attempts):
            assert before.end is not None
            assert before.end.quota is not None
            assert after.start.trial is not None
            told_s = before.end.quota.wait_s
            assert told_s is not None
            assert (after.start.dispatched_ns or 0) - (before.end.done_ns or 0) >= told_s * 1e9
            waited_s += after.start.trial.waited_ns / 1e9
    assert pytest.approx(waited_s) == level["tried"]["waited_s"]


def test_success_is_by_answer_and_cost_by_attempt(limited: tuple[Run, dict[str, Any], Done]) -> None:
    """As the table of attempts says; first-attempt success leaves out what was asked again, right or not."""
    run, level, done = limited
    with (run.path / "joined.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    last = [row for row in rows if row["fate"] == "answer"]
    right = [row for row in last if row["success"] == "True"]
    assert (EXAMPLES, len(right)) == (len(last), level["success"]["k"])
    assert {"retried"} == {row["fate"] for row in rows} - {"answer"}
    assert {("", "False")} == {(row["success"], row["is_task"]) for row in rows if row["fate"] == "retried"}
    assert sum(row["trial"] == "0" for row in right) == level["tried"]["first_k"]
    assert pytest.approx(0.01 * EXAMPLES / len(right)) == float(level["usd"]["per_success"])  # what was refused is not billed
    assert 0 == level["errors"]["k"]
    said = " ".join(done.out.split())
    assert "an evaluation and no load test" in said
    assert f"40 examples = {EXAMPLES} answers + 0 given up + 0 not reached" in said
    assert "Not judged, for it takes a load test: e2e.p50 <= 1 ms" in said
    assert [] == level["slo"]
    assert 'id="evaluation"' in (run.path / "report.html").read_text()


@pytest.mark.slow
def test_declared_limits_and_retries_work_together(evaluate: Evaluate) -> None:
    """A quota that is kept needs no retry; one that is declared too high freezes the bucket, and all is answered too."""
    kept, _, _ = evaluate("kept", QUOTA, "endpoints.one.limits={requests_per_minute: 850, burst_s: 0.1}")
    assert {"ok": EXAMPLES} == Counter(map(kind, kept.attempts))
    broken, level, _ = evaluate("broken", QUOTA, "endpoints.one.limits={requests_per_minute: 6000, burst_s: 0.1}")
    assert EXAMPLES == Counter(map(kind, broken.attempts))["ok"] == level["tried"]["answers"]
    longest_ns = max((each.end and each.end.limited_ns) or 0 for each in broken.attempts)
    assert longest_ns > 20_000_000  # at 100 a second nobody waits so long but for a freeze


def test_a_candidate_that_always_fails_is_given_up(evaluate: Evaluate) -> None:
    """Three attempts at each of 40 examples, and no answer."""
    settings = "endpoints.one.simulated.error_rate=1", "load.attempts_most=3", "load.users=40"
    run, level, done = evaluate("failing", *settings)
    assert Counter({0: EXAMPLES, 1: EXAMPLES, 2: EXAMPLES}) == Counter(map(number, run.attempts))
    assert TRANSIENT >= {kind(each) for each in run.attempts}
    tried = level["tried"]
    assert (0, EXAMPLES, 0) == (tried["answers"], tried["given_up"], tried["not_reached"])
    assert (3.0, 3) == (tried["attempts_per_answer"], tried["attempts_most"])
    assert (0, EXAMPLES) == (level["success"]["k"], level["success"]["n"])
    assert (EXAMPLES, EXAMPLES) == (level["errors"]["k"], level["errors"]["n"])
    assert f"0 answers + {EXAMPLES} given up" in " ".join(done.out.split())


def test_what_is_wrong_with_the_request_is_asked_once(evaluate: Evaluate) -> None:
    """One attempt at each, though 60 are allowed: a model that is not there will not be there in a moment."""
    # The simulator knows its candidate by its model, so the model is renamed in the body only.
    run, level, _ = evaluate("unknown", "endpoints.one.extra_body={model: another}")
    assert EXAMPLES == len(run.attempts)
    assert 1 == len({kind(each) for each in run.attempts})
    assert (EXAMPLES, EXAMPLES) == (level["tried"]["given_up"], level["tried"]["not_retried"])


def test_two_workers_ask_what_one_would(evaluate: Evaluate) -> None:
    """Three users, two repetitions: each example once in each, the order of each repetition its own."""
    settings = "load.users=3", "load.repetitions=2"
    one, _, _ = evaluate("one", *settings)
    two, level, _ = evaluate("two", *settings, words=("--processes", 2))
    assert asked(one) == asked(two) == Counter({("one", again, f"q{n}"): 1 for again in (0, 1) for n in range(EXAMPLES)})
    assert {0, 1} == {each.worker for each in two.attempts}
    assert (2 * EXAMPLES, 2 * EXAMPLES) == (level["tried"]["examples"], level["tried"]["answers"])


@pytest.mark.slow
def test_more_workers_than_users_ask_everything(evaluate: Evaluate) -> None:
    """One user at two workers: one of them has nothing to do, and says so."""
    run, _, _ = evaluate("lonely", "load.users=1", "prompts.sample={n: 10}", words=("--processes", 2))
    assert 10 == len(asked(run)) == len(run.attempts)


def test_a_budget_ends_it_and_what_was_not_reached_is_counted(evaluate: Evaluate) -> None:
    """Exit code 5; who waits to ask again is let go at once, and its example is not reached, as those that nobody began."""
    settings = "budget.usd=0.1", "endpoints.one.simulated.limits={requests_per_minute: 300, burst_s: 1}", "load.backoff_s=0.2"
    run, level, _ = evaluate("cut", *settings, code=5)
    assert "stopped_by_guard" == run.manifest.state
    assert all(each.end is not None for each in run.attempts)
    tried = level["tried"]
    answered = {each.start.example for each in run.attempts if kind(each) == "ok"}
    assert (len(answered), 0) == (tried["answers"], tried["given_up"])
    assert 0 < tried["not_reached"] == EXAMPLES - len(answered)
    assert EXAMPLES == tried["examples"] == tried["answers"] + tried["given_up"] + tried["not_reached"]


def test_conversations_go_on_from_the_try_that_was_answered(evaluate: Evaluate) -> None:
    """Each turn has as many attempts as it takes, and carries what it would carry without a failure."""
    settings = "prompts.dataset=talks.jsonl", "load.users=12"
    plain, _, _ = evaluate("talk", *settings)
    run, level, _ = evaluate("failing_talk", *settings, "endpoints.one.simulated.error_rate=0.3")
    assert any(number(each) for each in run.attempts)
    assert carried(plain) == carried(run)
    assert 36 == len(carried(run))
    assert Counter({f"c{n}": 1 for n in range(12)}) == Counter(
        example for example, _ in {(each.start.example, each.start.conversation) for each in run.attempts}
    )
    assert (12, 12, 0) == (level["success"]["n"], level["tried"]["answers"], level["conversations"]["not_reached"])
    assert Counter((each.start.example, each.start.turn) for each in run.attempts if not number(each)) == Counter(
        dict.fromkeys(carried(plain), 1)
    )


def carried(run: Run) -> dict[tuple[str, int | None], int | None]:
    """Input tokens of each turn that was answered."""
    ends = {(each.start.example, each.start.turn): each.end for each in run.attempts if kind(each) == "ok"}
    return {turn: end and end.usage and end.usage.input_tokens for turn, end in ends.items()}


@pytest.mark.slow
def test_several_evaluations_are_one_campaign(evaluate: Evaluate, signoff: Callable[..., Done], tmp_path: Path) -> None:
    """Success over runs, by answer."""
    runs = [evaluate(f"again_{n}")[0].path for n in range(2)]
    done = signoff("report", *runs, "--out", tmp_path, "--json")
    assert 0 == done.code, done.err
    found = json.loads(done.out)["endpoints"]["one"]["levels"]["8"]["figures"]["success_ratio"]
    assert (2, 0) == (found["n"], found["missing"])
