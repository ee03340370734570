"""One label out of a list, found in talk, and never guessed."""

from typing import Any

import pytest

from harness.errors import HarnessError
from harness.records import Example, Grade
from harness.score.scorers.choice import scorer

LETTERS = ["A", "B", "C", "D"]
TICKETS = ["Billing Inquiries", "Claims", "Claims Assistance", "Claims Disputes", "covered", "not covered"]


def _grade(text: str, expected: Any, labels: Any = LETTERS, **options: Any) -> Grade:
    return scorer(labels=labels, **options)(text, Example(id="e1", inputs={}, expected=expected))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("**B**.", "B"),
        ("B) Paris", "B"),
        ("A. Paris", "A"),
        ("Answer: B", "B"),
        ("answer: b", "B"),
        ("Answer:\n\nB", "B"),
        ("The answer is (C).", "C"),
        ("The correct answer is **D**.", "D"),
        ("The answer is A because it says so", "A"),
        ("Answer: B. A dog is a mammal, and I know dogs", "B"),
        ("Answer: C. B cells are lymphocytes", "C"),
        ("Answer: A\n\nWait, that was wrong.\n\nAnswer: B", "B"),
        ("A is wrong. B is wrong.\n\nC", "C"),
        ("<answer>\nD\n</answer>", "D"),
        ("So it is $\\boxed{\\text{B}}$", "B"),
        ('{"label": "C"}', "C"),
        ('```json\n{"label": "C", "why": "A or B would not do"}\n```', "C"),
        ("I think a dog would choose B", "B"),
    ],
)
def test_letters(text: str, label: str) -> None:
    """A letter is found as a whole answer, in JSON, on the last line, in a statement and as the only one mentioned."""
    assert Grade(score=1.0, passed=True) == _grade(text, label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("billing inquiries", "Billing Inquiries"),
        ("Category: Billing_Inquiries\nReason: these are not Claims", "Billing Inquiries"),
        ("This is a Claims Assistance ticket.", "Claims Assistance"),
        ("Claims", "Claims"),
        ("Claims may fit, but\n<category>Claims Disputes</category>", "Claims Disputes"),
        ('{"label": "claims-assistance"}', "Claims Assistance"),
        ("The loss is not covered.", "not covered"),
        ("The category is Billing Inquiries, not Claims.", "Billing Inquiries"),
    ],
)
def test_labels_of_several_words(text: str, label: str) -> None:
    """The longest label that fits is the one that is meant; case and the sign between words make no difference."""
    assert Grade(score=1.0, passed=True) == _grade(text, label, TICKETS)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", LETTERS),
        ("I am sure.", LETTERS),
        ("A or B", LETTERS),
        ("Answer: A or B", LETTERS),
        ("Answer: **A** and **B**", LETTERS),
        ("Answer: A/B", LETTERS),
        ("Answer: A dog", LETTERS),
        ("Answer: I do not know", LETTERS),
        ("The answer is not A", LETTERS),
        ("The answer isn't A", LETTERS),
        ("It is not A, it is B", LETTERS),
        ('{"label": "E", "next": "A"}', LETTERS),
        ('{"label": ["A"]}', LETTERS),
        ("Claims Assistance or Claims Disputes", TICKETS),
        ("This isn't Billing Inquiries", TICKETS),
        ("non-covered", TICKETS),
    ],
)
def test_what_is_left_open_is_unparsed(text: str, labels: list[str]) -> None:
    """No label, two labels, a negated label and a JSON value that is none are a miss that was not read."""
    for label in labels:
        grade = _grade(text, label, labels)
        assert (0.0, False, False) == (grade.score, grade.passed, grade.parsed)
        assert str(grade.detail).startswith("no single label in ")


def test_a_wrong_label_is_read_and_wrong() -> None:
    """A label that is read is a parsed miss, and the detail names both."""
    assert Grade(score=0.0, passed=False, detail="'B' instead of 'A'") == _grade("Answer: B", "A")


def test_field_of_a_json_answer_is_an_option() -> None:
    """The label may have another name in the answer's object."""
    assert _grade('{"verdict": "B", "label": "A"}', "B", field="verdict").passed


@pytest.mark.parametrize("expected", [None, "E", 1, ["A"]])
def test_expected_that_is_no_label_names_the_example(expected: Any) -> None:
    """An expected value that is none of the labels is the user's error."""
    with pytest.raises(HarnessError, match=r"example 'e1'.*\n.*one of the labels: A, B, C, D"):
        _grade("A", expected)


@pytest.mark.parametrize("labels", [[], ["A"], "AB", ["A", "a"], ["to pay", "to-pay"], ["A", 5], ["A", " "], None])
def test_labels_that_could_be_confused_are_refused(labels: Any) -> None:
    """Labels are two texts or more that differ in more than spelling."""
    with pytest.raises(HarnessError, match="are no labels"):
        _grade("A", "A", labels)
