"""Every metric from a schedule that is known to the nanosecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure import timing
from harness.records import AttemptEnd, AttemptStart, Phase, Usage

START = AttemptStart(
    id="0-1",
    endpoint="fast",
    level="4",
    phase=Phase.MEASURE,
    block=1,
    example="a",
    user=0,
    dispatched_ns=1_000,
    scheduled_ns=400,
)
END = AttemptEnd(
    id="0-1",
    kind="ok",
    sent_ns=1_300,
    first_token_ns=2_000,
    first_output_ns=2_600,
    last_token_ns=5_000,
    done_ns=5_200,
    chunks=8,
    window_chunks=6,
    usage=Usage(output_tokens=11),
)
NOTHING = AttemptEnd(id="0-1", kind="connect_refused")


def closed_loop() -> AttemptStart:
    return AttemptStart(
        id="0-1", endpoint="fast", level="4", phase=Phase.MEASURE, block=1, example="a", user=0, dispatched_ns=1_000
    )


def test_service_views_begin_at_sent() -> None:
    """From the first request byte to the first token, the first output, the last token and the end of the response."""
    expected = (700, 1_300, 3_700, 3_900)
    assert expected == (timing.ttft_ns(END), timing.ttfo_ns(END), timing.e2e_ns(END), timing.done_ns(END))


def test_scheduled_views_begin_at_the_intended_arrival() -> None:
    """They hold the wait for a slot and for a connection."""
    views = (timing.ttft_scheduled_ns, timing.ttfo_scheduled_ns, timing.e2e_scheduled_ns)
    assert (1_600, 2_200, 4_600) == tuple(view(START, END) for view in views)


def test_a_closed_loop_intends_what_it_dispatches() -> None:
    """Without a schedule the intended arrival is the dispatch."""
    views = (timing.ttft_scheduled_ns, timing.ttfo_scheduled_ns, timing.e2e_scheduled_ns)
    assert (1_000, 1_600, 4_000) == tuple(view(closed_loop(), END) for view in views)


def test_connect_wait_is_dispatch_to_sent() -> None:
    """The schedule plays no part in it."""
    assert 300 == timing.connect_wait_ns(START, END)


def test_stamps_that_never_happened_give_none() -> None:
    """A refused connection has no latency of any kind, not one of 0."""
    service = (timing.ttft_ns, timing.ttfo_ns, timing.e2e_ns, timing.done_ns, timing.tpot_ns)
    scheduled = (timing.ttft_scheduled_ns, timing.ttfo_scheduled_ns, timing.e2e_scheduled_ns, timing.connect_wait_ns)
    assert [None] * 9 == [metric(NOTHING) for metric in service] + [metric(START, NOTHING) for metric in scheduled]


@pytest.mark.parametrize(
    ("output_tokens", "first_chunk_tokens", "expected"),
    [
        (11, None, 300.0),
        (11, 1, 300.0),
        (11, 5, 500.0),
        (2, None, 3_000.0),
        (1, None, None),
        (5, 5, None),
        (0, None, None),
        (None, 1, None),
    ],
)
def test_tpot(output_tokens: int | None, first_chunk_tokens: int | None, expected: float | None) -> None:
    """Decoding time over the tokens after the first chunk, which counts as one when unknown; None when none came after."""
    end = AttemptEnd(
        id="x",
        kind="ok",
        first_token_ns=2_000,
        last_token_ns=5_000,
        first_chunk_tokens=first_chunk_tokens,
        usage=Usage(output_tokens=output_tokens),
    )
    assert expected == timing.tpot_ns(end)


def test_tpot_needs_usage() -> None:
    """Chunks are not tokens: without a count there is no TPOT."""
    assert timing.tpot_ns(AttemptEnd(id="x", kind="ok", first_token_ns=2_000, last_token_ns=5_000, chunks=30)) is None


@pytest.mark.parametrize(
    ("window_chunks", "usage", "expected"),
    [
        (6, Usage(output_tokens=11), 8.25),
        (8, Usage(output_tokens=11), 11.0),
        (0, None, 0.0),
        (6, None, None),
        (6, Usage(), None),
    ],
)
def test_window_tokens(window_chunks: int, usage: Usage | None, expected: float | None) -> None:
    """Usage is spread over the chunks; nothing inside the window is 0 tokens there, an unknown count is None."""
    end = AttemptEnd(id="x", kind="ok", chunks=8, window_chunks=window_chunks, usage=usage)
    assert expected == timing.window_tokens(end)


def test_one_chunk_a_read() -> None:
    """Gaps lie between successive reads, and the first read has none before it."""
    found = timing.gaps([(100, 1, None), (130, 1, None), (190, 1, None)])
    assert timing.Gaps(icl_ns=[30, 60], itl_ns=None, coalesced=0, icl_max_ns=60) == found


def test_chunks_read_together_share_their_gap() -> None:
    """Three tokens after a gap of 60 are three samples of 20: no gap of 60 and two of nothing."""
    found = timing.gaps([(100, 1, 1), (160, 3, 3), (170, 1, 2)])
    assert timing.Gaps(icl_ns=[60, 10], itl_ns=[20, 20, 20, 5, 5], coalesced=2, icl_max_ns=60) == found


@pytest.mark.parametrize("reads", [[(100, 1, None), (130, 1, 1)], [(100, 1, 1), (130, 1, None)], [(100, 1, None)], []])
def test_unknown_tokens_give_no_itl(reads: list[timing.Read]) -> None:
    """One read whose tokens are unknown is enough; so is no read at all."""
    assert timing.gaps(reads).itl_ns is None


def test_a_single_read_has_no_gap() -> None:
    """An answer in one piece has no maximum gap either, but its coalesced chunks are counted."""
    assert timing.Gaps(icl_ns=[], itl_ns=[], coalesced=4, icl_max_ns=None) == timing.gaps([(100, 5, 5)])


def test_only_late_reads_of_several_chunks_are_late_joins() -> None:
    """How long their socket may have waited, but no longer than since the read before; the first read has no gap."""
    reads = [(100, 2, None), (130, 1, None), (190, 3, None), (200, 2, None), (900, 2, None)]
    found = timing.late_joins(reads, {100: 40, 130: 7, 190: 50, 900: 5_000})
    assert ((None, 40, 1), (60, 50, 2), (700, 700, 1)) == tuple((each.gap_ns, each.wait_ns, each.chunks) for each in found)
    assert () == timing.late_joins(reads, {}) == timing.late_joins([], {100: 1})


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 20)), min_size=2, max_size=50))
def test_itl_conserves_time_and_tokens(steps: list[tuple[int, int]]) -> None:
    """One sample per token after the first read, none of them zero, and together they last as long as the gaps."""
    reads, stamp_ns = [], 0
    for gap_ns, tokens in steps:
        stamp_ns += gap_ns
        reads.append((stamp_ns, 1, tokens))
    found = timing.gaps(reads)
    assert found.itl_ns is not None
    after_first = sum(tokens for _, tokens in steps[1:])
    assert after_first == len(found.itl_ns)
    assert min(found.itl_ns) > 0
    assert 0 <= sum(found.itl_ns) - sum(found.icl_ns) < after_first
