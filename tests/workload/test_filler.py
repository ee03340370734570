"""Text that says nothing: its length, and what two texts share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workload import filler

KEYS = st.text("ab:01", max_size=6)


def test_a_key_gives_its_text_on_every_machine() -> None:
    """The words of a key are fixed: runs of other days and other workers have the same prompts."""
    assert "hitodogoresiferopoki are as now this" == filler.text("block:1:0", 12)


@pytest.mark.parametrize(("tokens", "words"), [(0, 1), (1, 1), (8, 1), (9, 2), (512, 505)])
def test_the_opening_counts_for_eight_tokens(tokens: int, words: int) -> None:
    """A text has a word for each token after the opening's, and never less than the opening."""
    assert words == len(filler.text("k", tokens).split(" "))


def test_words_are_common_and_each_once() -> None:
    """No word is twice in the list, and each is short lower-case English."""
    assert len(filler.WORDS) == len(set(filler.WORDS))
    assert [] == [word for word in filler.WORDS if not (word.isascii() and word.islower() and len(word) <= 7)]


@given(one=KEYS, other=KEYS, tokens=st.integers(0, 60))
def test_two_keys_share_no_first_word(one: str, other: str, tokens: int) -> None:
    """Texts of two keys differ from the first word on, and those of one key never."""
    firsts = [filler.text(key, tokens).split(" ")[0] for key in (one, other)]
    assert (one == other) == (firsts[0] == firsts[1])


@given(key=KEYS, short=st.integers(0, 60), more=st.integers(0, 60))
def test_a_shorter_text_begins_the_longer(key: str, short: int, more: int) -> None:
    """Two lengths of one key agree as far as the shorter goes."""
    assert filler.text(key, short + more).startswith(filler.text(key, short))


def test_an_opening_is_in_no_other() -> None:
    """All openings are of one length, so that none can begin another."""
    assert {20} == {len(filler.opening(str(key))) for key in range(1000)}
    assert 1000 == len({filler.opening(str(key)) for key in range(1000)})
