"""The simulator's tokenizer: how it cuts, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.simulator import tokens


def test_words_keep_the_space_before_them_and_long_words_are_cut() -> None:
    """A token is up to eight characters of a word and the white space before it; further white space stands alone."""
    assert ["Two", " interest", "ing", " claims,", "\n", " ", " both", " ok"] == tokens.cut(
        "Two interesting claims,\n  both ok"
    )


@given(st.text())
def test_joined_tokens_give_the_exact_text(text: str) -> None:
    """Whatever the text, no character is lost, added or moved, no token is empty, and `count` agrees."""
    cut = tokens.cut(text)
    assert text == "".join(cut)
    assert all(cut)
    assert len(cut) == tokens.count(text)


@given(st.integers(min_value=0, max_value=200), st.text(max_size=5))
def test_filler_has_the_tokens_it_says(n: int, seed: str) -> None:
    """Filler is cut the way it was made, and depends on its seed alone."""
    filler = tokens.filler(n, seed)
    assert (n, filler) == (len(filler), tokens.cut("".join(filler)))
    assert filler == tokens.filler(n, seed)


@given(st.text(alphabet="ab \n\t\x1c\x00é\u2003", max_size=60))
def test_counting_agrees_with_cutting(text: str) -> None:
    """Also where counting takes a way of its own: words of many lengths, every kind of white space, not only ASCII."""
    assert len(tokens.cut(text)) == tokens.count(text)


@pytest.mark.parametrize("word", ["word ", "  ", "longer-than-a-token ", "é ", "é", "\u4e2d\u2003"])
def test_a_long_text_is_counted_in_pieces(word: str) -> None:
    """No token is torn where one piece ends, and there is a breath between pieces."""
    text = word * (10 * tokens.SLICE // len(word) + 7)
    breaths: list[None] = []
    assert len(tokens.cut(text)) == tokens.count(text, lambda: breaths.append(None))
    assert len(breaths) == (2 if text.isascii() else 10)
