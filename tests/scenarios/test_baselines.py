"""The bundled sets cannot be done without reading: what counts words or takes the first number stays at 60 % or below."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import baselines
import pytest
from bundled_sets import NAMES, BundledSet, read, text

from harness.records import Example

MOST = 0.60
FLAGS = ("late_notice", "new_policy", "no_police_report", "no_proof", "prior_claim")
JURISDICTIONS = (
    "New York", "Delaware", "California", "Ontario", "England and Wales", "Scotland", "Ireland", "Singapore", "Switzerland",
    "Netherlands", "Denmark", "New South Wales",
)  # fmt: skip

Answer = Callable[[str], str]


def halves(examples: Sequence[Example]) -> Iterator[tuple[Sequence[Example], Sequence[Example]]]:
    """Learn from every other example and answer the rest; then the other way round."""
    yield examples[::2], examples[1::2]
    yield examples[1::2], examples[::2]


def pass_rate(known: BundledSet, learn: Callable[[Sequence[Example]], Answer]) -> float:
    """Share of all examples that pass when each is answered by what was learned from the other half."""
    passed = 0
    for seen, unseen in halves(known.examples):
        answer = learn(seen)
        passed += sum(known.scorer(answer(text(each)), each).passed for each in unseen)
    return passed / len(known.examples)


def label_accuracy(examples: Sequence[Example], field: str, learn: Callable[[Sequence[str], Sequence[str]], Answer]) -> float:
    """Share of all examples whose field is named right, learned from the other half."""
    right = 0
    for seen, unseen in halves(examples):
        answer = learn([text(each) for each in seen], [each.expected[field] for each in seen])
        right += sum(answer(text(each)) == each.expected[field] for each in unseen)
    return right / len(examples)


def always_the_most_frequent(texts: Sequence[str], labels: Sequence[str]) -> Answer:
    label = baselines.majority(labels)
    return lambda _: label


def words_and_first_figures(seen: Sequence[Example]) -> Answer:
    """Claims: naive Bayes for the classes and each flag, the first date and the first amount."""
    texts = [text(each) for each in seen]
    classes = {
        name: baselines.naive_bayes(texts, [each.expected[name] for each in seen]) for name in ("queue", "line", "urgency")
    }
    flags = {flag: baselines.naive_bayes(texts, [str(flag in each.expected["flags"]) for each in seen]) for flag in FLAGS}

    def answer(message: str) -> str:
        fields: dict[str, Any] = {name: classify(message) for name, classify in classes.items()}
        fields["incident_date"] = baselines.first_date(message)
        fields["amount_usd"] = next(iter(baselines.amounts(message)), None)
        fields["flags"] = [flag for flag, classify in flags.items() if classify(message) == "True"]
        return json.dumps(fields)

    return answer


def first_figures(seen: Sequence[Example]) -> Answer:
    """Contracts: whatever of each kind comes first in the text."""
    companies = sorted({name for each in seen for name in (each.expected["buyer"], each.expected["supplier"])})

    def answer(contract: str) -> str:
        return json.dumps(
            {
                "buyer": baselines.first_named(companies, contract),
                "supplier": baselines.first_named(companies[::-1], contract),
                "effective_date": baselines.first_date(contract),
                "term_months": baselines.first_number(r"([0-9]+)\)? months", contract),
                "renewal_notice_days": baselines.first_number(r"([0-9]+)\)? days", contract),
                "payment_days": baselines.first_number(r"([0-9]+)\)? days (?:of|after)", contract),
                "liability_cap_usd": next(iter(baselines.amounts(contract)), None),
                "governing_law": baselines.first_named(JURISDICTIONS, contract),
                "availability_pct": baselines.first_number(r"([0-9]+\.[0-9]+) %", contract),
                "termination_notice_days": baselines.first_number(r"([0-9]+)\)? days' notice", contract),
            }
        )

    return answer


@pytest.mark.parametrize("name", NAMES)
def test_the_most_frequent_answer_is_mostly_wrong(name: str) -> None:
    """One and the same answer to everything passes for at most 60 %."""

    def learn(seen: Sequence[Example]) -> Answer:
        return always_the_most_frequent([], [each.reference or "" for each in seen])

    assert pass_rate(read(name), learn) <= MOST


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_to_the_most_similar_text_is_mostly_wrong(name: str) -> None:
    """Looking up the text that shares most words, and giving its answer, passes for at most 60 %."""

    def learn(seen: Sequence[Example]) -> Answer:
        answers = {text(each): each.reference or "" for each in seen}
        return lambda asked: baselines.nearest(asked, answers)

    known = read(name)
    few = BundledSet(known.folder, known.scenario, known.examples[:80], known.scorer)
    assert pass_rate(few, learn) <= MOST


@pytest.mark.parametrize(("name", "field"), [("claims_triage", "queue"), ("procurement_contracts", "governing_law")])
@pytest.mark.parametrize("learn", [always_the_most_frequent, baselines.naive_bayes])
def test_the_main_label_does_not_follow_from_words(
    name: str, field: str, learn: Callable[[Sequence[str], Sequence[str]], Answer]
) -> None:
    """The most frequent label, and naive Bayes over words and word pairs, name the main label right in at most 60 %."""
    assert label_accuracy(read(name).examples, field, learn) <= MOST


@pytest.mark.parametrize("before", ["", "law of "])
def test_the_first_jurisdiction_is_mostly_not_the_law(before: str) -> None:
    """The first jurisdiction that a contract names, or that follows `law of`, is its governing law in at most 60 %."""
    examples = read("procurement_contracts").examples
    named = [before + name for name in JURISDICTIONS]
    right = [
        baselines.first_named(named, text(each).replace("the ", "")) == before + each.expected["governing_law"]
        for each in examples
    ]
    assert sum(right) / len(right) <= MOST


def test_words_and_first_figures_do_not_triage() -> None:
    """Learned words for the classes with the first date and amount pass for at most 60 % of the claims."""
    assert pass_rate(read("claims_triage"), words_and_first_figures) <= MOST


def test_first_figures_do_not_extract() -> None:
    """The first date, sum, period, percentage and name pass for at most 60 % of the contracts."""
    assert pass_rate(read("procurement_contracts"), first_figures) <= MOST


@pytest.mark.parametrize(
    "summarize",
    [lambda said: baselines.lead(said, 120), baselines.sentences_with_figures, lambda said: said],
    ids=["lead", "sentences with figures", "whole transcript"],
)
def test_copying_is_no_summary(summarize: Answer) -> None:
    """The first 120 words, all sentences with figures, and the whole transcript pass for at most 60 % of the visits."""
    assert pass_rate(read("clinical_notes"), lambda _: summarize) <= MOST


def test_the_baselines_do_what_they_are_for() -> None:
    """On texts that words or first figures give away, each baseline is right."""
    classify = baselines.naive_bayes(["red hot fire", "a fire", "cold ice", "the ice"], ["warm", "warm", "cold", "cold"])
    assert ["warm", "cold"] == [classify("fire here"), classify("ice here")]
    assert "b" == baselines.majority(["a", "b", "b"])
    assert "2025-03-04" == baselines.first_date("On March 4, 2025, not 2024-01-01")
    assert [1200, 30] == baselines.amounts("Costs $1,200.00, of which 30 dollars are tax")
    assert 30.0 == baselines.first_number(r"([0-9]+)\)? days", "thirty (30) days, then 60 days")
    assert "Ontario" == baselines.first_named(JURISDICTIONS, "in Ontario and Ireland")
    assert "A 1. C 2?" == baselines.sentences_with_figures("A 1. B. C 2?")
    assert "two" == baselines.nearest("the cat sat", {"a dog ran": "one", "the cat ran": "two"})
