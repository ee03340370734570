"""Equal texts, and what each option makes equal."""

from typing import Any

import pytest

from harness.errors import HarnessError
from harness.records import Example, Grade
from harness.score.scorers.exact import scorer


def _grade(text: str, expected: Any, **options: Any) -> Grade:
    return scorer(**options)(text, Example(id="e1", inputs={}, expected=expected))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (" Approved.\n", {}),
        ("APPROVED.", {"ignore_case": True}),
        ("approved", {"ignore_case": True, "ignore_punctuation": True}),
    ],
)
def test_what_the_options_make_equal(text: str, options: dict[str, bool]) -> None:
    """Surrounding white space never counts unless asked for; the rest counts until an option says otherwise."""
    assert Grade(score=1.0, passed=True) == _grade(text, "Approved.", **options)


@pytest.mark.parametrize(
    ("text", "expected", "options"),
    [
        ("approved", "Approved", {}),
        ("Approved!", "Approved", {}),
        ("to  pay", "to pay", {}),
        (" Approved", "Approved", {"strip": False}),
        ("to pay", "topay", {"ignore_whitespace": True}),
        ("", "Approved", {}),
    ],
)
def test_what_stays_different(text: str, expected: str, options: dict[str, bool]) -> None:
    """A difference that no option covers is a miss, and the detail shows both texts."""
    grade = _grade(text, expected, **options)
    assert (0.0, False, True) == (grade.score, grade.passed, grade.parsed)
    assert f"{text!r} instead of {expected!r}" == grade.detail


def test_runs_of_white_space_are_one_space() -> None:
    """Line breaks and tabs are white space too."""
    assert _grade("to\n\t pay", "to pay", ignore_whitespace=True).passed


def test_composed_and_decomposed_letters_are_the_same() -> None:
    """One and two code points for one accented letter are equal without any option."""
    assert _grade("cafe\u0301", "caf\u00e9").passed


def test_any_of_several_texts_is_right() -> None:
    """A list of expected texts is a list of alternatives."""
    assert [True, True, False] == [_grade(text, ["yes", "y"]).passed for text in ("yes", "y", "no")]


@pytest.mark.parametrize("expected", [None, 5, [], ["a", 5], {"a": 1}])
def test_expected_that_cannot_be_used_names_the_example(expected: Any) -> None:
    """An expected value of another shape is the user's error and names the example and what is needed."""
    with pytest.raises(HarnessError, match=r"example 'e1'.*\n.*a text or a list of texts"):
        _grade("x", expected)


def test_option_that_is_no_truth_value_is_refused() -> None:
    """A flag is true or false, and 'no' is neither."""
    with pytest.raises(HarnessError, match=r"grading.options.strip: 'no' is no strip\n.*true or false"):
        _grade("x", "x", strip="no")
