"""Grades the answers of a run, each distinct answer to an example once.

The rule: a grade depends on the text alone, so it belongs to (example, hash of the text) and serves every attempt that gave it.
"""

import hashlib
import inspect
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from harness import plugins
from harness.errors import HarnessError, nearest
from harness.records import Answer, Example, Grade, GradeRow, Scorer

LONGEST_CHARS = 1_000_000  # a longer answer is not read


def build(name: str, options: Mapping[str, Any]) -> Scorer:
    """The scorer of that name; HarnessError for an option that it does not have, lacks, or cannot use."""
    make = getattr(plugins.load("scorer", name), "scorer", None)
    if make is None:
        raise HarnessError(f"module {name!r} has no function `scorer`", where="grading.scorer")
    signature = inspect.signature(make)
    try:
        signature.bind(**options)
    except TypeError as mismatch:
        unknown = next((option for option in options if option not in signature.parameters), "")
        remedy = nearest(unknown, signature.parameters)
        raise HarnessError(f"scorer {name!r}: {mismatch}", where="grading.options", remedy=remedy) from mismatch
    scorer: Scorer = make(**options)
    return scorer


def check(examples: Iterable[Example], scorer: Scorer) -> None:
    """Raises the HarnessError of the first example whose `expected` the scorer cannot use: free of charge before a run."""
    for example in examples:
        scorer("", example)


def grade(
    answers: Iterable[Answer],
    examples: Mapping[str, Example],
    scorer_name: str,
    options: Mapping[str, Any],
    known: Container[tuple[str, str]] = (),
) -> Iterator[GradeRow]:
    """The grades of all answers, lazily, but of those whose (example, hash) is known already or came before.

    Raises HarnessError for a scorer, an option or an example that cannot be used.
    """
    scorer = build(scorer_name, options)
    return _rows(answers, examples, scorer_name, scorer, known)


def answer_sha256(text: str) -> str:
    """The hash that names an answer: SHA-256 of its UTF-8 bytes, in hex. A lone surrogate is hashed as it is."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _rows(
    answers: Iterable[Answer],
    examples: Mapping[str, Example],
    scorer_name: str,
    scorer: Scorer,
    known: Container[tuple[str, str]],
) -> Iterator[GradeRow]:
    seen: set[tuple[str, str]] = set()
    for answer in answers:
        key = (answer.example, answer_sha256(answer.text))
        if key in seen or key in known:
            continue
        seen.add(key)
        if answer.example not in examples:
            what = f"answer {answer.id!r} is to example {answer.example!r}, which the data set does not have"
            raise HarnessError(what, remedy="grade with the data set that the run was made with")
        yield GradeRow(*key, scorer_name, _grade(answer.text, examples[answer.example], scorer_name, scorer))


def _grade(text: str, example: Example, scorer_name: str, scorer: Scorer) -> Grade:
    if len(text) > LONGEST_CHARS:
        detail = f"{len(text):,} characters, and only {LONGEST_CHARS:,} are read"
        return Grade(score=0.0, passed=False, parsed=False, detail=detail)
    graded = scorer(text, example)
    if not 0 <= graded.score <= 1:
        what = f"scorer {scorer_name!r} gave example {example.id!r} the score {graded.score!r}"
        raise HarnessError(what, where="grading.scorer", remedy="a score is from 0 to 1")
    return graded
