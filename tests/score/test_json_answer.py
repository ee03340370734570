"""The JSON object inside an answer, and the answers that have none."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.score.json_answer import last_object


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '  {"a": 1}  ',
        'Here you are:\n```json\n{"a": 1}\n```\nAnything else?',
        'I use {braces} and {x} here. {"a": 1}',
        'First {"a": 2}, better: {"a": 1}',
        '[{"a": 2}, {"a": 1}]',
        '{\n  "a": 1\n}',
    ],
)
def test_talk_and_fences_around_the_object(text: str) -> None:
    """The last object counts, whatever stands around it."""
    assert {"a": 1} == last_object(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "{'a': 1}",
        '{"a": 1',
        '{"a": "x',
        '{"a": 1, "b": {"c": 2}',
        '{"z": 1} then {"a": 1, "b',
        '{"a": tru',
        "[1, 2]",
        "{a: 1}",
    ],
)
def test_no_object_or_one_that_is_cut_off(text: str) -> None:
    """What breaks off inside an object is not read, neither its inner objects nor an earlier one."""
    assert last_object(text) is None


def test_numbers_are_decimal_and_never_fail() -> None:
    """Numbers keep their digits; NaN, infinities, huge numbers and huge exponents are values like others."""
    found = last_object('{"a": 0.10, "b": NaN, "c": -Infinity, "d": 1e99999999999999999999, "e": ' + "9" * 10_000 + "}")
    assert found is not None
    assert "0.10" == str(found["a"])
    assert [True, True, True] == [found["b"].is_nan(), found["c"].is_infinite(), found["d"].is_nan()]
    assert Decimal("9" * 10_000) == found["e"]


@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=10), max_size=5),
    st.text(alphabet="abc .{}[]'\n", max_size=20),
    st.sampled_from([None, 2]),
)
def test_any_object_is_found_after_any_talk(value: dict[str, object], talk: str, indent: int | None) -> None:
    """An object that Python writes is found behind talk with braces in it."""
    assert value == last_object(talk + json.dumps(value, indent=indent))
