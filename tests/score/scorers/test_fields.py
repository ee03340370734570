"""JSON fields by type: what is equal, how F1 counts, and that grading is fast."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.records import Example, Grade
from harness.score.scorers.fields import scorer

CLAIM = {
    "claimant": "St. Mary's Hospital",
    "amount": 1250.5,
    "filed": "2024-05-31",
    "urgent": False,
    "codes": ["A10", "B20"],
    "adjuster": None,
}


def _grade(answer: Any, expected: Any, **options: Any) -> Grade:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return scorer(**options)(text, Example(id="e1", inputs={}, expected=expected))


def test_all_fields_right_in_other_spellings() -> None:
    """Case, punctuation, number and date spelling, list order, a missing null and talk around the object make no difference."""
    answer = """Sure! ```json
    {"codes": ["b20", "a10"], "urgent": "no", "filed": "May 31, 2024", "amount": "$1,250.50",
     "claimant": "ST MARY'S  HOSPITAL", "comment": "not asked for"}
    ``` Let me know."""
    expected = {**CLAIM, "claimant": "st. mary's hospital"}
    assert Grade(score=1.0, passed=True) == _grade(answer, expected)


@pytest.mark.parametrize(
    ("changed", "score"),
    [
        ({}, 1.0),
        ({"amount": 1250.4}, 10 / 12),  # 5 right of 6 due, 1 extra, 1 missing
        ({"amount": None}, 10 / 11),
        ({"adjuster": "Smith"}, 12 / 13),
        ({"adjuster": "N/A"}, 1.0),
        ({"codes": ["A10"]}, 10 / 11),
        ({"codes": ["A10", "B20", "C30"]}, 12 / 13),
        ({"codes": ["A10", "A10"]}, 10 / 12),
        ({"codes": None}, 8 / 10),
        ({"codes": "A10"}, 10 / 11),
        ({"amount": [1250.5]}, 10 / 12),
        ({"filed": "2024-06-01"}, 10 / 12),
        ({"urgent": 0}, 10 / 12),
    ],
)
def test_f1_over_values(changed: dict[str, Any], score: float) -> None:
    """Wrong is one extra and one missing, null is missing, a value for null is extra, and list items count one by one."""
    grade = _grade({**CLAIM, **changed}, CLAIM)
    assert score == pytest.approx(grade.score, abs=1e-12)
    assert (score == 1.0) == grade.passed


def test_an_answer_without_a_whole_object_is_unparsed() -> None:
    """Talk, an array of texts and a truncated object are misses that were not read."""
    for text in ("", "I cannot", '["a"]', json.dumps(CLAIM)[:-1]):
        assert Grade(score=0.0, passed=False, parsed=False, detail="no JSON object that is whole") == _grade(text, CLAIM)


def test_detail_names_the_fields_that_are_wrong() -> None:
    """The detail shows what was given and what is right, for the first five fields."""
    assert "a: 2 instead of 1; b: None instead of 'x'" == _grade({"a": 2}, {"a": 1, "b": "x", "c": None}).detail
    many = {f"f{i}": i for i in range(9)}
    assert 5 == str(_grade({}, many).detail).count("instead of")


@pytest.mark.parametrize(
    ("given", "expected", "option", "passed"),
    [
        ("follow_up", "Follow-up.", "string", True),
        ("O+", "O-", "string", False),
        ("1.5", "15", "string", False),
        (12345, "12345", "string", True),
        (True, "true", "string", False),
        ("none", "none", "string", True),
        (5.04, 5, {"tolerance": 0.05}, True),
        (5.06, 5, {"tolerance": 0.05}, False),
        (104, 100, {"relative_tolerance": 0.04}, True),
        ("0.005 g", "5 mg", "number", True),
        ("1,000", 1000, "number", True),
        ("many", 1000, "number", False),
        (True, 1, "number", False),
        ("NaN", 1, "number", False),
        ("05/06/2024", "2024-06-05", "date", False),
        ("05/06/2024", "2024-06-05", {"type": "date", "day_first": True}, True),
        ("5 June 2024", "2024-06-05", {}, True),
        ("5 June 2024", "2024-06-05", "string", False),
        ("yes", True, {}, True),
        (True, "yes", "bool", True),
        ([1, "2.0"], [2, 1], "list", True),
        (["5 June 2024"], ["05/06/2024"], {"type": "list", "items": "date", "day_first": True}, True),
        ([], [], {}, True),
        ("", None, {}, True),
        ("x", "", {}, False),
        (None, "", {}, True),
    ],
)
def test_types(given: Any, expected: Any, option: Any, passed: bool) -> None:
    """Each type has its own equality; a type follows from the expected value unless the option states it."""
    assert passed == _grade({"f": given}, {"f": expected}, fields={"f": option}).passed


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999999999", "1e99999999999999999999", "9" * 10_000])
def test_numbers_that_nobody_means_are_wrong(literal: str) -> None:
    """NaN, infinities and enormous numbers are wrong values, and no errors."""
    assert not _grade(f'{{"f": {literal}}}', {"f": 5}).passed


def test_the_last_object_counts() -> None:
    """A draft before the answer does not count."""
    assert _grade('{"f": 1} no, {"f": 2}', {"f": 2}).passed


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        (None, {}),
        ("text", {}),
        ({}, {}),
        ({"f": {"nested": 1}}, {}),
        ({"f": [[1]]}, {}),
        ({"f": [None]}, {}),
        ({"f": float("nan")}, {}),
        ({"f": "many"}, {"fields": {"f": "number"}}),
        ({"f": "05/06/2024"}, {"fields": {"f": "date"}}),
        ({"f": 5}, {"fields": {"f": "list"}}),
        ({"f": [5]}, {"fields": {"f": "number"}}),
    ],
)
def test_expected_that_cannot_be_used_names_the_example(expected: Any, options: dict[str, Any]) -> None:
    """An expected value of another shape or type is the user's error, even where the answer cannot be read."""
    with pytest.raises(HarnessError, match="example 'e1'"):
        _grade("", expected, **options)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        (["f"], "fields"),
        ("f", "fields"),
        ({"f": "integer"}, "fields.f.type"),
        ({"f": 5}, "fields.f"),
        ({"f": {"tolerence": 1}}, "fields.f"),
        ({"f": {"tolerance": -1}}, "fields.f.tolerance"),
        ({"f": {"items": "list"}}, "fields.f.items"),
        ({"f": {"day_first": "yes"}}, "fields.f.day_first"),
    ],
)
def test_options_that_cannot_be_used(fields: Any, where: str) -> None:
    """A bad option is an error with its key path."""
    with pytest.raises(HarnessError) as refused:
        scorer(fields=fields)
    assert f"grading.options.{where}" == refused.value.where


scalars = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(alphabet="abc -+.,", max_size=6)
objects = st.dictionaries(
    st.sampled_from("abcdef"), scalars | st.lists(scalars.filter(lambda x: x is not None), max_size=4), min_size=1
)


@given(objects, objects)
def test_score_is_one_exactly_when_passed(expected: dict[str, Any], answer: dict[str, Any]) -> None:
    """For any two objects the score is in 0..1, 1 exactly when passed, and an object always equals itself."""
    assert Grade(score=1.0, passed=True) == _grade(expected, expected)
    grade = _grade(answer, expected)
    assert 0 <= grade.score <= 1
    assert (grade.score == 1) == grade.passed


def test_ten_thousand_grades_take_well_under_ten_seconds() -> None:
    """10,000 grades of an object with six fields behind talk and a fence take less than 10 s of one core's time."""
    grade = scorer(fields={"amount": {"tolerance": 0.01}})
    example = Example(id="e1", inputs={}, expected=CLAIM)
    text = "Here is what I found in the document.\n```json\n" + json.dumps(CLAIM, indent=2) + "\n```\n"
    begun = time.process_time()
    assert all(grade(text, example).passed for _ in range(10_000))
    assert time.process_time() - begun < 10
