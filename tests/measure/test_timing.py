"""Every metric from a schedule that is known to the nanosecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.measure import timing
from harness.records import AttemptEnd, AttemptStart, LateJoin, Phase, Usage

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


def test_later_turns_of_conversations_have_no_intended_arrival() -> None:
    """They come when the answer before has been read; the first turn has the arrival's."""
    views = (timing.ttft_scheduled_ns, timing.ttfo_scheduled_ns, timing.e2e_scheduled_ns)
    later = replace(closed_loop(), turn=1, turns=2, conversation="0-0")
    assert (None, None, None) == tuple(view(later, END) for view in views)
    assert 1_600 == timing.ttft_scheduled_ns(replace(START, turn=0, turns=2, conversation="0-1"), END)


def test_connect_wait_is_dispatch_to_sent() -> None:
    """The schedule plays no part in it."""
    assert 300 == timing.connect_wait_ns(START, END)


def test_stamps_that_never_happened_give_none() -> None:
    """A refused connection has no latency of any kind, not one of 0."""
    service = (timing.ttft_ns, timing.ttfo_ns, timing.e2e_ns, timing.done_ns, timing.tpot_ns)
    scheduled = (timing.ttft_scheduled_ns, timing.ttfo_scheduled_ns, timing.e2e_scheduled_ns, timing.connect_wait_ns)
    assert [None] * 9 == [metric(NOTHING) for metric in service] + [metric(START, NOTHING) for metric in scheduled]


@pytest.mark.parametrize(
    ("output_tokens", "first_read_tokens", "first_read_chunks", "expected"),
    [
        (11, None, 0, 300.0),
        (11, None, 1, 300.0),
        (11, None, 5, 500.0),
        (11, 1, 1, 300.0),
        (11, 5, 1, 500.0),
        (11, 5, 2, 500.0),
        (2, None, 1, 3_000.0),
        (1, None, 1, None),
        (5, 5, 1, None),
        (0, None, 1, None),
        (None, 1, 1, None),
    ],
)
def test_tpot(output_tokens: int | None, first_read_tokens: int | None, first_read_chunks: int, expected: float | None) -> None:
    """Decoding time over the tokens after the first read, one for each of its chunks when unknown; None if none came after."""
    end = AttemptEnd(
        id="x",
        kind="ok",
        first_token_ns=2_000,
        last_token_ns=5_000,
        first_read_chunks=first_read_chunks,
        first_read_tokens=first_read_tokens,
        usage=Usage(output_tokens=output_tokens),
    )
    assert expected == timing.tpot_ns(end)


def test_hidden_reasoning_is_no_token_that_arrives() -> None:
    """420 tokens by usage, 400 of them reasoning that nobody saw: 20 came, in 20 chunks, 19 of them in 380 after the first."""
    usage = Usage(output_tokens=420, reasoning_tokens=400)
    end = AttemptEnd(
        "x", "ok", first_token_ns=20, last_token_ns=400, chunks=20, window_chunks=10, first_read_chunks=1, usage=usage
    )
    hidden = replace(end, flags=("hidden_reasoning",))
    assert (420, 210, 380 / 419) == (timing.arrived_tokens(end), timing.window_tokens(end), timing.tpot_ns(end))
    assert (20, 10, 20) == (timing.arrived_tokens(hidden), timing.window_tokens(hidden), timing.tpot_ns(hidden))
    assert timing.arrived_tokens(NOTHING) is None


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


def told(found: timing.Gaps) -> tuple[list[int], list[int] | None, int, int, int | None]:
    """As plain lists."""
    itl_ns = None if found.itl_ns is None else found.itl_ns.tolist()
    late = sum(join.chunks for join in found.joins)
    return found.icl_ns.tolist(), itl_ns, found.coalesced, late, found.icl_max_ns


def test_one_chunk_a_read() -> None:
    """Gaps lie between successive reads, and the first read has none before it."""
    assert ([30, 60], None, 0, 0, 60) == told(timing.gaps([100, 130, 190]))


def test_chunks_read_together_share_their_gap() -> None:
    """Three tokens after a gap of 60 are three samples of 20: no gap of 60 and two of nothing."""
    assert ([60, 10], [20, 20, 20, 5, 5], 2, 0, 60) == told(timing.gaps([100, 160, 160, 160, 170], [1, 1, 1, 1, 2]))


