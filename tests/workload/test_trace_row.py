"""The fields of a trace's row: what counts as a number, and what is refused with its place."""

from typing import Any

import pytest

from harness.errors import HarnessError
from harness.workload import trace_row


@pytest.mark.parametrize(("found", "number"), [("0", 0.0), ("1.5", 1.5), (" 7 ", 7.0), ("1e3", 1000.0), (3, 3.0), (2.5, 2.5)])
def test_an_amount_is_read_from_text_or_number(found: Any, number: float) -> None:
    """CSV has numbers as text and JSON as numbers, and both mean the same."""
    assert number == trace_row.amount({"x": found}, "x", "t:1")


@pytest.mark.parametrize("found", ["", "x", "1_000", "-1", "nan", "inf", "1e999", -1, -0.5, True, None, [1], 10**400])
def test_what_is_no_amount_is_refused(found: Any) -> None:
    """Text that is no number, what is negative or not finite, and other types are named with place and value."""
    with pytest.raises(HarnessError) as caught:
        trace_row.amount({"x": found}, "x", "t:1")
    assert f"t:1: x is {found!r}\n  a number, finite and not negative" == str(caught.value)


def test_tokens_are_whole() -> None:
    """A count may be written with a zero fraction, as pandas does, but not with another."""
    assert 472 == trace_row.tokens({"x": "472.0"}, "x", "t:1")
    with pytest.raises(HarnessError, match=r"^t:1: x is '1\.5'\n  a whole number of tokens$"):
        trace_row.tokens({"x": "1.5"}, "x", "t:1")


def test_a_missing_column_is_told_with_the_nearest() -> None:
    """The error names the column and lists what the row has."""
    with pytest.raises(
        HarnessError, match=r"^t:2: no column 'Timestamp'\n  allowed: Model, Timestmp \(did you mean 'Timestmp'\?\)$"
    ):
        trace_row.value({"Timestmp": "1", "Model": "m"}, "Timestamp", "t:2")


@pytest.mark.parametrize(
    ("first", "fits"), [("a,b\n", True), ('"b",c,a\r\n', True), ("a\n", False), ("A,b\n", False), ("", False)]
)
def test_a_header_may_have_more_columns(first: str, fits: bool) -> None:
    """All the columns must be there by their names, in any order, quoted or not."""
    assert fits == trace_row.titled(first, ("a", "b"))
