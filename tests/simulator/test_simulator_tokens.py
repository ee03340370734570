"""The simulator's tokenizer: how it cuts, and that nothing is lost."""

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
