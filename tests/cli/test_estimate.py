"""What a run would take, before anything is sent."""

import json
from pathlib import Path

import pytest

from harness.cli.app import command_line

SCENARIO = """
name: sums
endpoints:
  dear:
    model: a
    simulated: {ttft: {median_s: 0.5}, itl: {median_s: 0.1}}
    price: {input: 2, output: 10, per_request: 0.001, cached_read: 0.2, source: test}
  free: {model: b, simulated: {ttft: {median_s: 1.0}, itl: {median_s: 0.1}}}
prompts: {dataset: examples.jsonl}
"""
CLOSED = "load: {levels: [2, 4], warmup_s: 5, measure_s: 25, drain_s: 30}"
OPEN = "load: {kind: open, levels: [3], warmup_s: 10, measure_s: 20, drain_s: 30, arrivals: {process: constant}}"


ROW = {"id": "q", "prompt": "x" * 400, "reference": "one two three four five"}
TALK = {"id": "q", "turns": ["x" * 400, "y" * 40, "z" * 40], "reference": "one two three four five"}


def told(
    folder: Path, capsys: pytest.CaptureFixture[str], load: str, *words: str, row: dict[str, object] = ROW
) -> tuple[int, str]:
    (folder / "scenario.yaml").write_text(SCENARIO + load)
    (folder / "examples.jsonl").write_text(json.dumps(row) + "\n")
    arguments = ["estimate", str(folder), *words]
    with pytest.raises(SystemExit) as caught:
        command_line(arguments)(arguments, prog_name="signoff")
    return int(caught.value.code or 0), capsys.readouterr().out


def test_a_closed_loop_asks_as_often_as_it_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five tokens: 1.0 s of dear and 1.5 s of free, so (2 + 4) users x 30 s make 180 and 120 requests of 100 tokens."""
    code, out = told(tmp_path, capsys, CLOSED)
    assert 0 == code
    lines = out.splitlines()
    # 180 x (100 x 2 + 5 x 10) / 1,000,000 + 180 x 0.001 = 0.225
    assert "dear: 180 requests, 18,000 tokens in, 900 out, 0.225 USD" == lines[0]
    assert "free: 120 requests, 12,000 tokens in, 600 out, no price" == lines[1]
    assert "together: 0.225 USD, 2.0 to 4.0 minutes" == lines[2]


EVALUATION = "load: {kind: evaluation, users: 4, attempts_most: 3, backoff_s: 2, repetitions: 2}"


def test_an_evaluation_is_known_but_for_its_retries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One example twice at each endpoint, one of 1.0 and one of 1.5 s; of three attempts there are waits of up to 2 and 4 s."""
    code, out = told(tmp_path, capsys, EVALUATION)
    assert 0 == code
    lines = out.splitlines()
    # 2 x (100 x 2 + 5 x 10) / 1,000,000 + 2 x 0.001 = 0.0025; 2 x (1.0 + 1.5) s, and 2 x (3 x 1.0 + 6 + 3 x 1.5 + 6) s
    assert "dear: 2 requests (6 if every attempt fails), 200 tokens in, 10 out, 0.0025 USD" == lines[0]
    assert "free: 2 requests (6 if every attempt fails), 200 tokens in, 10 out, no price" == lines[1]
    assert "together: 0.0025 USD, 0.1 to 0.7 minutes" == lines[2]
    found = json.loads(told(tmp_path, capsys, EVALUATION, "--json")[1])
    dear = found["endpoints"][0]
    assert (2, 6, 0.0025, 0.0075) == (dear["requests"], dear["max_requests"], float(dear["usd"]), float(dear["max_usd"]))
    assert [pytest.approx(5 / 60), pytest.approx(39 / 60)] == [found["min_minutes"], found["max_minutes"]]


def test_a_conversation_is_evaluated_turn_by_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three requests of the one example, twice."""
    out = told(tmp_path, capsys, EVALUATION, row=TALK)[1]
    assert "dear: 6 requests (18 if every attempt fails)" in out


def test_a_nonce_is_paid_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """422 bytes in place of 400, a token for four of them: 106 tokens in each of 180 requests."""
    _, out = told(tmp_path, capsys, CLOSED, "--set", "prompts.nonce=attempt")
    assert out.startswith("dear: 180 requests, 19,080 tokens in, 900 out, ")


def test_an_open_loop_is_its_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three a second for 30 s, however long an answer takes; what was seen can be said in place of what is assumed."""
    _, out = told(tmp_path, capsys, OPEN, "--tokens", "50", "--json")
    found = json.loads(out)
    assert [(90, 9_000, 4_500)] * 2 == [
        (each["requests"], each["input_tokens"], each["output_tokens"]) for each in found["endpoints"]
    ]
    assert 0.153 == float(found["usd"])  # 90 x (200 + 500) / 1,000,000 + 0.09


