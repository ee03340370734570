"""What was due and could not be sent: it has its two lines all the same, and the run says why."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from one_worker import Load

from harness.loadgen.worker import Worker
from harness.records import Block, Call
from harness.results import Run

ROWS: list[dict[str, Any]] = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": "x"} for n in range(50)]
OPEN = "load={kind: open, levels: [100], users: 5, warmup_s: 0, measure_s: 0.5, arrivals: {process: constant}}"
BUG = ValueError("a trace without a length")


def told(run: Run) -> Counter[tuple[str, str | None]]:
    return Counter((each.end.kind, each.end.error) for each in run.attempts if each.end is not None)


def test_a_call_that_cannot_be_made_is_an_attempt_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each second of fifty arrivals meets a bug in the prompts: 25 are internal, none is sent, none is missing."""
    made = Load(tmp_path, ROWS, OPEN)
    at = made.worker._calls.at

    def broken(block: Block, position: int) -> Call:
        if position % 2:
            raise BUG
        return at(block, position)

    monkeypatch.setattr(made.worker._calls, "at", broken)
    made.bugs = [repr(BUG), "LookupError('this call could not be made')"] * 25
    run = made.run(lambda worker: worker.ended >= 50)
    assert {("ok", None): 25, ("internal", "internal error: LookupError('this call could not be made')"): 25} == told(run)
    assert 25 == len((run.path / "truth.jsonl").read_text().splitlines())
    assert "internal" in [each.code for each in run.findings if each.invalid]


def test_a_request_that_cannot_be_built_is_an_attempt_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a dialect, say: the user goes on with the next arrival."""
    made = Load(tmp_path, ROWS, OPEN)
    port = made.worker._ports["one"]
    request = port.request

    def broken(call: Call) -> Any:
        if call.example == "q7":
            raise BUG
        return request(call)

    monkeypatch.setattr(port, "request", broken)
    made.bugs = [repr(BUG)]
    run = made.run(lambda worker: worker.ended >= 50)
    assert {("ok", None): 49, ("internal", f"internal error: {BUG!r}"): 1} == told(run)


def test_what_the_declared_quota_holds_back_to_the_end_is_dropped(tmp_path: Path) -> None:
    """Ten of fifty may go; the others wait and are dropped at the drain limit with the reason, and their wait is known."""
    quota = "endpoints.one.limits={requests_per_minute: 10, burst_s: 60}"
    made = Load(tmp_path, ROWS, OPEN, quota)

    ends_at = time.monotonic() + 0.7

    def cut(worker: Worker) -> bool:
        if time.monotonic() < ends_at or worker.ended < 10:
            return False
        worker.close()
        worker.cut(at_limit=True)
        return True

    run = made.run(cut)
    found = told(run)
    assert 10 == found.pop(("ok", None))
    assert 5 == found.pop(("dropped", "the declared quota did not let it go before the drain limit"))
    assert {("dropped", "no user was free before the drain limit"): 35} == found
    held = [each.end for each in run.attempts if each.end and each.end.error and "quota" in each.end.error]
    assert all(end.sent_ns is None and (end.limited_ns or 0) > 0 for end in held)
    starts = [json.loads(line) for line in (run.path / "journal-000.jsonl").read_text().splitlines() if '"t":"start"' in line]
    waited = [each.get("waited_ns", 0) for each in starts if "dispatched_ns" not in each or each["dispatched_ns"] is None]
    assert waited
    assert min(waited) > 0
