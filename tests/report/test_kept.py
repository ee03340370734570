"""Which attempts count where cells were played again, and what is said of the others."""

import dataclasses
from decimal import Decimal

import msgspec
import pandas as pd
from handmade import MARKS, PLAN, failed, lost, ok, run

from harness import sessions
from harness.kept import kept
from harness.rates import Rates
from harness.records import Block, Manifest, Phase
from harness.report import resumed
from harness.results import Run
from harness.sessions import Session

RATES = Rates(source="test", input=Decimal(0), output=Decimal(0), per_request=Decimal("0.5"))
OTHER = Block(id=2, cell=1, endpoint="a", level="2", concurrency=2, phase=Phase.MEASURE, seconds=10, repetition=1)
SESSIONS = (
    Session(0, "2026-01-02T03:04:05+00:00", 0, 2, "running", 12.5, ("worker_lost: worker 1 ended",)),
    Session(1, "2026-01-03T03:04:05+00:00", 1, 1, "interrupted", 3.0),
    Session(2, "2026-01-04T03:04:05+00:00", 1, 2),
)


def manifest(*of: Session) -> Manifest:
    return msgspec.structs.replace(run([]).manifest, plan=(*PLAN, OTHER), sessions=of)


def test_load_processes_are_counted_through() -> None:
    """Two, one and two of three sessions."""
    assert [0, 2, 3] == [sessions.first_worker(SESSIONS, number) for number in range(3)]
    assert [0, 0, 1, 2, 2] == [sessions.of_worker(SESSIONS, worker) for worker in range(5)]
    assert 0 == sessions.of_worker((), 7)


def test_a_session_without_load_processes() -> None:
    """It ended before they were there, and none is taken for its."""
    of = (SESSIONS[0], msgspec.structs.replace(SESSIONS[1], workers=0), SESSIONS[2])
    assert [0, 0, 2, 2] == [sessions.of_worker(of, worker) for worker in range(4)]


def test_names_of_the_first_session_are_plain() -> None:
    """So are its attempts' ids."""
    assert ["journal-007.jsonl", "journal-2-007.jsonl"] == [sessions.file_name("journal", each, 7) for each in (0, 2)]
    assert ["7-12", "2.7-12"] == [sessions.attempt_id(each, 7, 12) for each in (0, 2)]


def test_the_last_session_that_entered_a_cell_counts() -> None:
    """Cell 0 of the first session stays; cell 1 was entered by all three, and is the last one's, whatever that had by then."""
    whole = [ok(1, worker=1), ok(2, block=1)]
    begun = [dataclasses.replace(ok(3), start=msgspec.structs.replace(ok(3).start, block=2))]
    again = [dataclasses.replace(each, worker=2) for each in begun]
    mark = (4, msgspec.structs.replace(MARKS[0][1], block=2))
    found = kept(manifest(*SESSIONS), [*whole, *begun, *again], [*MARKS, mark])
    assert (whole, [*MARKS, mark], [*begun, *again]) == (found.attempts, found.marks, found.aside)


def test_a_run_of_one_session_keeps_all() -> None:
    """Nothing is looked at."""
    attempts = [ok(1), lost(2)]
    assert (attempts, MARKS, []) == kept(manifest(), attempts, MARKS)


def told(*aside_of: object) -> Run:
    made = run([ok(1), ok(2)])
    return dataclasses.replace(made, manifest=manifest(*SESSIONS), aside=list(aside_of))  # type: ignore[arg-type]


def test_what_was_given_up_is_counted_and_paid() -> None:
    """Two kept and three aside at half a dollar each; what has no end has no price."""
    frame = pd.DataFrame({"usd": pd.Series([Decimal("0.5"), Decimal("0.5")], dtype="object")})
    made = told(ok(3), ok(4), failed(5, "timeout_idle", usage=ok(3).end and ok(3).end.usage), lost(6))
    found = resumed.figures(made, frame, {"a": RATES})
    assert found is not None
    assert (4, Decimal("1.5"), 1) == (found.set_aside.attempts, found.set_aside.usd, found.set_aside.unpriced)
    assert {"lost_worker": 1, "ok": 2, "timeout_idle": 1} == found.set_aside.by_kind
    assert Decimal("2.5") == found.usd
    assert ["running", "interrupted", "complete"] == [each.state for each in found.sessions]
    assert [12.5, 3.0, None] == [each.seconds for each in found.sessions]


def test_a_run_of_one_session_says_nothing() -> None:
    """No figures, no sentence."""
    assert resumed.figures(run([ok(1)]), pd.DataFrame({"usd": []}), {}) is None
