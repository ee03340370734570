"""Evaluations in figures, from attempts that are given by hand."""

from decimal import Decimal

import handmade
import msgspec
import pytest

from harness.rates import Rates
from harness.report import answers_tried, join, summary
from harness.report.cells import cells
from harness.report.figures import Comparison, Distribution, LevelFigures, Ranking, encode, rounded
from harness.report.html import render
from harness.report.tries import AnswersTried
from harness.results import Attempt, Run
from harness.scenario import Scenario
from harness.trial import Trial

LOAD = {"kind": "evaluation", "users": 2, "attempts_most": 3}
RATES = Rates(source="test", input=Decimal(0), output=Decimal(0), per_request=Decimal("0.01"))


def trial(attempt: Attempt, number: int = 0, first: int | None = None, waited_ms: int = 0, **start: object) -> Attempt:
    of = Trial(number, attempt.start.id if first is None else f"t{first}", waited_ms * handmade.MS)
    return Attempt(msgspec.structs.replace(attempt.start, trial=of, **start), attempt.end, attempt.worker)


# At e1 one answer; at e2 one after two failures; e3 fails three times; e4 is refused for good; e5 was cut before its second.
ATTEMPTS = (
    trial(handmade.ok(1, example="e1")),
    trial(handmade.failed(2, "http_rate_limited", at=2_000, example="e2")),
    trial(handmade.failed(3, "http_server_error", at=2_200, example="e2"), 1, 2, 149),
    trial(handmade.ok(4, at=3_000, example="e2"), 2, 2, 749),
    trial(handmade.failed(5, "timeout_idle", at=2_000, example="e3")),
    trial(handmade.failed(6, "timeout_idle", at=3_000, example="e3"), 1, 5, 949),
    trial(handmade.failed(7, "http_rate_limited", at=4_000, example="e3"), 2, 5, 949),
    trial(handmade.failed(8, "http_auth", example="e4")),
    trial(handmade.failed(9, "http_unavailable", at=5_000, example="e5")),
)


def evaluation(attempts: tuple[Attempt, ...], examples: int, slo: tuple[str, ...] = (), **fields: object) -> Run:
    run = handmade.run(attempts, slo=slo, **fields)  # type: ignore[arg-type]
    scenario = run.manifest.scenario | {"load": LOAD}
    manifest = msgspec.structs.replace(
        run.manifest, scenario=scenario, dataset={"n": examples}, plan=tuple(each for each in run.manifest.plan if each.id)
    )
    return Run(run.path, manifest, run.attempts, run.marks, [], run.grades)


def summed(run: Run) -> summary.Summary:
    scenario = Scenario.model_validate(run.manifest.scenario)
    rates = dict(run.manifest.rates)
    frame = join.frame(run, rates, graded=scenario.grading is not None)
    return rounded(summary.summarise(run, scenario, tuple(cells(run, frame)), rates))


def level(run: Run) -> LevelFigures:
    return summed(run).endpoints["a"].levels["2"]


def tried(run: Run) -> AnswersTried:
    found = level(run).tried
    assert isinstance(found, AnswersTried)
    return found


def test_every_example_is_answered_given_up_or_not_reached() -> None:
    """Seven examples: two answers, e3 and e4 given up (e4 at once), e5 cut, and two that nobody came to."""
    found = tried(evaluation(ATTEMPTS, 7))
    assert (7, 2, 2, 1, 3) == (found.examples, found.answers, found.given_up, found.not_retried, found.not_reached)
    assert found.examples == found.answers + found.given_up + found.not_reached


def test_attempts_are_counted_by_answer_and_retries_by_cause() -> None:
    """1 + 3 + 3 + 1 attempts at four answers; that at e5 was cut and is in no mean."""
    found = tried(evaluation(ATTEMPTS, 7))
    assert (9, 2.0, 3) == (found.attempts, found.attempts_per_answer, found.attempts_most)
    assert {"http_rate_limited": 1, "http_server_error": 1, "timeout_idle": 2} == found.retried
    assert (pytest.approx(2.796), pytest.approx(1.898)) == (found.waited_s, found.waited_most_s)


def test_the_last_attempt_decides_success_and_errors() -> None:
    """Two of four in the end, one of four at first; two of four answers failed, whatever their attempts were."""
    found = level(evaluation(ATTEMPTS, 7))
    assert (2, 4) == (found.success.k, found.success.n)
    of = tried(evaluation(ATTEMPTS, 7))
    assert (1, 0.25) == (of.first_k, of.first_ratio)
    assert (2, 4) == (found.errors.k, found.errors.n)
    assert 2 == found.attempts.successful
    assert (9, 9) == (found.attempts.offered, sum(found.attempts.by_kind.values()))
    assert (4, 2) == (found.latency_all.n, found.latency_all.failed)


def test_an_answer_that_is_wrong_is_one() -> None:
    """Graded, e1 is right and e2 wrong: success at first is not about retries alone."""
    run = evaluation(ATTEMPTS, 7, passed={1: True, 4: False})
    assert (1, 1, 2) == (level(run).success.k, tried(run).first_k, tried(run).answers)


