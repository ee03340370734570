"""One label out of a list, found in whatever the model says around it. `expected` is one of the labels.

The rule: the first of these that applies decides, and what it leaves open is unparsed, never a guess. The whole answer is a
label; a JSON object has the field; the last line is a label; there are statements such as `Category: X` or `the answer is X`,
of which the last counts; a single label is mentioned, and not after a negation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError
from harness.records import Example, Grade, Scorer
from harness.score import checks
from harness.score.json_answer import last_object

_STATEMENT = re.compile(
    r"(?:(?<!/)\b(?:answer|label|category|class|classification|choice)\b[\"'*_]*\s*(?:(?P<is>is\b)|[:=>])|\\boxed\s*\{)\s*"
    r"(?P<rest>[^\n]*)",
    re.IGNORECASE,
)
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
_MARKUP = " \t\r\n*_`\"'\u201c\u201d\u2018\u2019()[]{}<>.,:;!#$\\-"
_OFFER = re.compile(r"[\s*_`\"')\]]*(?:or|and|[/,&|;])[\s*_`\"'(\[]*", re.IGNORECASE)
_NEGATION = re.compile(
    r"(?:\b(?:not|no|non|never|neither|nor|without|except|cannot|than|instead of)\b|n['\u2019]t\b)[^.;\n]*\Z", re.IGNORECASE
)
_NEGATION_CHARS = 60  # before a mention in which a negation is looked for
_BEFORE, _AFTER = r"(?<!\w)(?<!\w-)(?<![0-9][.,])", r"(?!\w)(?!-\w)(?![.,][0-9])"
_NO_ARTICLE = r"(?!['\u2019])(?!\s+(?!(?:is|because|since|as|or|and)\b)[A-Za-z])"  # `A dog` and `I think` name no label


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels by their normal form, and the pattern of a mention."""

    by_key: dict[str, str]
    mention: re.Pattern[str]

    def alone(self, text: Any) -> str | None:
        """The label that a text is, but for markup around it."""
        return self.by_key.get(_key(text.strip(_MARKUP))) if isinstance(text, str) else None

    def named(self, mention: re.Match[str]) -> str:
        return self.by_key[_key(mention[0])]


def scorer(*, labels: Sequence[str], field: str = "label") -> Scorer:
    """Grades 1 for the label of `expected`, else 0. Case, and space, hyphen or underscore between words, make no difference.

    labels   all that are allowed, two at least
    field    where a JSON answer has its label
    """
    words = _labels(labels)
    if not isinstance(field, str):
        raise HarnessError(f"{checks.shown(field)} is no field name", where="grading.options.field", remedy="write a text")

    def grade(text: str, example: Example) -> Grade:
        wanted = words.by_key.get(_key(example.expected)) if isinstance(example.expected, str) else None
        if wanted is None:
            raise checks.wrong_expected(example, "choice", f"one of the labels: {', '.join(words.by_key.values())}")
        label = _read(_LATEX_TEXT.sub(r"\1", text), field, words)
        if label is None:
            return Grade(score=0.0, passed=False, parsed=False, detail=f"no single label in {checks.shown(text)}")
        if label != wanted:
            return Grade(score=0.0, passed=False, detail=f"{label!r} instead of {wanted!r}")
        return Grade(score=1.0, passed=True)

    return grade


def _labels(labels: Any) -> _Labels:
    """The vocabulary of the option `labels`; HarnessError where one label could be taken for another."""
    listed = list(labels) if isinstance(labels, (list, tuple)) else []
    by_key = {_key(label): label for label in listed if isinstance(label, str)}
    if len(by_key) < max(2, len(listed)) or "" in by_key:
        remedy = "list two texts or more that differ in more than case, spaces, hyphens and underscores"
        raise HarnessError(f"{checks.shown(labels)} are no labels", where="grading.options.labels", remedy=remedy)
    mentions = "|".join(map(_mention, sorted(listed, key=len, reverse=True)))
    return _Labels(by_key, re.compile(f"{_BEFORE}(?:{mentions}){_AFTER}"))


def _key(text: str) -> str:
    """A label's normal form."""
    return " ".join(re.split(r"[\s_-]+", text.casefold().strip(" _-")))


def _mention(label: str) -> str:
    """A mention of one label. Single letters count only as they are written, and only where they are no word of a sentence."""
    if len(label) == 1:
        return re.escape(label) + (_NO_ARTICLE if label in "AI" else "")
    return "(?i:" + r"[\s_-]{1,3}".join(map(re.escape, re.split(r"[\s_-]+", label.strip(" _-")))) + ")"


def _read(text: str, field: str, words: _Labels) -> str | None:
    """The label that the answer settles on, by the rule of this file."""
    if label := words.alone(text):
        return label
    reply = last_object(text)
    if reply is not None and field in reply:
        return words.alone(reply[field])
    if label := words.alone(text.rstrip().rpartition("\n")[2]):
        return label
    for statement in reversed(list(_STATEMENT.finditer(text))):
        if not statement["is"] or words.mention.search(statement["rest"]):
            return _stated(statement["rest"], words)
    return _mentioned(text, words)


def _stated(rest: str, words: _Labels) -> str | None:
    """The label that a statement begins with, unless it offers another beside it; else the only label it mentions."""
    if label := words.alone(rest):
        return label
    mentions = list(words.mention.finditer(rest))
    if not mentions or rest[: mentions[0].start()].strip(_MARKUP):
        return _mentioned(rest, words)
    offered = len(mentions) > 1 and _OFFER.fullmatch(rest, mentions[0].end(), mentions[1].start())
    return None if offered else words.named(mentions[0])


def _mentioned(text: str, words: _Labels) -> str | None:
    """The only label that a text mentions, unless it is negated."""
    mentions = list(words.mention.finditer(text))
    named = {words.named(mention) for mention in mentions}
    negated = any(_NEGATION.search(text, max(0, found.start() - _NEGATION_CHARS), found.start()) for found in mentions)
    return None if negated or len(named) != 1 else named.pop()
