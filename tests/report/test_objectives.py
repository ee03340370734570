"""Objectives: met, missed, or not estimable; and who counts as good."""

import handmade
import pytest
from fabricated import rates

from harness.measure import slo
from harness.measure.histogram import bucket_counts
from harness.records import Apart
from harness.report import join
from harness.report.cells import cells
from harness.report.figures import Goodput, LevelFigures
from harness.report.objectives import goodput
from harness.report.summary import summarise
from harness.scenario import Scenario


def level(attempts: list[object], *objectives: str, **options: object) -> LevelFigures:
    made = handmade.run(attempts, slo=objectives, **options)  # type: ignore[arg-type]
    scenario = Scenario.model_validate(made.manifest.scenario)
    frame = join.frame(made, made.manifest.rates, graded=scenario.grading is not None)
    return summarise(made, scenario, list(cells(made, frame)), made.manifest.rates).endpoints["a"].levels["2"]


def mets(attempts: list[object], *objectives: str, **options: object) -> list[bool | None]:
    return [result.met for result in level(attempts, *objectives, **options).slo]


def test_a_latency_is_held_against_its_bound() -> None:
    """e2e is 140 ms from sent and 141 ms from the intended arrival."""
    attempts = [handmade.ok(number) for number in range(10)]
    said = mets(attempts, "e2e.p50 <= 141 ms", "e2e.p50 <= 139 ms", "scheduled.e2e.p50 <= 140 ms", "e2e.max <= 140 ms")
    assert [True, False, False, True] == said


def test_below_the_sample_floor_nothing_is_met_or_missed() -> None:
    """p99 of ten attempts is neither, and the result says how many it takes."""
    (result,) = level([handmade.ok(number) for number in range(10)], "e2e.p99 <= 1 s").slo
    assert (None, None, "needs n >= 368, has 10") == (result.met, result.value, result.reason)


def test_a_share_needs_the_sample_of_its_tail() -> None:
    """Ten of ten do not show 99 %, ten of twenty clearly miss it, and 368 of 368 meet it."""
    good = [handmade.ok(number) for number in range(368)]
    bad = [handmade.failed(1000 + number, "http_server_error") for number in range(10)]
    told = [mets(attempts, "success >= 99 %")[0] for attempts in (good[:10], good[:10] + bad, good)]
    assert [None, False, True] == told


def test_errors_leave_out_refusals_and_what_we_cut_off() -> None:
    """One server error among ten judged attempts; the refusal is judged and no error, the cancelled one is not judged."""
    others = [handmade.failed(91, "http_server_error"), handmade.failed(92, "refused"), handmade.failed(93, "cancelled")]
    figures = level([*(handmade.ok(number) for number in range(8)), *others], "errors <= 20 %")
    assert (1, 10, 0.1) == (figures.errors.k, figures.errors.n, figures.errors.ratio)
    assert (8, 10) == (figures.success.k, figures.success.n)


def test_money_that_is_only_bounded_decides_where_the_bounds_agree() -> None:
    """Ten answers at 100 USD and one unpriced: 100 to 110 per success, so 111 is met, 99 missed and 105 open."""
    attempts = [*(handmade.ok(number) for number in range(10)), handmade.failed(99, "stream_truncated")]
    price = rates("1000000", "0")
    said = mets(attempts, "usd_per_success <= 111 USD", "usd_per_success <= 99 USD", "usd_per_success <= 105 USD", rates=price)
    assert [True, False, None] == said


def test_rates_have_objectives_too() -> None:
    """Ten answers in ten seconds of window: one request and five tokens a second, 100 tokens/s for each user."""
    attempts = [handmade.ok(number) for number in range(10)]
    texts = ("requests_per_s >= 1", "output_tokens_per_s >= 5.1", "output_tokens_per_s.per_user >= 99", "goodput_per_s >= 1")
    assert [True, False, True, None] == mets(attempts, *texts)


def test_what_is_withheld_decides_where_both_bounds_do() -> None:
    """Chunks that may have come 0 to 2 ms apart meet no bound of 1 ms and miss none, but they do meet one of 3 ms."""
    close = Apart(bucket_counts([2_000_000] * 4), 4, 1_000_000)
    attempts = [handmade.ok(number, gap=2, apart=close) for number in range(100)]
    assert [None, True, True] == mets(attempts, "icl.p50 <= 1 ms", "icl.p50 <= 3 ms", "tpot.p50 <= 3 ms")


@pytest.mark.parametrize(
    ("text", "met", "reason"),
    [
        ("ttft.p50 <= 101 ms", True, "99.0 ms to 100 ms"),
        ("ttft.p50 <= 98.9 ms", False, "99.0 ms to 100 ms"),
        (
            "ttft.p50 <= 99.5 ms",
            None,
            "chunks come closer together than signoff looks, once a millisecond: it is 99.0",
        ),
        ("scheduled.ttft.p50 <= 99.9 ms", False, "100 ms to 101 ms"),
        ("ttfo.p50 <= 101 ms", None, "chunks come closer together than signoff looks, once a millisecond"),
        ("ttft.p99 <= 101 ms", None, "needs n >= 368, has 100"),
    ],
)
def test_a_first_token_that_may_have_come_sooner(text: str, met: bool | None, reason: str) -> None:
    """It came 99 to 100 ms after it was sent, and 1 ms more after it was due; of the first output nothing is known."""
    close = Apart(bucket_counts([2_000_000] * 4), 4, 1_000_000, 1_000_000)
    (result,) = level([handmade.ok(number, gap=2, apart=close) for number in range(100)], text).slo
    assert (met, None) == (result.met, result.value)
    assert (result.reason or "").startswith(reason)


def rows(*attempts: object) -> object:
    return join.frame(handmade.run(attempts), {}, graded=False)  # type: ignore[arg-type]


def test_goodput_holds_every_request_to_every_bound() -> None:
    """A slow one fails on e2e, a late one is outside the window, a failed one is no candidate."""
    attempts = [handmade.ok(1), handmade.ok(2, gap=100), handmade.ok(3, at=10_990), handmade.failed(4, "http_server_error")]
    bounds = slo.per_request([slo.parse("e2e.p99 <= 200 ms"), slo.parse("ttft.p50 <= 150 ms")])
    assert Goodput(completed=2, good=1, tpot_skipped=0, undetermined=0) == goodput(rows(*attempts), bounds)


@pytest.mark.parametrize("metric", ["tpot", "itl", "icl"])
def test_a_one_token_answer_has_no_gap_to_judge(metric: str) -> None:
    """The bound on gaps is skipped for it, and counted; the answer is good."""
    single = handmade.ok(1, tokens=1, last_token_ns=2_101 * handmade.MS, icl=(), icl_max_ns=None, chunks=1, window_chunks=1)
    bounds = {metric: 0.001, "ttft_scheduled": 0.2}
    assert Goodput(completed=1, good=1, tpot_skipped=1, undetermined=0) == goodput(rows(single), bounds)


def test_what_cannot_be_judged_is_not_good() -> None:
    """Without usage there is no TPOT: not good, and counted as undetermined."""
    unknown = handmade.ok(1, tokens=None)
    assert Goodput(completed=1, good=0, tpot_skipped=0, undetermined=1) == goodput(rows(unknown), {"tpot": 0.05})