def test_cost_per_success_holds_all_attempts() -> None:
    """0.01 USD each: nine attempts in all, eight of them at answers that were not cut, four of these."""
    found = level(evaluation(tuple(_billed(each) for each in ATTEMPTS), 7, rates=RATES)).usd
    assert (Decimal("0.09"), Decimal("0.04"), Decimal("0.02")) == (found.total, found.per_success, found.per_task)


def _billed(attempt: Attempt) -> Attempt:
    assert attempt.end is not None
    usage = handmade.ok(1).end.usage  # type: ignore[union-attr]
    return Attempt(attempt.start, msgspec.structs.replace(attempt.end, usage=usage), attempt.worker)


def test_service_is_of_the_attempt_and_the_time_to_an_answer_of_all() -> None:
    """e2 was answered 1,141 ms after it was first dispatched, by an attempt of 140 ms; e1 in 141 and 140 ms."""
    found = level(evaluation(ATTEMPTS, 7))
    assert (2, pytest.approx(0.140)) == (found.service.e2e_s.n, found.service.e2e_s.max)
    of = found.answer_s
    assert isinstance(of, Distribution)
    assert (2, pytest.approx(0.141), pytest.approx(1.141)) == (of.n, of.min, of.max)


def test_no_objective_of_a_load_is_judged() -> None:
    """They are named instead, and those of shares and money are held as ever."""
    slo = ("ttft.p50 <= 1 ms", "success >= 90 %", "goodput_per_s >= 5", "usd_per_success <= 1 USD")
    run = evaluation(ATTEMPTS, 7, slo, rates=RATES)
    found = level(run)
    assert [("success >= 90 %", False), ("usd_per_success <= 1 USD", True)] == [(each.text, each.met) for each in found.slo]
    assert ("ttft.p50 <= 1 ms", "goodput_per_s >= 5") == tried(run).not_judged


def test_the_report_says_what_it_was() -> None:
    """In sentences, on the page and in the summary; nothing is called steady or not."""
    found = summed(run := evaluation(ATTEMPTS, 7, ("ttft.p50 <= 1 ms",)))
    lines = list(answers_tried.sentences(found))
    assert "an evaluation and no load test" in lines[0]
    assert "Not judged, for it takes a load test: ttft.p50 <= 1 ms." == lines[1]
    assert "a: 7 examples = 2 answers + 2 given up + 3 not reached (1 of the given up were" in lines[2]
    frame = join.frame(run, dict(run.manifest.rates), graded=False)
    page = render(found, tuple(cells(run, frame)))
    assert 'id="evaluation"' in page
    assert "warms up first" not in page
    assert () == found.endpoints["a"].levels["2"].steady
    assert b'"tried"' in encode(found)


def test_nobody_is_called_fastest() -> None:
    """Who is most accurate and cheapest can be said all the same."""
    whole = Comparison(
        level="2",
        confidence=0.99,
        rankings=tuple(Ranking(figure=name, best=None, differences=()) for name in ("success", "e2e_s", "usd_per_success")),
    )
    found = answers_tried.without_speed(whole)
    assert found is not None
    assert ["success", "usd_per_success"] == [each.figure for each in found.rankings]
    assert None is answers_tried.without_speed(None)


def test_a_load_has_nothing_of_it() -> None:
    """Neither columns nor figures nor words."""
    run = handmade.run([handmade.ok(1), handmade.failed(2, "http_rate_limited")])
    assert list(join.DTYPES) == list(join.frame(run, {}, graded=False).columns)
    found = summed(run)
    assert [] == list(answers_tried.sentences(found))
    assert b'"tried"' not in encode(found)
    assert b'"answer_s"' not in encode(found)
    frame = join.frame(run, {}, graded=False)
    assert "evaluation" not in render(found, tuple(cells(run, frame)))


def talk(number: int, turn: int, attempt: Attempt, of: int = 0, first: int | None = None) -> Attempt:
    made = trial(attempt, of, first)
    return Attempt(msgspec.structs.replace(made.start, turn=turn, turns=2, conversation=f"t{number}"), made.end, 0)


def test_each_turn_may_be_asked_again_and_the_conversation_is_one_answer() -> None:
    """e1: first turn at the second attempt, last turn at the first; e2: its last turn fails for good; e3 was cut between."""
    run = evaluation(
        (
            talk(1, 0, handmade.failed(1, "conn_lost", example="e1")),
            talk(1, 0, handmade.ok(2, at=2_100, example="e1"), 1, 1),
            talk(1, 1, handmade.ok(3, at=2_400, example="e1")),
            talk(4, 0, handmade.ok(4, example="e2")),
            talk(4, 1, handmade.failed(5, "http_bad_request", at=2_400, example="e2")),
            talk(6, 0, handmade.ok(6, example="e3")),
        ),
        3,
    )
    found, of = level(run), tried(run)
    assert (3, 1, 1, 1) == (of.examples, of.answers, of.given_up, of.not_reached)
    assert (1, 2, 0) == (found.success.k, found.success.n, of.first_k)
    assert (6, 6 / 5, 2) == (of.attempts, of.attempts_per_answer, of.attempts_most)
    assert found.conversations is not None
    assert (3, 1, 0) == (
        found.conversations.n,
        found.conversations.not_reached,
        found.conversations.not_reached_after_failure,
    )
