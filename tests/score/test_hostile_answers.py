"""What a model, or somebody in its place, may answer: every scorer survives it, in bounded time, and calls it a miss."""

import time
from typing import Any

import pytest

from harness import plugins
from harness.records import Example
from harness.score.runner import build

CHARS = 100_000
SECONDS = 5  # ten times what the slowest takes; the square of CHARS would take minutes

CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "exact": ({"ignore_case": True, "ignore_whitespace": True, "ignore_punctuation": True}, "approved"),
    "choice": ({"labels": ["approved", "denied by us"]}, "approved"),
    "numeric": ({"tolerance": 1}, 7.25),
    "fields": ({"fields": {"list": {"type": "list", "items": "number"}}}, {"a": 7.25, "list": [1, 2]}),
    "facts": ({}, {"must": ["7.25 mg"]}),
}
PIECES = {
    "empty": "",
    "letters": "a" * CHARS,
    "spaces": " " * CHARS,
    "nul": "\x00" * CHARS,
    "surrogates": "\ud800" * 1_000,
    "line breaks": "\r\n" * (CHARS // 2),
    "one huge number": "9" * CHARS,
    "many numbers": "1 " * (CHARS // 2),
    "many doses": "5 mg " * (CHARS // 5),
    "commas": "1" + "," * (CHARS - 1),
    "minus signs": "-" * CHARS,
    "powers": "1 x 10^" * (CHARS // 7),
    "slashes": "1/" * (CHARS // 2),
    "braces": "{" * CHARS,
    "quoted braces": '{"' * (CHARS // 2),
    "deep object": '{"a":' * (CHARS // 5),
    "deep array": '{"a":' + "[" * (CHARS - 5),
    "deep and closed": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "openings before a long rest": '{"a":[' * 400 + "1," * (CHARS * 2) + "x",
    "many objects": '{"a":1} ' * (CHARS // 8),
    "backslashes": '{"' + "\\" * (CHARS - 2),
    "long list": '{"list":[' + "1," * 49_000 + "1]}",
    "not a number": '{"a": NaN, "list": [Infinity, -Infinity, 1e999999999, null, {}]}',
    "huge integer": '{"a": ' + "9" * CHARS + "}",
    "statements": "answer: " * (CHARS // 8),
    "boxes": "\\boxed{" * (CHARS // 7),
    "fractions": "\\frac{1" * (CHARS // 7),
    "labels": "approved or denied by us " * (CHARS // 25),
    "negations": "not " * (CHARS // 4) + "approved",
    "combining marks": "e" + "\u0301" * CHARS,
}


def test_every_scorer_has_a_case() -> None:
    """A new scorer must be shown to survive these answers too."""
    assert plugins.names("scorer") == sorted(CASES)


@pytest.mark.parametrize("text", PIECES.values(), ids=PIECES.keys())
@pytest.mark.parametrize("name", CASES)
def test_hostile_answers_are_misses_in_bounded_time(name: str, text: str) -> None:
    """No answer is more than a miss with a short reason, raises anything, or takes more than its length's time."""
    options, expected = CASES[name]
    score = build(name, options)
    begun = time.process_time()
    grade = score(text, Example(id="e1", inputs={}, expected=expected))
    assert time.process_time() - begun < SECONDS
    assert not grade.passed
    assert grade.detail is not None
    assert len(grade.detail) < 500
