"""What looking once a millisecond leaves unknown: nothing of what was sent together, bounds that hold the truth of the rest."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure import apart, timing
from harness.measure.histogram import Histogram, bucket_counts
from harness.measure.lateness import QUANTILES, Bounds
from harness.records import Apart, AttemptEnd, LateJoin

MS = 1_000_000


def end(gap_ms: float = 20, n: int = 20, first_ms: float = 100, **fields: object) -> AttemptEnd:
    """A streamed answer of n equal gaps."""
    first_ns, gap_ns = round(first_ms * MS), round(gap_ms * MS)
    whole = {"kind": "ok", "sent_ns": 0, "first_token_ns": first_ns, "last_token_ns": first_ns + n * gap_ns}
    return AttemptEnd(id="0", **{**whole, "icl": bucket_counts([gap_ns] * n), **fields})  # type: ignore[arg-type]


def unsure(*ends: AttemptEnd) -> dict[tuple[str, str], Bounds]:
    return {(metric, name): bounds for metric, name, bounds in apart.unsure(ends, QUANTILES)}


def test_what_came_in_one_segment_was_sent_so() -> None:
    """Without a read of several segments there is nothing to tell, nor where such a read brought one chunk."""
    assert None is timing.apart([10, 30, 30, 30], {})
    assert None is timing.apart([10, 30, 30, 40], {40: (5, 3)})
    assert None is timing.apart([10], {10: (5, 1)})


def test_no_more_chunks_than_segments_came_apart() -> None:
    """Of four chunks in two segments one may have come before, of two in five one: the last ends both gaps, of 20 and 30."""
    stamps = [10, 30, 30, 30, 30, 60, 60]
    assert Apart(bucket_counts([20, 30]), 2, 6) == timing.apart(stamps, {30: (5, 1), 60: (6, 4)})


def test_the_first_read_ends_no_gap() -> None:
    """Its first token may have come so much before its stamp."""
    assert Apart((), 2, 7, 7) == timing.apart([10, 10, 10, 60], {10: (7, 9)})


def test_nothing_is_unsure_where_nothing_was_joined() -> None:
    """Nor where it was in answers that are in no figure."""
    close = Apart(bucket_counts([20 * MS] * 20), 20, MS)
    assert {} == unsure(*[end()] * 50, *[end(kind="stream_reset", apart=close), end(first_token_ns=None, apart=close)] * 50)


def test_half_millisecond_gaps_are_unknown() -> None:
    """All reads of two: what is said to be 1.0 ms is 0 to 1.0 ms, as if both had come at once, and as it seems."""
    close = Apart(bucket_counts([MS] * 30), 30, MS)
    found = unsure(*[end(1, 30, apart=close)] * 50)
    assert {("icl", name) for name in ("p50", "p99", "mean", "min", "max")} - {("icl", "max")} <= found.keys()
    assert all(metric == "icl" for metric, _ in found)
    assert [MS, 0, MS] == pytest.approx(found["icl", "p50"][1:], rel=0.002, abs=2_000)


def test_a_few_joins_in_a_long_answer_hide_no_percentile() -> None:
    """Of 200 gaps of 20 ms one ended in a read of two segments, as the last token and the end of an answer may come."""
    close = Apart(bucket_counts([20 * MS]), 1, MS)
    assert {("icl", "min")} == unsure(*[end(20, 200, apart=close)] * 50).keys()


def test_a_first_token_that_may_have_come_before_is_unknown_beyond_the_tolerance() -> None:
    """0.3 ms of 60, or half a percent of a second, are borne; what is little more is not, and gaps have no part in it."""

    def ttft(first_ms: float, first_ns: int) -> set[str]:
        ends = [end(first_ms=first_ms, apart=Apart((), 1, first_ns, first_ns))] * 50
        return {name for metric, name in unsure(*ends) if metric == "ttft"}

    assert set() == ttft(59, 300_000) == ttft(1_000, 5_000_000)
    assert {"p50", "min", "max", "mean"} == ttft(59, 300_001) == ttft(1_000, 5_000_001)


def test_thirty_answers_are_needed_to_speak_of_a_percentile() -> None:
    """One that is not given needs no reason of this kind."""
    close = Apart(bucket_counts([MS] * 30), 30, MS)
    assert ("icl", "p50") not in unsure(*[end(1, 30, apart=close)] * 29)


def test_late_joins_add_to_the_doubt() -> None:
    """A late join that alone leaves p50 as it is, and one of segments, that together may have moved it."""
    late, close = LateJoin(MS, MS, 8), Apart(bucket_counts([MS] * 5), 5, MS)
    assert ("icl", "p50") not in unsure(*[end(1, 20, apart=close)] * 50)
    assert ("icl", "p50") in unsure(*[end(1, 20, apart=close, late_joins=(late,))] * 50)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.2, 0.5, 0.9, 1.5, 5.0]), st.sampled_from([0.05, 0.5]))
def test_the_truth_is_known_or_withheld(seed: int, gap_ms: float, spread: float) -> None:
    """Streams looked at once a millisecond: p50 and p99 of ICL, and of TTFT, are near what was sent or within their bounds."""
    draw = random.Random(seed)
    ends, gaps, ttfts = [], [], []
    for _ in range(80):
        stamps = [round(draw.uniform(50, 60) * MS)]
        for _ in range(40):
            stamps.append(stamps[-1] + 1 + round(draw.lognormvariate(0, spread) * gap_ms * MS))
        gaps += [later - earlier for earlier, later in pairwise(stamps)]
        ttfts.append(stamps[0])
        ends.append(looked_at(stamps))
    true, said = Histogram(), Histogram()
    true.record(gaps)
    for each in ends:
        said.add_sparse(each.icl)
    found = unsure(*ends)
    told = {("icl", name): (true.value_at(q), said.value_at(q)) for name, q in QUANTILES.items()}
    told["ttft", "p50"] = (sorted(ttfts)[39], sorted(each.first_token_ns or 0 for each in ends)[39])
    for figure, (truth, value) in told.items():
        assert truth is not None
        assert value is not None
        if figure in found:
            assert found[figure].low_ns * 0.998 - 2_000 <= truth <= found[figure].high_ns * 1.002 + 2_000
        else:
            assert abs(value - truth) <= 300_000 + 0.008 * truth


def looked_at(stamps: list[int]) -> AttemptEnd:
    """A segment each, and a read each millisecond in which any came."""
    read: list[int] = []
    several: dict[int, tuple[int, int]] = {}
    for tick in sorted({stamp // MS for stamp in stamps}):
        together = [stamp for stamp in stamps if stamp // MS == tick]
        if len(together) > 1:
            several[together[-1]] = (together[-1] - max(tick * MS, read[-1] if read else 0), len(together) - 1)
        read += together[-1:] * len(together)
    gaps = timing.gaps(read)
    return AttemptEnd(
        id="0",
        kind="ok",
        sent_ns=0,
        first_token_ns=read[0],
        last_token_ns=read[-1],
        icl=bucket_counts(gaps.icl_ns),
        apart=timing.apart(read, several),
    )
