"""Which stamps move, and how far, where segments came out of order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.holes import corrected


@pytest.mark.parametrize(
    ("stamps", "lag", "certain", "moved"),
    [
        ([], 9, (), {}),
        ([10, 20, 30], 9, (), {}),
        ([10, 10, 30], 9, (), {10: 19}),
        ([10, 20, 20, 20, 90], 9, (), {20: 29}),
        ([10, 10, 15, 30, 30], 9, (), {10: 15, 30: 39}),
        ([10, 10, 30, 30], 9, (10,), {30: 39}),
        ([10, 10], 0, (), {10: 10}),
    ],
)
def test_reads_of_several_chunks_move(stamps: list[int], lag: int, certain: tuple[int, ...], moved: dict[int, int]) -> None:
    """By the longest lag, at most to the read behind them; a read of one chunk and one that is certain stay."""
    assert moved == corrected(stamps, lag, certain)


@given(st.lists(st.integers(0, 30), max_size=12).map(sorted), st.integers(0, 20))
def test_stamps_never_go_back_and_still_ascend(stamps: list[int], lag: int) -> None:
    """Whatever was read, no stamp becomes earlier, none moves by more than the lag, and their order stays."""
    moved = corrected(stamps, lag, ())
    after = [moved.get(stamp, stamp) for stamp in stamps]
    assert sorted(after) == after
    assert all(old <= new <= old + lag for old, new in zip(stamps, after, strict=True))
