"""The files that formats read: line numbers, encodings, quoting, and faults with their place."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import plugins
from harness.errors import HarnessError
from harness.workload.datasets import csv, jsonl, tsv


def _file(folder: Path, data: bytes) -> Path:
    (folder / "d").write_bytes(data)
    return folder / "d"


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b'{"a":1}\n{"a":2}\n', [(1, {"a": 1}), (2, {"a": 2})]),
        (b'\xef\xbb\xbf{"a":1}\r\n\r\n  \n{"a":2}', [(1, {"a": 1}), (4, {"a": 2})]),
        ('{"a":"x\u2028y\u0085z"}\n{"a":2}'.encode(), [(1, {"a": "x\u2028y\u0085z"}), (2, {"a": 2})]),
        (b"", []),
    ],
)
def test_jsonl_rows_have_their_line(tmp_path: Path, data: bytes, rows: list[Any]) -> None:
    """Blank lines count but give no row; only a line feed ends a line; a byte order mark is passed over."""
    assert rows == list(jsonl.read(_file(tmp_path, data)))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"a" 1}', "d:2: JSON is malformed: expected ':' (byte 5), at column 6, near '{\"a\" 1}'"),
        ('{"\u00e9" 1}'.encode(), "(byte 6), at column 6"),
        (b'{"a":1', "d:2: Input data was truncated, at column 7, near '{\"a\":1'"),
        (b"[1]", "Expected `object`, got `array`"),
        (b"hello", "invalid character (byte 0), at column 1, near 'hello'"),
        (b'{"a":"\xff"}', "d:2: not UTF-8, at column 7"),
        (b'{"a":NaN}', "invalid character"),
        (b'{"a":' + b"[" * 100_000, "maximum recursion depth"),
        (b'{"a":"' + b"x" * 500 + b'"} tail', "trailing characters (byte 510), at column 511, near 'xxx"),
    ],
)
def test_a_malformed_jsonl_line_is_named_with_its_column(tmp_path: Path, line: bytes, what: str) -> None:
    """The error has line, column and an excerpt around the fault."""
    with pytest.raises(HarnessError) as caught:
        list(jsonl.read(_file(tmp_path, b'{"a":0}\n' + line + b"\n")))
    assert what in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,2\n3,4\n", [(2, {"a": "1", "b": "2"}), (3, {"a": "3", "b": "4"})]),
        (
            b'\xef\xbb\xbfa,b\r\n"x\r\ny","say ""hi"""\r\n3,4',
            [(2, {"a": "x\r\ny", "b": 'say "hi"'}), (4, {"a": "3", "b": "4"})],
        ),
        (b"a\n\n1\n", [(3, {"a": "1"})]),
        (b"a\n" + b"x" * 200_000 + b"\n", [(2, {"a": "x" * 200_000})]),
        (b"", []),
    ],
)
def test_csv_rows_have_the_line_on_which_they_begin(tmp_path: Path, data: bytes, rows: list[Any]) -> None:
    """Quoted line ends, doubled quotes, marks, blank lines and long fields are read as Excel writes them."""
    assert rows == list(csv.read(_file(tmp_path, data)))


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (b"id;body\n1;yes, please\n", {"id": "1", "body": "yes, please"}),
        (b"\n\nid;body\n1;2,50\n", {"id": "1", "body": "2,50"}),
        (b"id,a;b\n1,2;3\n", {"id": "1", "a;b": "2;3"}),
        (b"body\n1;2\n", {"body": "1;2"}),
    ],
)
def test_a_header_says_whether_commas_or_semicolons_part_fields(tmp_path: Path, data: bytes, row: dict[str, str]) -> None:
    """Semicolons, where it has them and no comma; what stands in a row decides nothing."""
    (tmp_path / "d.csv").write_bytes(data)
    assert [row] == [found for _, found in csv.read(tmp_path / "d.csv")]


def test_tsv_is_csv_with_tabs(tmp_path: Path) -> None:
    """Commas and apostrophes are text in a TSV."""
    assert [(2, {"a": "I'm, well", "b": "2"})] == list(tsv.read(_file(tmp_path, b"a\tb\nI'm, well\t2\n")))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a,b\n1\n", "d:2: 1 fields under 2 columns, in '1'"),
        (b"a,b\n1,2,3\n", "d:2: 3 fields under 2 columns, in '1 | 2 | 3'"),
        (b"a,a\n1,2\n", "d:1: two columns are called 'a'"),
        (b'a,b\n1,2\n"x,2\n3,4\n', "d:3: the row that begins here: unexpected end of data"),
        (b'a,b\n"x"y,2\n', "d:2: the row that begins here: ',' expected after '\"'"),
        (b"a,b\n1,\xff\n", "d:2: is not UTF-8"),
    ],
)
def test_a_csv_row_that_does_not_fit_is_named(tmp_path: Path, data: bytes, what: str) -> None:
    """A missing field, a stray quote or a wrong encoding never shifts or swallows rows silently."""
    with pytest.raises(HarnessError) as caught:
        list(csv.read(_file(tmp_path, data)))
    assert what in str(caught.value)


@pytest.mark.parametrize("name", plugins.names("dataset format"))
@settings(max_examples=50)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_rows_or_an_error_of_the_user(tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes) -> None:
    """Every format that is found answers arbitrary bytes with rows in ascending lines, or with a `HarnessError`."""
    path = _file(tmp_path_factory.mktemp("any"), data)
    lines: list[int] = []
    with contextlib.suppress(HarnessError):
        lines.extend(line for line, _ in plugins.load("dataset format", name).read(path))
    assert sorted(set(lines)) == lines
