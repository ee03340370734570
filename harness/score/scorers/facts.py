"""What a text must say and must not say: `expected` is {"must": [...], "must_not": [...]}.

Each fact is a text, or a list of texts of which any will do.

The rule: a fact is present when its words follow one another in the answer, whatever the case, the punctuation and the spelling
of numbers and units (5 mg = 5.0mg = 0.005 g). Nothing is understood: "no fracture" says "fracture", so a fact carries its own
negation.
"""

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from harness.records import Example, Grade, Scorer
from harness.score import checks
from harness.score.quantity import Quantity, find

_WORD = re.compile(r"\w+(?:[+#]+(?!\w)|-(?![\w-]))?")  # a sign that ends a word belongs to it: C++, O-
_NEEDED = '{"must": [...], "must_not": [...]} with one fact or more, each a text or a list of alternative texts'
_Fact = str | list[str]


@dataclass(frozen=True, slots=True)
class _Wording:
    """The words of a text between spaces, with a quantity as one word in base units (converted) or as it stands (written)."""

    converted: str
    written: str
    has_units: bool


def scorer() -> Scorer:
    """Score: the share of the `must` facts that are present (1 where there are none). Passed: all of them, and no `must_not`.

    A fact whose numbers have no unit is also found where the answer has one: 120/80 in 120/80 mmHg.
    """

    def grade(text: str, example: Example) -> Grade:
        must, must_not = _facts(example, "must"), _facts(example, "must_not")
        if not must and not must_not:
            raise checks.wrong_expected(example, "facts", _NEEDED)
        said = _wording(text)
        missing = [fact for fact in must if not _present(fact, said)]
        unwanted = [fact for fact in must_not if _present(fact, said)]
        faults = [f"{word} {checks.shown(facts)}" for word, facts in (("missing", missing), ("present", unwanted)) if facts]
        score = 1 - len(missing) / len(must) if must else 1.0
        return Grade(score=score, passed=not faults, detail="; ".join(faults) or None)

    return grade


def _facts(example: Example, kind: str) -> list[_Fact]:
    """The facts of one kind; HarnessError where they are not what this scorer needs."""
    expected = example.expected
    facts = expected.get(kind, []) if isinstance(expected, dict) and expected.keys() <= {"must", "must_not"} else None
    if not isinstance(facts, list) or not all(_usable(fact) for fact in facts):
        raise checks.wrong_expected(example, "facts", _NEEDED)
    return facts


def _usable(fact: Any) -> bool:
    """A text with a word in it, or a list of such texts."""
    alternatives = fact if isinstance(fact, list) else [fact]
    return bool(alternatives) and all(isinstance(text, str) and _WORD.search(text) for text in alternatives)


def _present(fact: _Fact, said: _Wording) -> bool:
    return any(_says(said, _fact_wording(text)) for text in (fact if isinstance(fact, list) else [fact]))


def _says(said: _Wording, fact: _Wording) -> bool:
    return fact.converted in said.converted or (not fact.has_units and fact.written in said.written)


def _wording(text: str) -> _Wording:
    converted_words: list[str] = []
    written_words: list[str] = []
    end, has_units = 0, False
    for quantity in find(text):
        before = _words(text[end : quantity.start])
        written = _as_written(text, quantity)
        converted_words += before + (_in_base_unit(quantity) or written)
        written_words += before + written
        end, has_units = quantity.end, has_units or quantity.unit is not None
    after = _words(text[end:])
    return _Wording(_spaced(converted_words + after), _spaced(written_words + after), has_units)


_fact_wording = functools.lru_cache(maxsize=10_000)(_wording)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _spaced(words: list[str]) -> str:
    """Between spaces, so that what is looked up in it begins and ends at a word."""
    return f" {' '.join(words)} "


def _as_written(text: str, quantity: Quantity) -> list[str]:
    """The number in its shortest spelling, as it stands where it cannot be read, with the words of its unit."""
    digits = text[quantity.number_start : quantity.number_end].replace(" ", "")
    number = digits if quantity.number is None else str(quantity.number.normalize())
    return [*_words(text[quantity.start : quantity.number_start]), number, *_words(text[quantity.number_end : quantity.end])]


def _in_base_unit(quantity: Quantity) -> list[str]:
    """A number with a unit as one word in the base unit of its dimension; nothing for any other quantity."""
    if quantity.number is None or quantity.unit is None:
        return []
    return [f"{quantity.unit.in_base(quantity.number).normalize()}{quantity.unit.dimension}"]
