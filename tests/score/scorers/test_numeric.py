"""A number within a tolerance, taken out of talk by a stated rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.records import Example, Grade
from harness.score.scorers.numeric import scorer

RIGHT = Grade(score=1.0, passed=True)


def _grade(text: str, expected: Any, **options: Any) -> Grade:
    return scorer(**options)(text, Example(id="e1", inputs={}, expected=expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18", 18),
        ("18.0", 18),
        ("18", "18"),
        ("She makes 9 * $2 = $18 every day.", 18),
        ("Work: 1 + 2.\n#### 3\nHope that helps with all 5!", 3),
        ("The answer is 42, as 6 * 7 shows.", 42),
        ("Final answer: 6 * 7 = 42 apples of 100", 42),
        ("**Answer:**\n\n1,234.50", 1234.5),
        ('{"reason": "2 of 3", "answer": 7}', 7),
        ("so $\\boxed{3{,}250}$", 3250),
        ("\\boxed{\\frac{3}{4}}", 0.75),
        ("It is 3/4", "0.75"),
        ("Answer: 5. Wait: answer: 6", 6),
        ("(1,234)", -1234),
        ("Answer: ($12.50)", -12.5),
        ("the rest (18)", 18),
        ("loss of -$1,250.50", -1250.5),
        ("about 1.2 million", 1_200_000),
        ("3e8 m/s", 300_000_000),
        ("12.5%", 12.5),
        ("Day 3.", 3),
    ],
)
def test_the_number_that_counts(text: str, expected: Any) -> None:
    """The first after the last statement of the answer and its last equals sign, else the last of the text."""
    assert _grade(text, expected) == RIGHT


@pytest.mark.parametrize(
    "text", ["", "none", "about 1,2,3", "at 10:30", "on 05/01/2024", "2 1/2", "1 000", "room B12", "Answer: 1.2.3"]
)
def test_what_cannot_be_read_for_certain_is_unparsed(text: str) -> None:
    """No number, or one that could be another, is a miss that was not read."""
    detail = "no number that can be read for certain"
    assert Grade(score=0.0, passed=False, parsed=False, detail=detail) == _grade(text, 3)


@pytest.mark.parametrize(
    ("text", "options", "passed"),
    [
        ("10.5", {}, False),
        ("10.5", {"tolerance": 0.5}, True),
        ("10.51", {"tolerance": 0.5}, False),
        ("9.5", {"tolerance": "0.5"}, True),
        ("11", {"relative_tolerance": 0.1}, True),
        ("11.1", {"relative_tolerance": 0.1}, False),
        ("11.1", {"relative_tolerance": 0.1, "tolerance": 2}, True),
        ("-10", {"relative_tolerance": 0.1}, False),
    ],
)
def test_tolerances(text: str, options: dict[str, Any], passed: bool) -> None:
    """The wider of the two tolerances holds, its bound included; none means exactly equal."""
    assert passed == _grade(text, 10, **options).passed


def test_decimal_fractions_are_exact() -> None:
    """0.1 + 0.2 is 0.3 here: numbers are compared in decimal, not in binary."""
    assert _grade("0.30", 0.3, tolerance=0) == RIGHT
    assert _grade("0.4", 0.3, tolerance=0.1) == RIGHT


@pytest.mark.parametrize(
    ("text", "expected", "passed"),
    [
        ("0.005 g", "5 mg", True),
        ("5 g", "5 mg", False),
        ("5", "5 mg", True),
        ("5 mg", 5, True),
        ("5 ml", "5 mg", False),
        ("$12", "12 USD", True),
        ("\u20ac12", "$12", False),
        ("90 minutes", "1.5 h", True),
    ],
)
def test_units(text: str, expected: Any, passed: bool) -> None:
    """Units convert within their dimension; a number without one is taken in the unit that is expected."""
    assert passed == _grade(text, expected).passed


@pytest.mark.parametrize(
    ("text", "expected", "percent", "passed"),
    [
        ("12.5 %", 12.5, "points", True),
        ("12.5 %", 0.125, "points", False),
        ("12.5 %", 0.125, "ratio", True),
        ("0.125", "12.5 %", "ratio", True),
        ("12.5", 0.125, "ratio", False),
    ],
)
def test_percent_is_what_the_user_says(text: str, expected: Any, percent: str, passed: bool) -> None:
    """A percentage is a number of points or a ratio, never whichever happens to fit."""
    assert passed == _grade(text, expected, percent=percent).passed


def test_decimal_comma() -> None:
    """With a decimal comma, 1.234,5 is one number."""
    assert _grade("Das macht 1.234,5 Euro", 1234.5, decimal=",") == RIGHT


def test_a_miss_says_what_was_read() -> None:
    """The detail shows the number that was taken, or that its unit does not fit."""
    assert "17 instead of 18" == _grade("17", 18).detail
    assert "5 in a unit that does not fit '5 mg'" == _grade("5 ml", "5 mg").detail


@pytest.mark.parametrize("expected", [None, True, "many", "1 or 2", [1], float("nan"), float("inf"), "1,2,3"])
def test_expected_that_is_no_number_names_the_example(expected: Any) -> None:
    """An expected value that is not one number is the user's error."""
    with pytest.raises(HarnessError, match=r"example 'e1'.*\n.*text that is one number"):
        _grade("1", expected)


@pytest.mark.parametrize(
    "options",
    [{"tolerance": -1}, {"tolerance": "x"}, {"relative_tolerance": float("nan")}, {"percent": "half"}, {"decimal": ";"}],
)
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    """A bad option is quoted, with its key path and what to write."""
    name, value = next(iter(options.items()))
    with pytest.raises(HarnessError) as refused:
        scorer(**options)
    assert f"grading.options.{name}" == refused.value.where
    assert str(refused.value.what).startswith(repr(value))


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    st.sampled_from(["Answer: {}", "it is {}.", "#### {}", "${}$", "{}"]),
)
def test_any_number_in_any_frame(number: Any, frame: str) -> None:
    """A number with separators and sign is right in every frame, and a cent more is wrong."""
    text = frame.format(f"{number:,f}")
    assert _grade(text, str(number)) == RIGHT
    assert not _grade(text, str(number + 1)).passed
