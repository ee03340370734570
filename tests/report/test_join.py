"""The joined table: one row per attempt, nothing invented."""

from decimal import Decimal

import handmade
import msgspec
import pandas as pd
import pytest
from fabricated import rates

from harness.journal_reader import Attempt
from harness.records import AttemptEnd, Usage
from harness.report import join
from harness.report.spend import spend


def frame(*attempts: object, **options: object) -> pd.DataFrame:
    made = handmade.run(attempts, **options)  # type: ignore[arg-type]
    return join.frame(made, made.manifest.rates, graded=made.manifest.scenario.get("grading") is not None)


def test_metrics_are_seconds_from_sent_and_from_the_intended_arrival() -> None:
    """Every timing of a hand-made answer comes out as it was put in."""
    row = frame(handmade.ok(1)).iloc[0]
    expected = {
        "ttft_s": 0.1,
        "ttfo_s": 0.1,
        "e2e_s": 0.14,
        "done_s": 0.141,
        "tpot_s": 0.01,
        "ttft_scheduled_s": 0.101,
        "ttfo_scheduled_s": 0.101,
        "e2e_scheduled_s": 0.141,
        "connect_wait_s": 0.001,
        "icl_mean_s": 0.01,
        "icl_max_s": 0.01,
    }
    assert pytest.approx(expected) == row[list(expected)].to_dict()


def test_an_attempt_without_an_end_is_lost_with_its_worker() -> None:
    """Its kind says so, it has no timing, no price and no success."""
    row = frame(handmade.lost(1), rates=rates("1", "2")).iloc[0]
    assert ("lost_worker", None, False) == (row["kind"], row["usd"], row["success"])
    assert pd.isna(row["e2e_s"])


def test_success_needs_the_grade_where_the_scenario_grades() -> None:
    """ok and passed is success, ok and not passed is not, a failure never is, and a missing grade is unknown."""
    attempts = [handmade.ok(1), handmade.ok(2), handmade.failed(3, "http_server_error"), handmade.ok(4)]
    assert [True, False, False, None] == list(frame(*attempts, passed={1: True, 2: False})["success"])


def test_an_answer_without_text_is_a_miss_where_the_scenario_grades() -> None:
    """A tool call alone leaves nothing to grade: it is no success, and does not keep the others waiting."""
    silent = handmade.ok(1, answer_sha256=None)
    assert [True, False] == list(frame(handmade.ok(2), silent, passed={2: True})["success"])
    assert [True] == list(frame(silent)["success"])


def test_success_is_ok_where_nothing_grades() -> None:
    """Without a scorer a whole answer is a success and a refusal is none."""
    assert [True, False] == list(frame(handmade.ok(1), handmade.failed(2, "refused"))["success"])


def test_money_is_exact() -> None:
    """100 input and 5 output tokens at 2.50 and 10 dollars a million are 0.0003 dollars, as a Decimal."""
    assert Decimal("0.0003") == frame(handmade.ok(1), rates=rates("2.50", "10")).iloc[0]["usd"]


def turn(number: int, conversation: str, of: int, attempt: Attempt) -> Attempt:
    """This attempt as a turn of a conversation of three."""
    start = msgspec.structs.replace(attempt.start, turn=of, turns=3, conversation=conversation)
    return Attempt(start, attempt.end, number)


def test_a_conversation_is_one_task() -> None:
    """The last answer says whether it was right, a turn that fails or is silent is a miss, one that was cut says nothing."""
    attempts = [
        *(turn(0, "t1", of, handmade.ok(1 + of)) for of in range(3)),
        *(turn(0, "t4", of, handmade.ok(4 + of)) for of in range(3)),
        turn(0, "t7", 0, handmade.ok(7)),
        turn(0, "t7", 1, handmade.failed(8, "http_server_error")),
        turn(0, "t9", 0, handmade.ok(9, answer_sha256=None)),
        turn(0, "t10", 0, handmade.ok(10)),
    ]
    passed = {1: True, 2: False, 3: True, 6: False, 7: True, 10: True}
    made = frame(*attempts, passed=passed, rates=rates("1", "0"))
    assert [None, None, True, None, None, False, None, False, False, None] == list(made["success"])
    assert [3, 6, 8, 9] == [int(name[1:]) for name in join.tasks(made)["id"]]
    assert [0, 1, 2, 0, 1, 2, 0, 1, 0, 0] == list(made["turn"])
    found = spend(made, 1, priced_endpoint=True)
    assert Decimal("0.0009") == found.total  # nine answers of 100 input tokens
    assert Decimal("0.0008") == found.per_success  # without what was cut, and one success
    assert (Decimal("0.0002"), Decimal("0.00009")) == (found.per_task, found.per_attempt)  # of four, of ten


@pytest.mark.parametrize(
    ("kind", "usage", "expected"),
    [
        ("http_rate_limited", None, Decimal(0)),
        ("connect_refused", None, Decimal(0)),
        ("stream_truncated", None, None),
        ("timeout_total", None, None),
        ("ok", None, None),
        ("refused", Usage(input_tokens=1_000_000, output_tokens=0), Decimal(1)),
        ("http_server_error", Usage(input_tokens=1_000_000, output_tokens=0), Decimal(1)),
    ],
)
def test_what_failures_cost(kind: str, usage: Usage | None, expected: Decimal | None) -> None:
    """Turned away is free, reported usage is paid whatever came of it, and tokens that nobody counted are not zero."""
    assert expected == join.usd(AttemptEnd(id="t", kind=kind, usage=usage), rates("1", "2"))


def test_without_a_price_nothing_is_free() -> None:
    """An endpoint without rates has no costs, not zero costs."""
    assert None is join.usd(AttemptEnd(id="t", kind="http_rate_limited"), None)


def test_an_answer_belongs_to_the_window_in_which_it_ended() -> None:
    """The window closes at 11 s: an answer done at 11.041 s is outside it, and so is one before it opens at 1 s."""
    attempts = [handmade.ok(1), handmade.ok(2, at=10_900), handmade.ok(3, at=500)]
    assert [True, False, False] == list(frame(*attempts)["done_in_window"])


def test_stamps_keep_all_their_digits() -> None:
    """A stamp of 117 days of uptime does not fit a float; the column keeps it whole."""
    stamp = 10_108_800_000_000_001
    assert stamp == frame(handmade.ok(1, at=2_000, done_ns=stamp), handmade.lost(2)).iloc[0]["done_ns"]


def test_clusters_fall_back_on_the_example() -> None:
    """An example that shares nothing is a cluster of its own."""
    assert ["c", "e2"] == list(frame(handmade.ok(1), handmade.ok(2), clusters={"e1": "c"})["cluster"])


def test_an_empty_run_has_every_column() -> None:
    """No attempt, no row, but the same table."""
    assert (0, list(join.DTYPES)) == (len(frame()), list(frame().columns))
