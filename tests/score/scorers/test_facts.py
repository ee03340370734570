"""Facts that must and must not appear, whatever the spelling of numbers and units."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.records import Example, Grade
from harness.score.scorers.facts import scorer


def _grade(text: str, expected: Any) -> Grade:
    return scorer()(text, Example(id="e1", inputs={}, expected=expected))


def _says(text: str, fact: str) -> bool:
    return _grade(text, {"must": [fact]}).passed


@pytest.mark.parametrize(
    "text", ["5 mg", "5mg", "5.0 mg", "5.00MG", "0.005 g", "5000 mcg", "5,000 \u00b5g", "5-mg", "(5 milligrams)"]
)
def test_one_dose_in_many_spellings(text: str) -> None:
    """5 mg is found however the number, the unit and the space between are written."""
    assert _says(f"Start {text} of warfarin.", "5 mg")


@pytest.mark.parametrize(
    "text", ["25 mg", "15 mg", "0.5 mg", "1.5 mg", "2,5 mg", "-5 mg", "5 g", "5 mg/kg", "5 ml", "5", "5 mgs", "B5 mg", "5.1 mg"]
)
def test_another_dose_is_not_found(text: str) -> None:
    """A piece of a number, another unit and another dimension are not 5 mg."""
    assert not _says(f"Start {text} of warfarin.", "5 mg")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Temp 38.50 degrees Celsius", "38.5 \u00b0C"),
        ("Temp 38.5\u2103 today", "38.5\u00b0C"),
        ("BP 120/80 mmHg", "120/80"),
        ("HbA1c 8.2 %", "HbA1c 8.2"),
        ("HbA1c of 8.2%", "8.2 percent"),
        ("Follow-up in 2 weeks.", "follow up in 14 days"),
        ("a 10-day course", "10 days"),
        ("between 5-10 mg", "10 mg"),
        ("limit $1,500.00", "$1500"),
        ("limit 1.5 million dollars", "USD 1,500,000"),
        ("5 mg per day", "5 mg/day"),
        ("at 10:30", "10:30"),
        ("on 2024-05-01", "2024-05-01"),
        ("Blood type O-, stable", "O-"),
        ("WARFARIN,\n5 mg", "warfarin 5 mg"),
        ("The patient\u2019s knee", "patient's knee"),
        ("caf\u00e9", "CAFE\u0301"),
    ],
)
def test_what_means_the_same(text: str, fact: str) -> None:
    """Case, punctuation, line breaks and the spelling of numbers and units make no difference."""
    assert _says(text, fact)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("BP 150/100 mmHg", "120/80"),
        ("5 mg tablets", "5 tablets"),
        ("two fractures", "fracture"),
        ("B12", "12"),
        ("at 10:30", "30"),
        ("Blood type O+", "O-"),
        ("warfarin at 5 mg", "warfarin 5 mg"),
        ("", "x"),
    ],
)
def test_what_does_not_mean_the_same(text: str, fact: str) -> None:
    """A fact is found by whole words in their order, with nothing between."""
    assert not _says(text, fact)


def test_score_is_the_share_of_must_and_passed_needs_all_and_no_must_not() -> None:
    """The score counts what must be said; what must not be said only fails the answer; the detail names both."""
    expected = {"must": ["5 mg", ["daily", "every day"]], "must_not": ["penicillin"]}
    assert Grade(score=1.0, passed=True) == _grade("5 mg every day", expected)
    assert Grade(score=0.5, passed=False, detail="missing [['daily', 'every day']]") == _grade("5 mg", expected)
    assert Grade(score=1.0, passed=False, detail="present ['penicillin']") == _grade("5 mg daily, Penicillin", expected)
    both = "missing ['5 mg', ['daily', 'every day']]; present ['penicillin']"
    assert Grade(score=0.0, passed=False, detail=both) == _grade("penicillin", expected)


def test_must_not_alone() -> None:
    """Where nothing must be said, an answer passes by what it does not say."""
    assert Grade(score=1.0, passed=True) == _grade("anything", {"must_not": ["penicillin"]})
    assert not _grade("Penicillin", {"must_not": ["penicillin"]}).passed


def test_negation_is_not_understood() -> None:
    """A fact inside a negation is found, so a fact carries its own negation."""
    assert _says("There is no fracture.", "fracture")
    assert not _says("There is a fracture.", "no fracture")


@pytest.mark.parametrize(
    "expected",
    [
        None,
        "5 mg",
        ["5 mg"],
        {},
        {"must": []},
        {"must": "5 mg"},
        {"must": [5]},
        {"must": [[]]},
        {"must": [""]},
        {"must": ["!"]},
        {"must": ["a"], "mustnot": []},
    ],
)
def test_expected_that_cannot_be_used_names_the_example(expected: Any) -> None:
    """Facts of another shape, no facts, and facts without a word are the user's error."""
    with pytest.raises(HarnessError, match="example 'e1'"):
        _grade("text", expected)


@given(st.lists(st.sampled_from(["5 mg", "no fever", "120/80", "alpha", "$3.50"]), min_size=1), st.text(max_size=10))
def test_a_fact_is_found_between_any_words(facts: list[str], noise: str) -> None:
    """Facts that are written down, one per line with any text between, are all found."""
    assert _grade("\n".join(f"{fact} ; {noise}" for fact in facts), {"must": facts}).passed