def test_a_conversation_is_all_its_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The simulator's first two answers are filler of 64 tokens, so prompts have 100, 100 + 10 + 64 and 248.

    133 tokens of three answers at 0.1 s, 0.5 s before each of them and 0.5 s of thinking before two: 15.8 s for three requests.
    """
    _, out = told(tmp_path, capsys, CLOSED.replace("}", ", think_s: {median_s: 0.5}}"), row=TALK)
    assert "dear: 35 requests, 6,090 tokens in, 1,575 out" in out  # 180 x 3 / 15.8
    assert "an example is 3 requests" in out
    assert "before the last of a conversation: 64 at dear, 64 at free" in out
    _, out = told(tmp_path, capsys, OPEN, row=TALK)
    assert "dear: 270 requests, 46,980 tokens in, 12,150 out" in out


def test_tokens_are_paid_however_they_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """200 tokens of reasoning and 5 of the answer, in chunks of five: 41 gaps of 0.5 s, so 21 s each; all are counted."""
    thought = ("endpoints.dear.simulated.reasoning_tokens=200", "endpoints.dear.simulated.tokens_per_chunk=5")
    _, out = told(tmp_path, capsys, CLOSED, *(word for each in thought for word in ("--set", each)))
    assert "dear: 9 requests, 900 tokens in, 1,845 out" in out  # 180 / 21


def test_answers_of_a_conversation_are_as_long_as_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--tokens` is of all of them; prompts of 100, 115 and 130 tokens, and a request every 1.33 s with its thinking."""
    _, out = told(tmp_path, capsys, CLOSED.replace("}", ", think_s: {median_s: 0.5}}"), "--tokens", "5", row=TALK)
    assert "dear: 135 requests, 15,525 tokens in, 675 out" in out


def test_a_limit_of_the_answer_is_that_of_its_filler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With max_tokens 20 the first two answers have 20 tokens, not 64: prompts of 100, 130 and 160."""
    _, out = told(tmp_path, capsys, OPEN, "--set", "endpoints.dear.parameters.max_tokens=20", row=TALK)
    assert "dear: 270 requests, 35,100 tokens in, 4,050 out" in out


def test_of_a_real_endpoint_the_assumption_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of its answers is taken to be as long as the right last one."""
    real = ["endpoints.free.base_url=https://api.example.com/v1", "endpoints.free.simulated=null"]
    _, out = told(tmp_path, capsys, OPEN, *(word for each in real for word in ("--set", each)), row=TALK)
    assert "free: 270 requests, 31,050 tokens in, 1,350 out" in out
    assert "64 at dear, 5 at free; a simulated endpoint says filler there, at any other it is taken to be as long" in out


def test_declared_limits_bound_a_closed_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six a minute: one at once and one each 10 s, so 4 in a cell of 30 s; who waits then goes in the drain of 30 s, of two
    users two, of four three. The other endpoint has no limit.

    In a drain of 1 s nobody goes. 2,100 tokens a minute are 20 requests of 105: 1 and 10 in 30 s, and two users who wait.
    """
    six = ("--set", "endpoints.dear.limits={requests_per_minute: 6}")
    _, out = told(tmp_path, capsys, CLOSED, *six)
    assert "dear: 13 requests, 1,300 tokens in, 65 out" in out
    assert "free: 120 requests" in out
    assert "assumed: dear gets no more than its declared limits let through" in out
    _, out = told(tmp_path, capsys, CLOSED.replace("drain_s: 30", "drain_s: 1"), *six)
    assert "dear: 8 requests" in out
    tokens = ("--set", "endpoints.dear.limits={tokens_per_minute: 2_100}", "--set", "load.levels=[2]")
    _, out = told(tmp_path, capsys, CLOSED, *tokens)
    assert "dear: 13 requests" in out
    _, out = told(tmp_path, capsys, CLOSED, "--set", "endpoints.dear.limits={requests_per_minute: 999}")
    assert "dear: 180 requests" in out


def test_arrivals_beyond_the_declared_limits_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """180 a minute arrive and 6 may go, 30 times as many; within the limits nothing is said."""
    _, out = told(tmp_path, capsys, OPEN, "--set", "endpoints.dear.limits={requests_per_minute: 6}")
    expected = "warning: at dear (3rps) 180 requests a minute arrive, and its declared limits let 6 go: 30 times as many."
    assert expected in out
    assert "at free" not in out
    _, out = told(tmp_path, capsys, OPEN, "--set", "endpoints.dear.limits={requests_per_minute: 180}")
    assert "warning" not in out


def test_a_budget_that_would_break_is_told_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 5, as the run would end with."""
    code, out = told(tmp_path, capsys, CLOSED + "\nbudget: {minutes: 1.9}")
    assert 5 == code
    assert "over budget: 2.0 minutes is more than budget.minutes, 1.9: the run would be stopped there" in out
    assert 0 == told(tmp_path, capsys, CLOSED + "\nbudget: {minutes: 2.1}")[0]