@pytest.mark.parametrize(
    ("stamps", "tokens"), [([100, 130], [None, 1]), ([100, 130], [1, None]), ([100, 130], []), ([100], [None]), ([], [])]
)
def test_unknown_tokens_give_no_itl(stamps: list[int], tokens: list[int | None]) -> None:
    """One chunk whose tokens are unknown is enough; so is no chunk at all."""
    assert timing.gaps(stamps, tokens).itl_ns is None


def test_a_single_read_has_no_gap() -> None:
    """An answer in one piece has no maximum gap either, but its coalesced chunks are counted."""
    assert ([], [], 4, 0, None) == told(timing.gaps([100] * 5, [1] * 5))


def test_a_late_read_of_several_chunks_ends_no_gap() -> None:
    """The first of the two chunks at 200 may have come 60 before, so the gap that ends there is unknown; the next is not."""
    assert ([40, 30], None, 1, 1, 40) == told(timing.gaps([100, 140, 200, 200, 230], (), {200: 60}))


def test_a_late_read_of_one_chunk_is_as_good_as_any() -> None:
    """The kernel's stamp is of that chunk, however late it was read."""
    assert ([60], None, 0, 0, 60) == told(timing.gaps([100, 160], (), {160: 50}))


def test_a_gap_far_longer_than_the_doubt_about_its_end_counts() -> None:
    """A stall of 2,000 that ends in a late read stays a stall of 2,000, though 50 of it are in doubt."""
    assert ([2_000, 30], None, 1, 1, 2_000) == told(timing.gaps([100, 2_100, 2_100, 2_130], (), {2_100: 50}))


def test_what_is_certain_of_a_doubtful_gap_is_a_stall() -> None:
    """Of 600 that end in a read whose first chunk may have come 100 before, 500 were a wait."""
    assert ([10], None, 1, 1, 500) == told(timing.gaps([100, 110, 710, 710], (), {710: 100}))


def test_a_late_first_read_counts_its_chunks() -> None:
    """Chunks that came with the first one are coalesced, and late."""
    assert ([30], None, 1, 1, 30) == told(timing.gaps([100, 100, 130], (), {100: 90}))


def test_only_late_reads_of_several_chunks_are_late_joins() -> None:
    """How long their socket may have waited, but no longer than since the read before; the first read has no gap."""
    stamps = [100, 100, 130, 190, 190, 190, 200, 200, 900, 900]
    found = timing.gaps(stamps, (), {100: 40, 130: 7, 190: 50, 900: 5_000}).joins
    assert (LateJoin(None, 40, 1), LateJoin(60, 50, 2), LateJoin(700, 700, 1)) == found
    assert () == timing.gaps(stamps).joins == timing.gaps([], (), {100: 1}).joins


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 20)), min_size=2, max_size=50))
def test_itl_conserves_time_and_tokens(steps: list[tuple[int, int]]) -> None:
    """One sample per token after the first read, none of them zero, and together they last as long as the gaps."""
    stamps, tokens, stamp_ns = [], [], 0
    for gap_ns, count in steps:
        stamp_ns += gap_ns
        stamps.append(stamp_ns)
        tokens.append(count)
    found = timing.gaps(stamps, tokens)
    assert found.itl_ns is not None
    after_first = sum(tokens[1:])
    assert after_first == len(found.itl_ns)
    assert found.itl_ns.min() > 0
    assert 0 <= found.itl_ns.sum() - found.icl_ns.sum() < after_first


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.data())
def test_every_chunk_is_a_gap_or_was_read_with_another(steps: list[int], data: st.DataObject) -> None:
    """Gaps, chunks that were coalesced, gaps in doubt and the first chunk are all there are."""
    stamps = [sum(steps[: end + 1]) for end in range(len(steps))]
    late = data.draw(st.dictionaries(st.sampled_from(stamps), st.integers(1, 5)))
    found = timing.gaps(stamps, (), late)
    doubtful = {stamp for stamp in stamps if stamp in late and stamps.count(stamp) > 1 and stamp != stamps[0]}
    assert len(stamps) - 1 - len(found.icl_ns) - found.coalesced in range(len(doubtful) + 1)
    assert sum(stamps.count(stamp) - 1 for stamp in set(stamps) & late.keys()) == sum(join.chunks for join in found.joins)
