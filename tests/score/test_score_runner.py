"""Grading a run: each distinct answer once, and user errors before any work."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import plugins
from harness.errors import HarnessError
from harness.records import Answer, Example, Grade, GradeRow
from harness.score import runner

EXAMPLES = {"e1": Example(id="e1", inputs={}, expected="yes"), "e2": Example(id="e2", inputs={}, expected="no")}


def _answer(name: str, example: str, text: str) -> Answer:
    return Answer(id=name, example=example, endpoint="alpha", text=text)


def _grade(answers: list[Answer], **options: Any) -> list[GradeRow]:
    return list(runner.grade(answers, EXAMPLES, "exact", {}, **options))


def test_a_row_is_keyed_by_example_and_hash() -> None:
    """A row names the example, the SHA-256 of the answer's UTF-8 text, the scorer and its grade."""
    digest = hashlib.sha256(b"yes").hexdigest()
    assert [GradeRow("e1", digest, "exact", Grade(score=1.0, passed=True))] == _grade([_answer("a", "e1", "yes")])


def test_the_same_answer_to_the_same_example_is_graded_once() -> None:
    """Repeated answers give one row; the same text to another example is graded by itself."""
    answers = [_answer("a", "e1", "yes"), _answer("b", "e1", "yes"), _answer("c", "e2", "yes"), _answer("d", "e1", "no")]
    assert [("e1", True), ("e2", False), ("e1", False)] == [(row.example, row.grade.passed) for row in _grade(answers)]


def test_known_grades_are_left_out() -> None:
    """What scores.jsonl already holds is not graded again."""
    known = {("e1", runner.answer_sha256("yes"))}
    assert ["e2"] == [row.example for row in _grade([_answer("a", "e1", "yes"), _answer("b", "e2", "no")], known=known)]


def test_an_answer_that_is_too_long_is_not_read() -> None:
    """An answer over the limit is an unparsed miss, whatever the scorer would do with it."""
    (row,) = _grade([_answer("a", "e1", "x" * (runner.LONGEST_CHARS + 1))])
    detail = "1,000,001 characters, and only 1,000,000 are read"
    assert Grade(score=0.0, passed=False, parsed=False, detail=detail) == row.grade


def test_a_lone_surrogate_has_a_hash() -> None:
    """Text that UTF-8 cannot hold is hashed and graded like other text."""
    assert [False] == [row.grade.passed for row in _grade([_answer("a", "e1", "\ud800")])]


def test_an_answer_to_an_unknown_example_is_the_users_error() -> None:
    """Grading with another data set is refused, naming the answer and the example."""
    with pytest.raises(HarnessError, match="answer 'a' is to example 'e9'"):
        _grade([_answer("a", "e9", "yes")])


@pytest.mark.parametrize(
    ("scorer", "options", "complaint", "remedy"),
    [
        ("exakt", {}, "unknown scorer 'exakt'", "did you mean 'exact'"),
        (
            "exact",
            {"ignore_kase": True},
            "scorer 'exact': got an unexpected keyword argument 'ignore_kase'",
            "did you mean 'ignore_case'",
        ),
        ("choice", {}, "scorer 'choice': missing a required", "allowed: field, labels"),
        ("facts", {"x": 1}, "scorer 'facts': got an unexpected keyword argument 'x'", "allowed: (none)"),
        ("json", {}, "unknown scorer 'json'", "allowed: choice, exact, facts, fields, numeric"),
        ("json.decoder", {}, "module 'json.decoder' has no function `scorer`", ""),
    ],
)
def test_scorers_and_options_that_do_not_exist(scorer: str, options: dict[str, Any], complaint: str, remedy: str) -> None:
    """The error comes at the call, before an answer is read, and says what there is."""
    with pytest.raises(HarnessError) as refused:
        runner.grade([], EXAMPLES, scorer, options)
    assert refused.value.what.startswith(complaint)
    assert remedy in str(refused.value.remedy)


def test_check_finds_the_example_that_cannot_be_graded() -> None:
    """Before a run, every example's expected value is tried with an empty answer."""
    score = runner.build("numeric", {})
    runner.check([Example(id="good", inputs={}, expected=1)], score)
    with pytest.raises(HarnessError, match="example 'bad'"):
        runner.check([Example(id="good", inputs={}, expected=1), Example(id="bad", inputs={}, expected="many")], score)


def test_a_third_party_scorer_is_a_module_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dotted name loads a module from anywhere, and a score outside 0..1 is refused, NaN among them."""
    source = "from harness.records import Grade\n\ndef scorer(*, value):\n    return lambda text, example: Grade(value, True)\n"
    (tmp_path / "acme_scorers").mkdir()
    (tmp_path / "acme_scorers" / "fixed.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    answers = [_answer("a", "e1", "yes")]
    assert [0.5] == [row.grade.score for row in runner.grade(answers, EXAMPLES, "acme_scorers.fixed", {"value": 0.5})]
    for value in (1.5, -0.1, float("nan")):
        with pytest.raises(HarnessError, match=r"scorer 'acme_scorers.fixed' gave example 'e1' the score"):
            list(runner.grade(answers, EXAMPLES, "acme_scorers.fixed", {"value": value}))
    monkeypatch.delitem(sys.modules, "acme_scorers.fixed")


def test_the_scorers_that_come_with_the_package() -> None:
    """A scorer is found by the name of its file, and nothing else lies in that folder."""
    assert ["choice", "exact", "facts", "fields", "numeric"] == plugins.names("scorer")
