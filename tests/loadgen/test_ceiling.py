"""How many attempts a worker may begin unheard."""

from hypothesis import given
from hypothesis import strategies as st

from harness.loadgen.ceiling import LEAST, SECONDS, Ceiling


def test_four_seconds_of_the_most_that_was_seen() -> None:
    """At first that is little; a second in which 900 were begun makes it 3,600 more."""
    ceiling = Ceiling()
    assert SECONDS * LEAST == ceiling.said(0, 0, 10.0)
    ceiling.noted(0)
    assert 400 == ceiling.most
    assert 3_600 == ceiling.said(1, 900, 11.0)
    ceiling.noted(1)
    assert 4_500 == ceiling.most
    assert 3_600 == ceiling.said(2, 901, 12.0)


def test_only_what_was_noted_counts() -> None:
    """A report that nobody heard of gives no room; one that was noted makes those before it old."""
    ceiling = Ceiling()
    ceiling.said(0, 0, 10.0)
    ceiling.noted(0)
    ceiling.said(1, 100, 11.0)
    ceiling.said(2, 200, 12.0)
    assert 400 == ceiling.most
    ceiling.noted(2)
    ceiling.noted(1)
    ceiling.noted(77)
    assert 600 == ceiling.most


def test_what_is_known_beforehand_needs_not_be_seen() -> None:
    """A block of 500 users, or 500 requests a second."""
    ceiling = Ceiling()
    ceiling.expect(500)
    assert 2_000 == ceiling.said(0, 0, 10.0)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.booleans()), max_size=30))
def test_it_never_falls_and_is_never_above_what_the_master_was_told(steps: list[tuple[int, bool]]) -> None:
    """Whatever is begun, and whichever reports are lost."""
    ceiling, begun, heard, before = Ceiling(), 0, 0.0, 0.0
    for number, (more, is_heard) in enumerate(steps):
        begun += more
        told = begun + ceiling.said(number, begun, float(number))
        if is_heard:
            heard = told
            ceiling.noted(number)
            assert heard == ceiling.most >= before
            before = ceiling.most
