"""The keys of the bundled sets: the rules that give them on known cases, and their figures found again in the texts."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations
from types import ModuleType
from typing import Any

import baselines
import pytest
from bundled_sets import read, text

from harness.records import Example

AGO = ("yesterday", "two days ago", "three days ago", "four days ago", "five days ago", "six days ago", "a week ago")


def material(scenario: str, module: str) -> ModuleType:
    """A module beside a generator, under a name of its own, because such folders are not packages."""
    path = read(scenario).folder / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"{scenario}_{module}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def plain_claim() -> Any:
    """A claim of 1,500 dollars with documents, reported two days after it happened, to which no other rule applies."""
    claims = material("claims_triage", "claims")
    return claims.Claim(
        event="hail",
        line="motor",
        received=date(2025, 6, 12),
        reported=None,
        incident=date(2025, 6, 10),
        policy_start=date(2020, 1, 1),
        money=claims.Money(usd=1_500, wording="single", figures={}),
        hurt=False,
        blamed=False,
        evidence="attached",
        unreported_crime=False,
        prior_months=None,
        urgency="normal",
    )


@pytest.mark.parametrize(
    ("changes", "queue", "flags"),
    [
        ({}, "fast_track", []),
        ({"evidence": "later"}, "standard", []),
        ({"usd": 1_501}, "standard", []),
        ({"usd": 10_000}, "standard", []),
        ({"usd": 10_001}, "specialist", []),
        ({"blamed": True}, "specialist", []),
        ({"received": date(2025, 7, 10)}, "fast_track", []),
        ({"received": date(2025, 7, 11)}, "standard", ["late_notice"]),
        ({"received": date(2025, 7, 11), "reported": date(2025, 7, 10)}, "existing", []),
        ({"policy_start": date(2025, 4, 12)}, "standard", ["new_policy"]),
        ({"policy_start": date(2025, 4, 11)}, "fast_track", []),
        ({"prior_months": 13}, "fast_track", []),
        ({"prior_months": 3, "unreported_crime": True}, "investigation", ["no_police_report", "prior_claim"]),
        ({"prior_months": 3, "evidence": "none", "hurt": True}, "injury", ["no_proof", "prior_claim"]),
        ({"hurt": True, "usd": 50_000, "reported": date(2025, 6, 11)}, "existing", []),
    ],
)
def test_claims_go_by_the_written_rules(plain_claim: Any, changes: dict[str, Any], queue: str, flags: list[str]) -> None:
    """The first rule of the system prompt that applies names the queue; each flag follows its own definition."""
    changes = dict(changes)
    money = replace(plain_claim.money, usd=changes.pop("usd", 1_500))
    claim = replace(plain_claim, money=money, **changes)
    assert (queue, flags) == (claim.queue, claim.flags)


@pytest.mark.parametrize(("cap", "usd"), [("fixed", 70_000), ("percent", 90_000), ("greater", 90_000), ("multiple", 60_000)])
def test_a_cap_is_worked_out_from_the_charges(cap: str, usd: int) -> None:
    """A fixed sum of 70,000, 75 % of 12 x 10,000, the greater of the two, and six months' charges."""
    terms = material("procurement_contracts", "contracts").Terms(
        buyer="B",
        supplier="S",
        term_months=12,
        renewal_days=None,
        monthly_usd=10_000,
        payment_days=30,
        cap=cap,
        cap_usd=70_000,
        share=75,
        times=6,
        law="Ontario",
        availability=None,
        termination_days=None,
    )
    assert usd == terms.liability_usd


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 11, 15), 2, date(2024, 1, 15)),
        (date(2023, 12, 1), 24, date(2025, 12, 1)),
    ],
)
def test_months_are_calendar_months(day: date, months: int, later: date) -> None:
    """The same day of a later month, or its last day."""
    assert later == material("procurement_contracts", "contracts").add_months(day, months)


def day_forms(day: date, example: Example) -> Iterator[str]:
    """How a message can write a day: in words, in figures, or counted from the day of receipt."""
    yield from (f"{day:%B} {day.day}", f"{day.day} {day:%B}", f"{day.day} {day:%b}", f"{day:%m/%d/%Y}")
    yield from (f"{day.day}{ending} of {day:%B}" for ending in ("st", "nd", "rd", "th"))
    received = baselines.first_date(text(example))
    if received and 1 <= (days := (date.fromisoformat(received) - day).days) <= len(AGO):
        yield AGO[days - 1]


def test_the_day_of_every_claim_is_in_its_message() -> None:
    """A reader can find the expected day, in some spelling."""
    for example in read("claims_triage").examples:
        day = date.fromisoformat(example.expected["incident_date"])
        message = text(example).casefold()
        assert any(form.casefold() in message for form in day_forms(day, example)), example.id


def test_the_amount_of_every_claim_is_in_its_message() -> None:
    """It is a figure of the text, the sum of two or three, or what is left of one after another."""
    for example in read("claims_triage").examples:
        figures = baselines.amounts(text(example))
        sums = {sum(some) for n in (1, 2, 3) for some in combinations(figures, n)}
        rests = {gross - refund for gross in figures for refund in figures}
        assert example.expected["amount_usd"] in sums | rests, example.id


def test_what_must_stay_out_of_a_note_is_in_its_transcript() -> None:
    """Each trap is set: what was offered in vain and what a relative has are both said."""
    for example in read("clinical_notes").examples:
        refused, illness = example.expected["must_not"][:2]
        said = text(example).casefold()
        assert refused.casefold() in said, example.id
        assert illness[-1].casefold() in said, example.id


def test_the_findings_of_a_note_are_in_its_transcript() -> None:
    """A measured value stands in the transcript as the key has it."""
    for example in read("clinical_notes").examples:
        measured = [fact[0] for fact in example.expected["must"] if re.fullmatch(r"[0-9./]+( (%|°C|kg|bpm))?", fact[0])]
        assert [] == [value for value in measured if value not in text(example)], example.id


def test_the_terms_of_every_contract_are_in_its_text() -> None:
    """Parties and law are named, and the day on which it starts follows from a date of the text."""
    for example in read("procurement_contracts").examples:
        expected, contract = example.expected, text(example)
        assert [] == [expected[name] for name in ("buyer", "supplier", "governing_law") if expected[name] not in contract]
        start = date.fromisoformat(expected["effective_date"])
        last_days = [start - timedelta(days=days) for days in range(1, 32)] if start.day == 1 else []
        assert any(f"{day:%B} {day.day}, {day.year}" in contract for day in (start, *last_days)), example.id
