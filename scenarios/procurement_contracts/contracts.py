"""A contract as the parties mean it, drawn before a clause of it is written: terms, changes, and drafts that came to nothing.

The rule: `Contract.key` applies special conditions first and signed amendments in their order; drafts change nothing.
"""

import calendar
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

_DAYS = (10, 14, 20, 21, 28, 30, 35, 40, 42, 45, 50, 60, 75, 90)
_NOTICE_DAYS = (30, 45, 60, 75, 90, 100, 120, 150, 180)
_TERMS = (12, 18, 24, 30, 36, 42, 48, 54, 60, 72)
_AVAILABILITIES = ("98.5", "99.0", "99.2", "99.5", "99.7", "99.8", "99.9", "99.95", "99.99")
_SHARES = (50, 75, 100, 120, 125, 150, 200, 250)
_MONTHLY_USD = range(2_000, 45_001, 500)


@dataclass(frozen=True)
class Terms:
    """What is agreed at one moment. None: there is no automatic renewal, no commitment, no such right.

    cap  fixed (`cap_usd`), percent (`share` of the annual charges), greater (of `cap_usd` and that), multiple (`times` a month)
    """

    buyer: str
    supplier: str
    term_months: int
    renewal_days: int | None
    monthly_usd: int
    payment_days: int
    cap: str
    cap_usd: int
    share: int
    times: int
    law: str
    availability: str | None
    termination_days: int | None

    @property
    def annual_usd(self) -> int:
        return 12 * self.monthly_usd

    @property
    def liability_usd(self) -> int:
        """The limit in figures."""
        by_share = self.annual_usd * self.share // 100
        return {
            "fixed": self.cap_usd,
            "percent": by_share,
            "greater": max(self.cap_usd, by_share),
            "multiple": self.times * self.monthly_usd,
        }[self.cap]


@dataclass(frozen=True)
class Change:
    """One term that an instrument replaces: `field` is a list of `override` in clauses.yaml, `old` and `new` whole values."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Instrument:
    """`kind` is special, amendment or draft; `day` is when it was signed or sent."""

    kind: str
    day: date
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Contract:
    """`start` is explicit, last_signature or month_after; `wordings` says in which way other clauses are put."""

    base: Terms
    final: Terms
    start: str
    effective: date
    signed: tuple[date, date]
    public: bool
    wordings: dict[str, str]
    instruments: tuple[Instrument, ...]

    @property
    def key(self) -> dict[str, Any]:
        """The right answer."""
        final = self.final
        return {
            "buyer": final.buyer,
            "supplier": final.supplier,
            "effective_date": self.effective.isoformat(),
            "term_months": final.term_months,
            "renewal_notice_days": final.renewal_days,
            "payment_days": final.payment_days,
            "liability_cap_usd": final.liability_usd,
            "governing_law": final.law.removeprefix("the "),
            "availability_pct": None if final.availability is None else float(final.availability),
            "termination_notice_days": final.termination_days,
        }


def draw(rng: random.Random, buyers: tuple[str, ...], suppliers: tuple[str, ...], laws: list[str], *, public: bool) -> Contract:
    """A contract between the first buyer and the first supplier; the second of each may take their place, but no
    public body takes the place of another.
    """
    wordings = _wordings(rng)
    base = Terms(
        buyer=buyers[0],
        supplier=suppliers[0],
        term_months=12 * rng.randint(1, 6) if wordings["term"] == "years" else rng.choice(_TERMS),
        renewal_days=rng.choice(_NOTICE_DAYS) if wordings["renewal"] == "auto" else None,
        monthly_usd=rng.choice(_MONTHLY_USD),
        payment_days=rng.choice(_DAYS),
        cap=wordings["cap"],
        cap_usd=rng.randint(4, 90) * 10_000,
        share=rng.choice(_SHARES),
        times=rng.choice((6, 8, 9, 10, 15, 18, 24)),
        law=rng.choice(laws),
        availability=None if wordings["availability"] == "target" else rng.choice(_AVAILABILITIES),
        termination_days=rng.choice(_NOTICE_DAYS) if wordings["termination"] == "buyer" else None,
    )
    signed, start, effective = _dates(rng)
    others = {"supplier": suppliers[1]} if public else {"buyer": buyers[1], "supplier": suppliers[1]}
    final, instruments = _changed(rng, base, wordings, max(*signed, effective), others, laws)
    return Contract(base, final, start, effective, signed, public, wordings, instruments)


def add_months(day: date, months: int) -> date:
    """The same day so many months later; the last of the month where that day does not exist."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _wordings(rng: random.Random) -> dict[str, str]:
    """Which list of clauses.yaml words each clause. A cap in months of charges needs charges by the month, and so on."""
    charges = rng.choice(("annual", "annual", "monthly"))
    return {
        "term": rng.choice(("months", "years", "until")),
        "renewal": rng.choice(("auto", "auto", "auto", "none")),
        "charges": charges,
        "payment": rng.choice(("plain", "plain", "public")),
        "cap": rng.choice(
            ("fixed", "percent", "percent", "greater") if charges == "annual" else ("fixed", "multiple", "multiple")
        ),
        "law": "plain",
        "availability": rng.choice(("plain", "plain", "tier", "tier", "target")),
        "termination": rng.choice(("buyer", "buyer", "buyer", "none")),
    }


