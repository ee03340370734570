"""Which stamps move, and how far, where segments came out of order."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.holes import corrected


@pytest.mark.parametrize(
    ("stamps", "done", "lag", "certain", "moved"),
    [
        ([], 99, 9, (), {}),
        ([10, 20, 30], 99, 9, (), {}),
        ([10, 10, 30], 99, 9, (), {10: 19}),
        ([10, 20, 20, 20, 90], 99, 9, (), {20: 29}),
        ([10, 10, 15, 30, 30], 99, 9, (), {10: 15, 30: 39}),
        ([10, 10, 30, 30], 99, 9, (10,), {30: 39}),
        ([10, 10], 99, 0, (), {10: 10}),
        ([10, 30, 30], 34, 9, (), {30: 34}),
        ([10, 30, 30], 30, 9, (), {30: 39}),
    ],
)
def test_reads_of_several_chunks_move(
    stamps: list[int], done: int, lag: int, certain: tuple[int, ...], moved: dict[int, int]
) -> None:
    """By the longest lag, at most to what was read behind them; a read of one chunk and one that is certain stay."""
    assert moved == corrected(stamps, done, lag, certain)


@given(st.lists(st.integers(0, 30), max_size=12).map(sorted), st.integers(0, 20), st.integers(0, 20))
def test_stamps_never_go_back_and_still_ascend(stamps: list[int], rest: int, lag: int) -> None:
    """Whatever was read, no stamp becomes earlier, none moves by more than the lag, and their order stays, with the end's."""
    done = max(stamps, default=0) + rest
    moved = corrected(stamps, done, lag, ())
    after = [moved.get(stamp, stamp) for stamp in stamps]
    in_order = [*after, moved.get(done, done)]
    assert sorted(in_order) == in_order
    assert all(old <= new <= old + lag for old, new in zip(stamps, after, strict=True))


def plainly(stamps: list[int], done: int, lag: int, certain: list[int]) -> dict[int, int]:
    """As the definition says it, stamp by stamp."""
    moved = {}
    for stamp in stamps:
        if stamps.count(stamp) > 1 and stamp not in certain:
            behind = [later for later in (*stamps, done) if later > stamp]
            moved[stamp] = min([stamp + lag, *behind])
    return moved


@given(
    st.lists(st.integers(0, 30), max_size=20).map(sorted),
    st.integers(0, 20),
    st.integers(0, 20),
    st.lists(st.integers(0, 30), max_size=5),
)
def test_it_is_what_the_definition_says(stamps: list[int], rest: int, lag: int, certain: list[int]) -> None:
    """Whatever came together, and also where the end came with the last of it."""
    done = max(stamps, default=0) + rest
    assert plainly(stamps, done, lag, certain) == corrected(stamps, done, lag, certain)


def test_a_long_answer_takes_no_longer_for_each_chunk() -> None:
    """Each read looks at what is right behind it, and no further: chunks are looked at once, however many there are."""
    looks = 0

    class Counted(list[int]):
        def __iter__(self) -> Iterator[int]:
            nonlocal looks
            for each in super().__iter__():
                looks += 1
                yield each

    stamps = Counted(at // 2 for at in range(20_000))
    assert 10_000 == len(corrected(stamps, 10_000, 5, ()))
    assert len(stamps) == looks
