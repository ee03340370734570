"""Texts by pieces: at every split the same as the whole."""

from collections.abc import Iterator

import pytest

from harness.wire import pieces

HIGH, LOW = "\ud83d", "\ude00"
BROKEN = (
    f"a{HIGH}{LOW}b",
    f"{HIGH}{HIGH}{LOW}",
    f"{LOW}{HIGH}",
    f"é{HIGH}é{LOW}",
    f"\ufeff{HIGH}{LOW}\ufeff",
    f"{HIGH}{LOW}{HIGH}{LOW}",
    HIGH,
    LOW,
    "plain",
    "\U0001f600 ü",
)


def splits(text: str) -> Iterator[list[str]]:
    """Whole, one by one, in two at every place, and in three at every pair of places; empty parts are kept."""
    yield list(text)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            yield [text[:first], text[first:second], text[second:]]


@pytest.mark.parametrize("text", BROKEN)
def test_halves_of_a_character_are_put_together(text: str) -> None:
    """As the way through UTF-16 says of the whole text; no half is left."""
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for parts in splits(text):
        assert expected == "".join(pieces.mended(parts)), parts
    expected.encode()


def test_a_character_in_two_parts_is_one() -> None:
    """A known answer: the emoji, and the sign for what cannot be read."""
    assert "a\U0001f600b\ufffdc\ufffd" == "".join(pieces.mended([f"a{HIGH}", f"{LOW}b{HIGH}", f"c{HIGH}"]))


@pytest.mark.parametrize(
    ("text", "old", "expected"),
    [
        ("a secret is a secret", "secret", "a [key] is a [key]"),
        ("aaaa", "aa", "[key][key]"),
        ("aaaaa", "aa", "[key][key]a"),
        ("abababc", "ababc", "ab[key]"),
        ("xyx", "x", "[key]y[key]"),
        ("sekre", "sekret", "sekre"),
        ("né n\u00e9t", "nét", "né [key]"),
        ("", "x", ""),
    ],
)
def test_a_secret_across_pieces_is_replaced(text: str, old: str, expected: str) -> None:
    """At every split as in the whole, the one that comes first before one that overlaps it."""
    assert expected == text.replace(old, "[key]")
    for parts in splits(text):
        assert expected == "".join(pieces.replaced(parts, old, "[key]")), parts


def test_what_cannot_begin_a_secret_is_not_held_back() -> None:
    """Of a long text no more is kept than a secret is long, less one character."""
    coming = pieces.replaced(iter(["x" * 100, "y"]), "secret", "[key]")
    assert "x" * 95 == next(coming)


def test_pieces_are_of_a_size() -> None:
    """Short texts together, long ones cut, nothing of twice the size, and nothing empty."""
    texts = ["a" * 3, "", "b" * 4, "c" * 25, "d" * 9, "e" * 9]
    parts = list(pieces.cut(texts, 10))
    assert "".join(texts) == "".join(parts)
    assert [17, 10, 14, 9] == [len(part) for part in parts]
    assert [] == list(pieces.cut(["", ""], 10))
