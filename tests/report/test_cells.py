"""Cells: which attempts and gaps a figure is made of."""

import handmade
import pytest

from harness.measure.histogram import bucket_counts
from harness.records import Apart, Usage
from harness.report import join
from harness.report.cells import Cell, cells, token_gaps

MS = handmade.MS


def cell(*attempts: object) -> Cell:
    made = handmade.run(attempts)  # type: ignore[arg-type]
    (only,) = cells(made, join.frame(made, {}, graded=False))
    return only


def test_latencies_are_of_successful_attempts_of_the_measure_phase() -> None:
    """Warm-up, failures and refusals are in no latency."""
    made = cell(handmade.ok(1), handmade.ok(2, at=500, block=0), handmade.failed(3, "refused", last_token_ns=5_000 * MS))
    assert (1, 1) == (made.metrics["e2e_s"].figures.n, made.metrics["ttft_s"].figures.n)


def test_rates_are_of_all_attempts_of_the_cell() -> None:
    """An answer that began in the warm-up and ended in the window is in the rows, but not among the measured."""
    made = cell(handmade.ok(1), handmade.ok(2, at=950, block=0))
    assert (2, 1, 2) == (len(made.rows), len(made.measured), int(made.rows["done_in_window"].sum()))


def test_a_planned_cell_that_nobody_reached_is_there() -> None:
    """It has its window and no attempt."""
    made = cell()
    assert (10.0, 0, 0) == (made.window_s, len(made.rows), made.metrics["e2e_s"].figures.n)


GAPS = bucket_counts([10 * MS] * 4)
SPLIT = bucket_counts([5 * MS] * 8)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"itl": SPLIT}, SPLIT),
        ({"usage": Usage(output_tokens=5)}, GAPS),
        ({"usage": Usage(output_tokens=9)}, None),
        ({"usage": None}, None),
        ({"coalesced": 1}, None),
        ({"icl": (), "usage": None}, ()),
    ],
)
def test_gaps_per_token_are_only_where_tokens_are_known(fields: dict[str, object], expected: object) -> None:
    """Journalled gaps win; else every chunk must have been one token read alone; an answer of one chunk has no gap to tell."""
    end = handmade.ok(1, **fields).end
    assert end is not None
    assert expected == token_gaps(end)


def test_what_came_closer_than_looks_is_withheld() -> None:
    """Reads of two chunks every 2 ms, the first one too: no figure of ICL, TTFT or TTFO of any view, each with its reason."""
    joined = Apart(bucket_counts([2 * MS] * 4), 5, MS, MS)
    made = cell(*(handmade.ok(number, gap=2, apart=joined) for number in range(100)))
    for name in ("icl_s", "ttft_s", "ttft_scheduled_s", "ttfo_s", "ttfo_scheduled_s"):
        figures = made.metrics[name].figures
        assert (None, None) == (figures.p50, figures.mean)
        assert "p50" not in figures.interval
        assert figures.reason["p50"].startswith("chunks come closer together than signoff looks, once a millisecond")
        assert ("p50" in figures.bounds) is (": it is " in figures.reason["p50"]) is not name.startswith("ttfo")
    assert made.metrics["ttft_s"].figures.reason["p99_9"].startswith("needs n >= ")
    e2e, tpot = (made.metrics[name].figures.p50 for name in ("e2e_s", "tpot_s"))
    assert (0.108, 0.002) == pytest.approx((e2e, tpot), rel=0.001)


def test_unknown_gaps_are_counted() -> None:
    """One answer of two does not tell its tokens: ITL has the gaps of the other, and one is missing."""
    itl = cell(handmade.ok(1), handmade.ok(2, tokens=7)).metrics["itl_s"].figures
    assert (4, 1, 0.01) == (itl.n, itl.missing, itl.mean)


def test_all_gaps_unknown_is_no_figure() -> None:
    """Where no answer tells its tokens ITL is missing as a whole, and says why; ICL is not."""
    metrics = cell(handmade.ok(1, tokens=7)).metrics
    assert (0, 4) == (metrics["itl_s"].figures.n, metrics["icl_s"].figures.n)
    assert "all 1 whole answers do not tell the tokens of each chunk" == metrics["itl_s"].figures.reason["p50"]


def test_answers_of_one_token_have_no_gap() -> None:
    """Their tokens are known, and there is nothing between them: that is said, and not that tokens are untold."""
    one = {"tokens": 1, "last_token_ns": 2_101 * MS, "icl": (), "icl_max_ns": None, "chunks": 1, "window_chunks": 1}
    itl = cell(*(handmade.ok(number, **one) for number in range(3))).metrics["itl_s"].figures
    assert (0, 0, "all 3 whole answers have no gap: they came in one read") == (itl.n, itl.missing, itl.reason["p50"])


def test_an_answer_that_came_whole_has_an_end_but_no_first_token() -> None:
    """Not streamed: in e2e, missing from TTFT, and without gaps."""
    whole = handmade.ok(1, first_token_ns=None, first_output_ns=None, icl=(), icl_max_ns=None, flags=("not_streamed",))
    metrics = cell(whole).metrics
    seen = [(metrics[name].figures.n, metrics[name].figures.missing) for name in ("e2e_s", "ttft_s", "icl_s")]
    assert [(1, 0), (0, 1), (0, 1)] == seen
