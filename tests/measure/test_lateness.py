"""What late reads leave unknown: bounds that hold the truth, whatever it was, and nothing where nothing was late."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure import timing
from harness.measure.histogram import Histogram, bucket_counts
from harness.measure.lateness import Bounds, bounds
from harness.records import AttemptEnd, LateJoin, Usage

MS = 1_000_000


def end(*joins: LateJoin, gaps_ms: tuple[float, ...] = (10.0,) * 20, ttft_ms: float = 100, **fields: object) -> AttemptEnd:
    """An answer of one token a gap and the first one."""
    gaps_ns = [round(gap * MS) for gap in gaps_ms]
    icl_ns = list(gaps_ns)
    for join in joins:
        if join.gap_ns is not None and timing.is_unsure(join):
            icl_ns.remove(join.gap_ns)  # no ICL
    whole = {"kind": "ok", "sent_ns": 0, "first_token_ns": round(ttft_ms * MS), "usage": Usage(output_tokens=len(gaps_ns) + 1)}
    whole |= {"last_token_ns": round(ttft_ms * MS) + sum(gaps_ns), "icl": bucket_counts(icl_ns)}
    return AttemptEnd(id="0", late_joins=joins, **whole | fields)  # type: ignore[arg-type]


def found(*ends: AttemptEnd) -> dict[str, Bounds]:
    return {each.figure: each for each in bounds(ends)}


def test_where_nothing_was_late_nothing_is_asked() -> None:
    """No join, no bounds: the usual case costs nothing."""
    assert {} == found(*[end()] * 1_000)


def test_figures_that_are_not_given_are_not_bounded() -> None:
    """Five answers have no median, and 29 do not show how much gaps differ; 600 gaps of thirty have a p99 and a median."""
    first, late = end(LateJoin(None, 3 * MS, 1)), end(LateJoin(10 * MS, 3 * MS, 1))
    assert [] == list(found(*[first] * 5))
    assert ["TTFT p50", "TPOT p50"] == list(found(*[first] * 29))
    assert ["ICL p50", "ICL p99", "TTFT p50", "TPOT p50"] == list(found(*[late] * 30))
    assert ["ICL p50", "TTFT p50", "TPOT p50"] == list(found(*[end(LateJoin(None, MS, 1), gaps_ms=(10,) * 12)] * 30))


def test_a_join_may_have_come_in_any_way_within_its_wait() -> None:
    """2 % of the gaps are joins of 60 ms whose socket was empty 25 ms before: the first of the two came after 35 to 60 ms.

    They are not said, so what is said lies outside of the bounds, and is not known.
    """
    late = end(LateJoin(60 * MS, 25 * MS, 1), gaps_ms=(10,) * 49 + (60,))
    p50, p99 = (found(*[late] * 50)[f"ICL {name}"] for name in ("p50", "p99"))
    assert [10 * MS, 35 * MS, 60 * MS] == pytest.approx(p99[1:], rel=0.002)
    assert not p99.is_known
    assert [10 * MS, 10 * MS, 10 * MS] == pytest.approx(p50[1:], rel=0.002)


def test_the_first_read_bounds_the_time_to_first_token() -> None:
    """Every first token may have come 8 ms before it was read: TTFT by as much, TPOT by a twentieth of it."""
    late = end(LateJoin(None, 8 * MS, 1))
    seen = found(*[late] * 30)
    assert (100 * MS, 92 * MS, 100 * MS) == seen["TTFT p50"][1:]
    assert (10 * MS, 10 * MS, 10.4 * MS) == seen["TPOT p50"][1:]
    assert (10 * MS, 10 * MS, 10 * MS) == pytest.approx(seen["ICL p50"][1:], rel=0.002)


def test_only_printed_answers_count() -> None:
    """What failed, and what was not streamed, is in no percentile and in no bound."""
    failed = end(LateJoin(None, 8 * MS, 1), kind="stream_reset")
    whole = end(LateJoin(None, 8 * MS, 1), first_token_ns=None)
    assert {} == found(*[failed, whole] * 100)


@pytest.mark.parametrize(
    ("said_ms", "low_ms", "high_ms", "known"),
    [
        (10.0, 9.7, 10.0, True),
        (10.0, 9.699, 10.0, False),
        (10.0, 9.9, 10.301, False),
        (1_000.0, 995.0, 1_000.0, True),
        (1_000.0, 994.9, 1_000.0, False),
    ],
)
def test_known_is_within_a_third_of_a_millisecond_or_half_a_percent(
    said_ms: float, low_ms: float, high_ms: float, known: bool
) -> None:
    """Whichever is more, and on either side of what is said."""
    assert known == Bounds("x", said_ms * MS, low_ms * MS, high_ms * MS).is_known


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.05, 0.3, 0.8]), st.integers(3, 60))
def test_the_truth_lies_within(seed: int, share: float, longest_ms: int) -> None:
    """Streams of known stamps, read by a client that looks late now and then: bounds hold p50 and p99 of what was sent."""
    draw = random.Random(seed)
    ends, sent_gaps, ttfts = [], [], []
    for _ in range(40):
        stamps = [round(draw.lognormvariate(0, 0.3) * 100 * MS)]
        for _ in range(30):
            stamps.append(stamps[-1] + round(draw.lognormvariate(0, 0.5) * 10 * MS))
        sent_gaps += [later - earlier for earlier, later in pairwise(stamps)]
        ttfts.append(stamps[0])
        ends.append(read(stamps, draw, share, longest_ms))
    true = Histogram()
    true.record(sent_gaps)
    for figure, bound in found(*ends).items():
        quantile = 0.5 if figure.endswith("p50") else 0.99
        if figure.startswith("ICL"):
            value = true.value_at(quantile)
        elif figure == "TTFT p50":
            value = sorted(ttfts)[19]
        else:
            continue
        assert value is not None
        assert bound.low_ns * 0.998 <= value <= bound.high_ns * 1.002


def read(stamps: list[int], draw: random.Random, share: float, longest_ms: int) -> AttemptEnd:
    """What a client makes of these that looks once a millisecond, but for pauses, and knows the last stamp of a read."""
    read: list[int] = []
    late: dict[int, int] = {}
    looked, waiting = 0, list(stamps)
    while waiting:
        now = looked + (draw.randint(2, longest_ms) * MS if draw.random() < share / 10 else MS)
        together = [stamp for stamp in waiting if stamp <= now]
        waiting = waiting[len(together) :]
        if together:
            read += together[-1:] * len(together)
            if together[-1] - looked > 0:
                late[together[-1]] = together[-1] - looked
        looked = now
    gaps = timing.gaps(read, (), late)
    return AttemptEnd(
        id="0",
        kind="ok",
        sent_ns=0,
        first_token_ns=read[0],
        last_token_ns=read[-1],
        icl=bucket_counts(gaps.icl_ns),
        late_joins=gaps.joins,
    )
