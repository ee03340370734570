"""The same text, after the normalisation that the options ask for. `expected` is a text, or a list of which any is right."""

import re
import unicodedata

from harness.records import Example, Grade, Scorer
from harness.score import checks

_PUNCTUATION = re.compile(r"[^\w\s]|_")
_WHITESPACE = re.compile(r"\s+")


def scorer(
    *, ignore_case: bool = False, ignore_whitespace: bool = False, ignore_punctuation: bool = False, strip: bool = True
) -> Scorer:
    """Grades 1 for equal texts, else 0. Composed and decomposed letters (Unicode NFC) are the same whatever the options.

    ignore_whitespace    a run of white space counts as one space
    ignore_punctuation   only letters, digits and white space count: signs such as `-` and `%` are left out too
    strip                white space at both ends is left out
    """
    checks.flag("ignore_case", ignore_case)
    checks.flag("ignore_whitespace", ignore_whitespace)
    checks.flag("ignore_punctuation", ignore_punctuation)
    checks.flag("strip", strip)

    def normal(text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        text = text.casefold() if ignore_case else text
        text = _PUNCTUATION.sub("", text) if ignore_punctuation else text
        text = _WHITESPACE.sub(" ", text) if ignore_whitespace else text
        return text.strip() if strip else text

    def grade(text: str, example: Example) -> Grade:
        if normal(text) in map(normal, _expected(example)):
            return Grade(score=1.0, passed=True)
        return Grade(score=0.0, passed=False, detail=f"{checks.shown(text)} instead of {checks.shown(example.expected)}")

    return grade


def _expected(example: Example) -> list[str]:
    """The texts that are right."""
    texts = example.expected if isinstance(example.expected, list) else [example.expected]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise checks.wrong_expected(example, "exact", "a text or a list of texts")
    return texts
