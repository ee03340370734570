"""YAML with places: values by JSON's rules, the line of every key, and no cleverness."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import marked_yaml
from harness.errors import HarnessError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("false", False),
        ("no", "no"),
        ("on", "on"),
        ("1", 1),
        ("-12", -12),
        ("0", 0),
        ("0613", "0613"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("0x10", "0x10"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        (".", "."),
        ("01.5", "01.5"),
        ("2026-11-01", "2026-11-01"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_an_unquoted_word_means_what_json_would_mean(text: str, value: Any) -> None:
    """Only null, true, false and JSON-like numbers are not text."""
    assert value == marked_yaml.scalar(text)
    assert type(value) is type(marked_yaml.scalar(text))


@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False, min_value=1e-200, max_value=1e200))
def test_numbers_come_back(number: float) -> None:
    """A number that Python prints is read as the same number."""
    assert number == marked_yaml.scalar(str(number))


def test_quoted_text_stays_text() -> None:
    """Quotes of either kind and block text keep a word from being a number."""
    assert {"a": "1", "b": "null", "c": "2\n"} == marked_yaml.parse("a: '1'\nb: \"null\"\nc: |\n  2\n", "s").value


def test_every_key_knows_its_line() -> None:
    """Keys, and items of lists, are found by their path with the line on which they stand."""
    marked = marked_yaml.parse("a:\n  b: 1\n  c:\n    - x\n    - d: 2\n", "s")
    assert {"a": {"b": 1, "c": ["x", {"d": 2}]}} == marked.value
    lines = {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5, ("a", "c", 1, "d"): 5}
    assert lines == marked.lines


def test_keys_are_text() -> None:
    """A model called 4 or a label called no is a name, not a number or a truth value."""
    assert {"4": 1, "no": 2, "null": 3} == marked_yaml.parse("4: 1\nno: 2\nnull: 3\n", "s").value


def test_a_duplicate_key_is_told_with_both_lines() -> None:
    """A key that stands twice is a mistake that names both lines, and reading goes on to find further ones."""
    marked = marked_yaml.parse("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", "s.yaml")
    assert [
        "s.yaml:4 b.c: key 'c' is here a second time; the first is on line 3\n  keep one of them",
        "s.yaml:5 a: key 'a' is here a second time; the first is on line 1\n  keep one of them",
    ] == [str(each) for each in marked.mistakes]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", "s:2: tag 'tag:yaml.org,2002:python"),
        ("a: 1\nb: !secret x\n", "s:2: tag '!secret'"),
        ("a: &x 1\nb: *x\n", "s:1: anchor or alias 'x'"),
        ("a: 1\nb: *y\n", "s:2: anchor or alias 'y'"),
        ("&k a: 1\n", "s:1: anchor or alias 'k'"),
        ("a: 1\n---\nb: 2\n", "s:2: a second YAML document"),
        ("a: {{ prompt }}\n", "s:1: a key must be a word"),
        ("? [1, 2]\n: 3\n", "s:1: a key must be a word"),
        ("a: 1\n\tb: 2\n", "s:2: not YAML, column 1"),
        ("a: [1, 2\nb: 3\n", "s:2: not YAML"),
        ("a: 'x\n", "s:2: not YAML"),
        ("a: 1\nb: \x07\n", "s:2: character"),
        ("[" * 50, "s:1: nested deeper than 20"),
        ("[" * 100_000, "s:1: nested deeper than 20"),
        ("{a: " * 100_000, "s:1: nested deeper than 20"),
    ],
)
def test_what_a_scenario_does_not_need_is_refused(text: str, what: str) -> None:
    """Tags, anchors, aliases, further documents, odd keys, deep nesting and broken syntax are errors with their line."""
    with pytest.raises(HarnessError) as caught:
        marked_yaml.parse(text, "s")
    assert str(caught.value).startswith(what)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t", max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    """No text makes the reader fail in another way than with an error that has a place."""
    assert _place(text).startswith("s:")


def _place(text: str) -> str:
    """Where reading stopped, `s:` when it did not."""
    try:
        marked_yaml.parse(text, "s")
    except HarnessError as refused:
        return refused.where or ""
    return "s:"


def test_an_empty_file_has_no_value(tmp_path: Path) -> None:
    """A file of comments is a document with nothing in it."""
    (tmp_path / "s.yaml").write_text("# nothing\n")
    assert marked_yaml.read(tmp_path / "s.yaml").value is None


def test_a_byte_order_mark_is_not_content(tmp_path: Path) -> None:
    """Editors on Windows put a mark in front; it is not part of the first key."""
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert {"a": 1} == marked_yaml.read(tmp_path / "s.yaml").value


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a: 1\nb: \xff\n", "s.yaml:2: is not UTF-8"),
        (b"#" * (marked_yaml.MAX_BYTES + 1), f"s.yaml: is {marked_yaml.MAX_BYTES + 1} bytes long"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, data: bytes | None, what: str) -> None:
    """Wrong encoding, a file that is too long and a missing one are told apart."""
    if data is not None:
        (tmp_path / "s.yaml").write_bytes(data)
    with pytest.raises(HarnessError) as caught:
        marked_yaml.read(tmp_path / "s.yaml")
    assert what in str(caught.value)
