"""Matching attempts with what a server sent, and the errors of our figures, on stamps that are worked out by hand."""

from itertools import pairwise
from typing import NamedTuple

import pytest

from harness.measure import truth
from harness.measure.histogram import bucket_counts
from harness.records import AttemptEnd, AttemptStart, Phase, Usage

MS = 1_000_000


class Line(NamedTuple):
    """A reply of one token a chunk: received at so many ms, its chunks sent then."""

    example: str | None
    received_ns: int
    sent_ns: list[int]
    chunk_tokens: list[int]


def line(example: str, received: float, *sent: float) -> Line:
    return Line(example, round(received * MS), [round(each * MS) for each in sent], [1] * len(sent))


def attempt(
    example: str, sent: float, *tokens: float, kind: str = "ok", phase: Phase = Phase.MEASURE
) -> tuple[AttemptStart, AttemptEnd]:
    """Sent, and a token read at each of these ms."""
    start = AttemptStart(
        id=f"{example}@{sent}", endpoint="a", level="1", phase=phase, block=0, example=example, user=0, dispatched_ns=0
    )
    stamps = [round(each * MS) for each in tokens]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    end = AttemptEnd(
        id=start.id,
        kind=kind,
        sent_ns=round(sent * MS),
        first_token_ns=stamps[0],
        last_token_ns=stamps[-1],
        chunks=len(stamps),
        icl=bucket_counts(gaps),
        usage=Usage(output_tokens=len(stamps)),
        first_read_chunks=1,
    )
    return start, end


def test_an_attempt_belongs_to_the_first_reply_after_it_was_sent() -> None:
    """An example that is asked twice has two replies, in the order of time, wherever they stand in the file."""
    early, late = line("a", 11, 20, 30), line("a", 101, 120, 130)
    attempts = [attempt("a", 100, 121, 131), attempt("a", 10, 21, 31)]
    found = truth.matched(attempts, [late, early])
    assert [(attempts[0][1], late), (attempts[1][1], early)] == found.pairs
    assert 0 == found.unmatched


@pytest.mark.parametrize(
    "served",
    [[], [line("b", 11, 20, 30)], [line("a", 9, 20, 30)], [line("a", 11, 20)]],
    ids=["nothing", "another example", "an earlier request", "fewer chunks"],
)
def test_what_was_not_served_is_counted_and_not_guessed(served: list[Line]) -> None:
    """No reply to the example after the sending, or one of another length: an attempt without a truth."""
    assert truth.Matched([], 1) == truth.matched([attempt("a", 10, 21, 31)], served)


def test_only_whole_answers_of_the_measure_phase_are_held_against_the_truth() -> None:
    """Warm-up, failures, and attempts whose worker was lost are left out."""
    start, end = attempt("a", 10, 21, 31)
    cut, warm = attempt("a", 10, 21, 31, kind="stream_reset"), attempt("a", 10, 21, 31, phase=Phase.WARMUP)
    assert truth.Matched([], 0) == truth.matched([(start, None), cut, warm], [line("a", 11, 20, 30)])
    assert 1 == len(truth.matched([(start, end)], [line("a", 11, 20, 30)]).pairs)


def test_errors_are_ours_minus_the_truth() -> None:
    """Sent 1 ms before it was received, first token read 2 ms late, the last 5 ms: TTFT +3, e2e +6, TPOT +1.5."""
    attempts = [attempt("a", 10, 32, 43, 55)]
    found = truth.errors(truth.matched(attempts, [line("a", 11, 30, 40, 50)]).pairs)
    assert (1, 19 * MS, 3 * MS, 19 * MS, 3 * MS) == found.ttft
    assert (1, 39 * MS, 6 * MS, 39 * MS, 6 * MS) == found.e2e
    assert (1, 10 * MS, 1.5 * MS, 10 * MS, 1.5 * MS) == found.tpot
    assert 2 == found.icl.n
    assert (10 * MS, 1 * MS) == pytest.approx((found.icl.p50_ns, found.icl.p50_error_ns), rel=0.02)
    assert (10 * MS, 2 * MS) == pytest.approx((found.icl.p99_ns, found.icl.p99_error_ns), rel=0.02)


def test_percentiles_are_of_all_attempts_and_not_of_pairs() -> None:
    """Of 100 answers the slowest two are read 7 ms late: the p99 is off by 7 ms, the p50 exact."""
    served = [line(f"e{n}", 0, 100 + n, 200 + n) for n in range(100)]
    attempts = [attempt(f"e{n}", 0, 100 + n + 7 * (n >= 98), 200 + n) for n in range(100)]
    found = truth.errors(truth.matched(attempts, served).pairs)
    assert (100, 149 * MS, 0, 198 * MS, 7 * MS) == found.ttft


def test_without_attempts_there_is_no_error() -> None:
    """Nothing is known, and nothing unknown is tolerable."""
    found = truth.errors([])
    assert [truth.Error(0, None, None, None, None)] * 4 == list(found)
    assert not found.ttft.is_tolerable


def test_an_answer_of_one_token_has_no_tpot() -> None:
    """Neither ours nor the truth's."""
    assert 0 == truth.errors(truth.matched([attempt("a", 10, 21)], [line("a", 11, 20)]).pairs).tpot.n


@pytest.mark.parametrize(
    ("p50", "p99", "tolerable"),
    [
        ((20 * MS, 300_000), (40 * MS, -300_000), True),  # 0.3 ms either way
        ((20 * MS, 300_001), (40 * MS, 0), False),
        ((20 * MS, 0), (40 * MS, -300_001), False),
        ((200 * MS, 1_000_000), (1_000 * MS, 5_000_000), True),  # 0.5 %
        ((200 * MS, 1_000_001), (1_000 * MS, 0), False),
    ],
)
def test_the_tolerance_is_that_of_the_client_guard(p50: tuple[int, int], p99: tuple[int, int], tolerable: bool) -> None:
    """0.3 ms or 0.5 %, whichever is more, at both percentiles."""
    assert tolerable == truth.Error(9, *p50, *p99).is_tolerable


@pytest.mark.parametrize(
    ("ceiling", "needed", "cpu", "share", "expected"),
    [
        (200_000, 20_000, None, 1.0, 10.0),
        (200_000, 20_000, 0.05, 1.0, 10.0),  # the rate decides
        (200_000, 20_000, 0.4, 1.0, 2.5),  # the core does
        (200_000, 20_000, 0.05, 0.5, 5.0),  # two processes on one core: each may have half of it
        (200_000, 20_000, 0.4, 0.5, 1.25),
        (200_000, 0, 0.4, 1.0, None),
        (200_000, 20_000, 0.0, 1.0, 10.0),
    ],
)
def test_headroom_is_the_lesser_of_rate_and_core(
    ceiling: float, needed: float, cpu: float | None, share: float, expected: float | None
) -> None:
    """Ceiling over needed rate, but never more than the core has left."""
    assert expected == truth.headroom(ceiling, needed, cpu, share)
