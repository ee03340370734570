"""What a schedule had and nobody could send: failed in every share, and later than every answer in scheduled percentiles."""

from dataclasses import replace

import handmade
import msgspec
from handmade import MS

from harness.records import Phase
from harness.report import dispatch, join
from harness.report.cells import cells
from harness.report.figures import LevelFigures
from harness.report.summary import summarise
from harness.results import Attempt, Run
from harness.scenario import Scenario

SLO = ("scheduled.e2e.p90 <= 20 s", "service.e2e.p90 <= 20 s", "errors <= 5 %")


def due(attempt: Attempt) -> Attempt:
    """It was due when a user began with it."""
    return replace(attempt, start=msgspec.structs.replace(attempt.start, scheduled_ns=attempt.start.dispatched_ns))


def unsent(number: int, *, why: str = "no user was free before the drain limit") -> Attempt:
    dropped = handmade.attempt(number, at=2_000, example=None, kind="dropped", error=why)
    start = msgspec.structs.replace(dropped.start, scheduled_ns=2_000 * MS, dispatched_ns=None, waited_ns=3_000 * MS)
    return replace(dropped, start=start)


def held_back(number: int) -> Attempt:
    """A user began with it, and then the quota did not let it go."""
    return due(handmade.attempt(number, at=2_000, example=None, kind="dropped", error="no quota", limited_ns=8_000 * MS))


def run(sent: int, *unsent: Attempt) -> Run:
    made = handmade.run([*(due(handmade.ok(number)) for number in range(sent)), *unsent], slo=SLO)
    plan = tuple(msgspec.structs.replace(block, rate=10.0) for block in made.manifest.plan)
    return replace(made, manifest=msgspec.structs.replace(made.manifest, plan=plan))


def level(made: Run) -> LevelFigures:
    frame = join.frame(made, {}, graded=False)
    scenario = Scenario.model_validate(made.manifest.scenario)
    return summarise(made, scenario, list(cells(made, frame)), {}).endpoints["a"].levels["2"]


def test_they_are_failures_in_every_share() -> None:
    """Of 100 arrivals 20 were not sent: 20 % errors, 80 % success, and 80 sent in the window of ten seconds."""
    found = level(run(80, *map(unsent, range(80, 90)), *map(held_back, range(90, 100))))
    assert (20, 100, 80, 100) == (found.errors.k, found.errors.n, found.success.k, found.success.n)
    assert (100, 80) == (found.attempts.offered, found.attempts.attempted)
    assert found.dispatch is not None
    assert (100, 20, 10.0, 8.0) == (
        found.dispatch.arrivals,
        found.dispatch.dropped,
        found.dispatch.offered_per_s,
        found.dispatch.sent_per_s,
    )


def test_a_percentile_that_they_reach_has_no_end() -> None:
    """p50 of 100 is the 50th of 80 answers; p90 is none of them, so its objective is missed; service knows answers alone."""
    found = level(run(80, *map(unsent, range(80, 100))))
    scheduled, service = found.scheduled.e2e_s, found.service.e2e_s
    assert (80, 20, ("p90", "p95", "mean", "max")) == (scheduled.n, scheduled.unsent, scheduled.beyond)
    assert (None, "not reached: 20 of 100 arrivals were never sent") == (scheduled.p90, scheduled.reason["p90"])
    assert scheduled.p50 == scheduled.min == found.scheduled.e2e_s.p50
    assert (80, 0, ()) == (service.n, service.unsent, service.beyond)
    assert service.p90 is not None
    assert [(False, None), (True, service.p90), (False, 0.2)] == [(each.met, each.value) for each in found.slo]


def test_a_percentile_below_them_counts_them() -> None:
    """Five of 100 unsent: p90 is the 90th of all, which is an answer, and the objective is met."""
    found = level(run(95, *map(unsent, range(95, 100))))
    assert found.scheduled.e2e_s.p90 is not None
    assert ("mean", "max") == found.scheduled.e2e_s.beyond
    assert [True, True] == [each.met for each in found.slo[:2]]


def test_nothing_sent_at_all_is_missed_too() -> None:
    """An endpoint that no arrival came to holds no objective of scheduled latency."""
    found = level(run(0, *map(unsent, range(40))))
    assert (False, None) == (found.slo[0].met, found.slo[1].met)


def test_the_finding_says_which_why_and_how_many() -> None:
    """Five of 100 are a word, six of 100 make the run INVALID; the reasons are counted."""
    (few,) = [each for each in dispatch.findings(run(95, *map(unsent, range(95, 100)))) if each.code == "dropped"]
    assert not few.invalid
    made = run(94, *map(unsent, range(94, 97)), *map(held_back, range(97, 100)))
    (many,) = [each for each in dispatch.findings(made) if each.code == "dropped"]
    assert many.invalid
    assert "6 of 100 arrivals were never sent: a at 10 requests/s 6 of 100 (3 because no user was free" in many.what
    assert "3 because no quota)" in many.what


def test_what_no_schedule_had_is_no_failure() -> None:
    """A user of a closed loop that the declared quota held back to the end of the run says nothing of the endpoint."""
    held = handmade.attempt(50, at=2_000, example=None, kind="dropped", error="no quota", limited_ns=8_000 * MS)
    found = level(handmade.run([*(handmade.ok(number) for number in range(50)), held], slo=SLO))
    assert (0, 50, 50) == (found.errors.k, found.errors.n, found.success.k)
    assert (51, 50) == (found.attempts.offered, found.attempts.attempted)
    assert held.start.phase is Phase.MEASURE
