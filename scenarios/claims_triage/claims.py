"""A claim as it really is, drawn before a word of it is written, and the policy that gives its key.

The rule: `key` is the system prompt of scenario.yaml as code. Change both or neither.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

QUEUES = ("existing", "injury", "investigation", "specialist", "fast_track", "standard")
FAST_USD, SPECIALIST_USD = 1_500, 10_000
LATE_DAYS, NEW_DAYS, PRIOR_MONTHS = 30, 60, 12
MARGIN_DAYS = 4  # nothing is drawn closer to a limit of days than this: how to count the first day is no part of the task

_FIRST, _LAST = date(2025, 1, 10), date(2025, 12, 18)

Event = dict[str, Any]  # one entry of events.yaml


@dataclass(frozen=True)
class Money:
    """What is claimed, and the other figures that the wording needs (US dollars, whole)."""

    usd: int
    wording: str
    figures: dict[str, int]
    items: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Claim:
    """`reported` is None unless the event has a claim number already; `prior_months` counts back from the event."""

    event: str
    line: str
    received: date
    reported: date | None
    incident: date
    policy_start: date | None
    money: Money
    hurt: bool
    blamed: bool
    evidence: str
    unreported_crime: bool
    prior_months: int | None
    urgency: str

    @property
    def flags(self) -> list[str]:
        """The fraud flags that are set, in alphabetical order."""
        started = self.policy_start
        held = {
            "late_notice": ((self.reported or self.received) - self.incident).days > LATE_DAYS,
            "new_policy": started is not None and (self.incident - started).days < NEW_DAYS,
            "no_police_report": self.unreported_crime,
            "no_proof": self.evidence == "none",
            "prior_claim": self.prior_months is not None and self.prior_months <= PRIOR_MONTHS,
        }
        return sorted(name for name, set_ in held.items() if set_)

    @property
    def queue(self) -> str:
        """The first rule that applies."""
        rules = (
            ("existing", self.reported is not None),
            ("injury", self.hurt),
            ("investigation", len(self.flags) >= 2),
            ("specialist", self.money.usd > SPECIALIST_USD or self.blamed),
            ("fast_track", self.money.usd <= FAST_USD and not self.flags and self.evidence == "attached"),
        )
        return next((name for name, applies in rules if applies), "standard")

    @property
    def key(self) -> dict[str, Any]:
        """The right answer."""
        return {
            "queue": self.queue,
            "line": self.line,
            "incident_date": self.incident.isoformat(),
            "amount_usd": self.money.usd,
            "urgency": self.urgency,
            "flags": self.flags,
        }


def draw(rng: random.Random, name: str, event: Event) -> Claim:
    """One claim about one event; the flags come about independently of each other."""
    existing = rng.random() < 0.2
    delay = _delay(rng, event.get("slow", 1))
    received = _FIRST + timedelta(days=rng.randint(0, (_LAST - _FIRST).days))
    reported = received - timedelta(days=rng.randint(5, 40)) if existing else None
    incident = (reported or received) - timedelta(days=delay)
    return Claim(
        event=name,
        line=event["line"],
        received=received,
        reported=reported,
        incident=incident,
        policy_start=_policy_start(rng, incident),
        money=_money(rng, event),
        hurt=event["group"] != "still" and rng.random() < 0.3,
        blamed="dispute" in event and delay >= 5 and rng.random() < 0.5,
        evidence=_evidence(rng, event),
        unreported_crime=bool(event.get("crime")) and rng.random() < 0.35,
        prior_months=_prior_months(rng),
        urgency=_urgency(rng, event, fresh=(received - incident).days <= 12),
    )


def _delay(rng: random.Random, least: int) -> int:
    """Days from the event to its first report. Most people write soon."""
    if rng.random() < 0.2:
        return rng.randint(LATE_DAYS + MARGIN_DAYS, 110)
    return rng.randint(least, 9 if least < 9 and rng.random() < 0.5 else LATE_DAYS - MARGIN_DAYS)


def _policy_start(rng: random.Random, incident: date) -> date | None:
    """None is left unsaid; a start that says nothing is still close enough to need counting, half of the time."""
    chance = rng.random()
    if chance < 0.2:
        return None
    if chance < 0.42:
        return incident - timedelta(days=rng.randint(4, NEW_DAYS - MARGIN_DAYS))
    if chance < 0.7:
        return incident - timedelta(days=rng.randint(NEW_DAYS + MARGIN_DAYS, 140))
    return incident - timedelta(days=rng.randint(400, 4_000))


def _prior_months(rng: random.Random) -> int | None:
    chance = rng.random()
    if chance < 0.45:
        return None
    return rng.randint(2, PRIOR_MONTHS - 2) if chance < 0.65 else rng.randint(PRIOR_MONTHS + 2, 60)


def _evidence(rng: random.Random, event: Event) -> str:
    """No proof at all makes sense only where nothing is left that could be photographed."""
    gone = event["cost"] == "replace" and bool(event.get("crime"))
    return rng.choices(("attached", "later", "none"), weights=(55, 25, 35 if gone else 0))[0]


def _urgency(rng: random.Random, event: Event, *, fresh: bool) -> str:
    high = 90 if fresh and "high" in event else 0
    return rng.choices(("high", "low", "normal"), weights=(high, 25, 40))[0]


def _money(rng: random.Random, event: Event) -> Money:
    if "items" in event and rng.random() < 0.6:
        chosen = rng.sample(event["items"], rng.choice((2, 2, 3)))
        items = tuple((name, rng.randint(low // 5, high // 5) * 5) for name, low, high in chosen)
        return Money(usd=sum(price for _, price in items), wording="list", figures={}, items=items)
    usd = _amount(rng, *event["usd"])
    wording = rng.choice(_WORDINGS[event["cost"]])
    return Money(usd=usd, wording=wording, figures=_figures(rng, wording, usd))


_WORDINGS = {
    "repair": ("single", "single", "corrected", "quotes"),
    "replace": ("single", "old_price", "corrected"),
    "expense": ("single", "net", "net", "corrected"),
}


def _amount(rng: random.Random, low: int, high: int) -> int:
    """Log-uniform, because small losses are frequent; mostly a round figure, as people and tradesmen give it."""
    usd = low * (high / low) ** rng.random()
    step = rng.choice((1, 5, 10, 50))
    return max(low, round(usd / step) * step)


def _figures(rng: random.Random, wording: str, usd: int) -> dict[str, int]:
    if wording == "net":
        refund = round(usd * rng.uniform(0.15, 0.8) / 10) * 10 + 10
        return {"gross": usd + refund, "refund": refund}
    factor = rng.uniform(0.55, 0.9) if wording == "quotes" else rng.choice((rng.uniform(0.5, 0.9), rng.uniform(1.1, 1.7)))
    other = round(usd * factor / 10) * 10
    return {"old" if wording == "old_price" else "before": other + 10 if other == usd else other}
