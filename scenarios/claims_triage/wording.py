"""A claim put into sentences.

The rule: only what `claims.Claim` holds is said, each fact by a sentence of its own; order, voice and noise are free.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from claims import Claim
from spelling import ago, day, dollars, long_day, month_before, short_day

Material = dict[str, Any]  # the YAML files of this folder, by name
Voice = Literal["own", "notes"]

_TYPO_LETTERS = 7  # shorter words are left alone: a slip in `not` would change the key
_SEEN_AT_ONCE = 3  # days within which nobody speaks of having found something late


@dataclass(frozen=True)
class Household:
    """Who writes. Its messages are one cluster: the same hand, the same habits, the same car."""

    id: str
    surname: str
    members: tuple[str, ...]
    town: str
    street: str
    car: str
    channel: str
    slips: float


@dataclass(frozen=True)
class Said:
    """A sentence and the fact it is about."""

    fact: str
    text: str


def sentences(
    rng: random.Random, claim: Claim, household: Household, material: Material, voice: Voice, *, posted: bool
) -> list[Said]:
    """The account first, then the facts in any order. Who posts a letter does not write `yesterday`."""
    wrong = _wrong_day(rng, claim)
    facts = [(fact, lists) for fact, lists, chance in _facts(rng, claim, material, wrong) if rng.random() < chance]
    rng.shuffle(facts)
    slots = {
        **_days(rng, claim, wrong, voice, relative=voice == "own" and not posted),
        **_figures(rng, claim),
        **_names(rng, claim, household, material),
    }
    return [
        Said(fact, rng.choice(lists[voice]).format_map(slots))
        for fact, lists in [("story", material["accounts"][claim.event]), *facts]
    ]


def with_slips(rng: random.Random, text: str, rate: float) -> str:
    """Typing slips in that share of the long lower-case words; figures, names and short words stay as they are."""
    words = text.split(" ")
    for place, word in enumerate(words):
        if len(word) >= _TYPO_LETTERS and word.isalpha() and word.islower() and rng.random() < rate:
            cut = rng.randint(1, len(word) - 3)
            pair = word[cut + 1] + word[cut] if rng.random() < 0.6 else word[cut]
            words[place] = word[:cut] + pair + word[cut + 2 :]
    return " ".join(words)


def _facts(rng: random.Random, claim: Claim, material: Material, wrong: date | None) -> list[tuple[str, Material, float]]:
    """Each fact with its lists of sentences and the chance that it is said at all: 1 where the key depends on it."""
    event, phrases, people = material["events"][claim.event], material["phrases"], material["people"]
    late_seen = wrong is None and event.get("unseen") and (claim.received - claim.incident).days > _SEEN_AT_ONCE
    dispute = phrases["dispute"].get(event.get("dispute"), {"clear": {}})
    return [
        ("amount", material["money"][event["cost"]][claim.money.wording], 1),
        ("injury", people["injury"][event["group"]]["hurt" if claim.hurt else "unhurt"], 1 if claim.hurt else 0.75),
        ("police", phrases["police"]["unreported" if claim.unreported_crime else "reported"], 1 if event.get("crime") else 0),
        ("policy", phrases["policy"], 1 if claim.policy_start else 0),
        ("existing", phrases["existing"]["open" if claim.reported else "fresh"], 1 if claim.reported else 0.6),
        ("evidence", phrases["evidence"][claim.evidence], 1),
        ("urgency", _urgency(rng, claim, event, people["urgency"]), 0.7 if claim.urgency == "normal" else 1),
        ("prior", phrases["prior"]["recent" if "prior_claim" in claim.flags else "old"], 1 if claim.prior_months else 0),
        ("dispute", dispute["blamed" if claim.blamed else "clear"], 1 if claim.blamed else 0.5 * ("dispute" in event)),
        ("found", phrases["found"], 0.6 if late_seen else 0),
        ("wrong_date", phrases["wrong_date"], 1 if wrong else 0),
        ("filler", phrases["filler"], 0.85),
    ]


def _urgency(rng: random.Random, claim: Claim, event: Material, lists: Material) -> Any:
    """Normal is either a calm word about the situation or a loud one without a reason."""
    if claim.urgency == "low":
        return lists["low"]
    situation = lists.get(event.get("high"))
    if claim.urgency == "high":
        return situation["high"]
    return situation["normal"] if situation and rng.random() < 0.5 else lists["tone"]


def _wrong_day(rng: random.Random, claim: Claim) -> date | None:
    """A day that is named first and taken back; in three messages of ten."""
    if rng.random() >= 0.3:
        return None
    which = claim.incident + timedelta(days=rng.choice((-9, -7, -3, -2, -1, 1, 2)))
    return which if which < (claim.reported or claim.received) else claim.incident - timedelta(days=1)


def _days(rng: random.Random, claim: Claim, wrong: date | None, voice: Voice, *, relative: bool) -> dict[str, str]:
    """The days by slot. A day that there is none of is empty, and its sentence is not said."""
    spelled = day if voice == "own" else short_day
    since = (claim.received - claim.incident).days
    found = claim.incident + timedelta(days=rng.randint(1, max(1, since - 1)))
    days = {"right": claim.incident, "wrong": wrong, "found": found, "reported": claim.reported}
    counted = ago(since) if relative and wrong is None and rng.random() < 0.6 else None
    when = counted or f"on {spelled(rng, wrong or claim.incident, claim.received)}"
    return {
        **{name: spelled(rng, which, claim.received) if which else "" for name, which in days.items()},
        "when": when,
        "When": when[0].upper() + when[1:],
        "start": long_day(claim.policy_start) if claim.policy_start else "",
        "month": month_before(claim.incident, claim.prior_months) if claim.prior_months else "",
        "other_month": rng.choice(("January", "April", "June", "September", "November")),
    }


def _figures(rng: random.Random, claim: Claim) -> dict[str, str]:
    """The amounts by slot, and the single prices as a list whose sum is left to the reader."""
    amounts = {"amount": claim.money.usd, "premium": rng.randint(24, 190), "deductible": rng.choice((100, 150, 250, 300, 500))}
    priced = [rng.choice(("{} at {}", "{} ({})")).format(name, dollars(rng, usd)) for name, usd in claim.money.items]
    listed = ", ".join(priced[:-1]) + f" and {priced[-1]}" if priced else ""
    return {name: dollars(rng, usd) for name, usd in (amounts | claim.money.figures).items()} | {"list": listed}


def _names(rng: random.Random, claim: Claim, household: Household, material: Material) -> dict[str, str]:
    trade = material["events"][claim.event].get("trade", "")
    return {
        "trade": trade,
        "Trade": trade[:1].upper() + trade[1:],
        "ref": f"CL-{rng.randint(20_000, 99_999)}",
        "number": f"{rng.choice('ABKPT')}{rng.randint(100, 999)}/{rng.randint(1_000, 9_999)}",
        "other": rng.choice(material["channels"]["other_claims"]),
        "car": household.car,
        "town": household.town,
        "Town": household.town,
        "street": household.street,
    }