def _dates(rng: random.Random) -> tuple[tuple[date, date], str, date]:
    """Two signatures, the way in which the start is put, and the start."""
    first = date(2023, 1, 9) + timedelta(days=rng.randint(0, 900))
    last = first + timedelta(days=rng.randint(2, 24))
    start = rng.choice(("explicit", "last_signature", "month_after"))
    effective = {
        "explicit": first + timedelta(days=rng.randint(-40, 70)),
        "last_signature": last,
        "month_after": add_months(last.replace(day=1), 1),
    }[start]
    if effective in (first, last) and start == "explicit":
        effective += timedelta(days=40)
    return rng.choice(((first, last), (last, first))), start, effective


def _changed(
    rng: random.Random, base: Terms, wordings: Mapping[str, str], since: date, others: Mapping[str, str], laws: list[str]
) -> tuple[Terms, tuple[Instrument, ...]]:
    """The terms after all that was agreed later, and the papers by which it was."""
    kinds = rng.choice(
        (["special"], ["amendment"], ["special", "amendment"], ["amendment", "amendment"], ["special", "draft"], ["draft"])
    )
    kinds += ["draft"] if kinds[-1] == "amendment" and rng.random() < 0.5 else []
    terms, day, instruments = base, since, []
    for kind in kinds:
        day += timedelta(days=rng.randint(20, 100))
        fields = rng.sample(_changeable(terms, wordings, kind, others), 2 if rng.random() < 0.6 else 1)
        changed, changes = _with(rng, terms, fields, others, laws)
        instruments.append(Instrument(kind, day, changes))
        terms = terms if kind == "draft" else changed
    return terms, tuple(instruments)


def _changeable(terms: Terms, wordings: Mapping[str, str], kind: str, others: Mapping[str, str]) -> list[str]:
    """The terms that an instrument can replace without leaving a doubt about what then holds."""
    possible = {
        "term": True,
        "renewal": terms.renewal_days is not None,
        "renewal_deleted": terms.renewal_days is not None,
        "payment": wordings["payment"] == "plain",
        "cap": True,
        "charges": wordings["charges"] == "annual" and terms.cap in {"percent", "greater"},
        "law": True,
        "availability": terms.availability is not None,
        "termination": terms.termination_days is not None,
        "supplier": kind == "amendment",
        "buyer": kind == "amendment" and "buyer" in others,
    }
    return [field for field, is_possible in possible.items() if is_possible]


def _with(
    rng: random.Random, terms: Terms, fields: list[str], others: Mapping[str, str], laws: list[str]
) -> tuple[Terms, tuple[Change, ...]]:
    """The terms with those fields changed. Of contradictory changes in one paper only the first is made."""
    changes: list[Change] = []
    for field in fields:
        if changes and {field, changes[0].field} in ({"renewal", "renewal_deleted"}, {"cap", "charges"}):
            continue
        name, value = _new(rng, terms, field, others, laws)
        changed = replace(terms, **{name: value}) if field != "cap" else replace(terms, cap="fixed", cap_usd=value)
        changes.append(Change(field, getattr(terms, name), value))
        terms = changed
    return terms, tuple(changes)


def _new(rng: random.Random, terms: Terms, field: str, others: Mapping[str, str], laws: list[str]) -> tuple[str, Any]:
    """The name of a term and a value that it does not have yet."""
    name, options = {
        "term": ("term_months", _TERMS),
        "renewal": ("renewal_days", _NOTICE_DAYS),
        "renewal_deleted": ("renewal_days", (None,)),
        "payment": ("payment_days", _DAYS),
        "cap": ("cap_usd", tuple(range(50_000, 900_001, 10_000))),
        "charges": ("monthly_usd", tuple(_MONTHLY_USD)),
        "law": ("law", tuple(laws)),
        "availability": ("availability", _AVAILABILITIES),
        "termination": ("termination_days", _NOTICE_DAYS),
        "supplier": ("supplier", (others["supplier"],)),
        "buyer": ("buyer", (others.get("buyer"),)),
    }[field]
    present = terms.liability_usd if field == "cap" else getattr(terms, name)
    return name, rng.choice([option for option in options if option != present] or list(options))
