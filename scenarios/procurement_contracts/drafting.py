"""A contract put into clauses, in the style of the house that drafts it.

The rule: a clause states the terms as first agreed; what changed stands in the instruments at the end and nowhere else.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from contracts import Change, Contract, Instrument, add_months

Material = dict[str, Any]  # the YAML files of this folder, by name

_CORE = ("charges", "payment", "cap", "law", "availability", "termination")
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_ONES, _TENS = _WORDS.split()[:20], ["", "", *_WORDS.split()[20:]]
_OTHER_AVAILABILITIES = ("97.5", "98.0", "98.8", "99.1", "99.4", "99.6", "99.85", "99.97", "99.995")
_TIERS = (  # ascending
    ("Bronze", "C", "the Basic plan"),
    ("Silver", "B", "the Plus plan"),
    ("Gold", "A", "the Premium plan"),
)


@dataclass(frozen=True)
class House:
    """A supplier family and how it drafts. Its contracts are one cluster."""

    id: str
    stem: str
    trade: str
    roles: tuple[str, str]
    heading: str
    reference: str
    numbers: str
    money: str


def text(rng: random.Random, contract: Contract, house: House, material: Material) -> str:
    """The whole document."""
    names = material["names"]
    order = _order(rng, material["boilerplate"])
    slots = {f"ref_{name}": house.reference.format(n=place) for place, name in enumerate(order, start=1)}
    slots |= {"B": house.roles[0], "S": house.roles[1]}
    terms = slots | _terms(rng, contract, house)
    body = []
    for place, name in enumerate(order, start=1):
        title, wording = _clause(rng, contract, name, material)
        said = wording.format_map(terms | _noise(rng, contract, house, names))
        body.append(f"{house.heading.format(n=place, title=title)} {_capital(said)}")
    papers = _papers(rng, contract, house, material["clauses"], slots)
    return "\n\n".join((_opening(rng, contract, house, names), *body, _signatures(rng, contract, house, names), *papers))


def in_words(number: int) -> str:
    """English words for 0 to 999."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{in_words(number % 10)}" if number % 10 else "")
    rest = f" {in_words(number % 100)}" if number % 100 else ""
    return f"{in_words(number // 100)} hundred{rest}"


def _order(rng: random.Random, boilerplate: Material) -> list[str]:
    """Start, term and renewal belong together; the rest stands anywhere."""
    others = rng.sample([name for name in boilerplate if name != "data"], rng.randint(3, 5))
    rest = [*_CORE, "data", "precedence", *others]
    rng.shuffle(rest)
    return ["effective", "term", "renewal", *rest]


def _clause(rng: random.Random, contract: Contract, name: str, material: Material) -> tuple[str, str]:
    """Title and wording of a clause."""
    clauses, boilerplate = material["clauses"], material["boilerplate"]
    if name in boilerplate:
        return rng.choice(boilerplate[name]["title"]), rng.choice(boilerplate[name]["text"])
    if name == "precedence":
        return rng.choice(("Order of documents", "Precedence", "Changes", "Amendments")), rng.choice(clauses["precedence"])
    wording = contract.start if name == "effective" else contract.wordings[name]
    return rng.choice(clauses["titles"][name]), rng.choice(clauses[name][wording])


def _opening(rng: random.Random, contract: Contract, house: House, names: Material) -> str:
    """Title, parties and, where a clause asks for it, whether the buyer is a public body."""
    recital = rng.choice(names["recitals"]).format(
        service=rng.choice(names["services"]),
        buyer=_party(rng, contract, "buyers", contract.base.buyer, house, names),
        supplier=_party(rng, contract, "suppliers", contract.base.supplier, house, names),
    )
    parties = _capital(recital.replace(",.", ".").replace(",,", ","))
    if contract.wordings["payment"] == "public":
        status = rng.choice(names["public_status" if contract.public else "private_status"])
        parties += " " + status.format(B=house.roles[0])
    return f"{rng.choice(names['titles'])}\n\n{parties}"


def _party(rng: random.Random, contract: Contract, side: str, name: str, house: House, names: Material) -> str:
    """A party and others who are none: affiliates, agents, parents, former names."""
    owner = name if contract.public else name.split(maxsplit=1)[0]
    slots = {
        "affiliate": f"{owner} {rng.choice(names['affiliates'])} {rng.choice(names['forms'])}",
        "parent": f"{house.stem} {rng.choice(names['groups'])} {rng.choice(names['forms'])}",
        "incorporated": rng.choice(names["laws"]),
        "year": contract.signed[0].year - rng.randint(2, 9),
    }
    return str(rng.choice(names[side])).format(name=name, role=house.roles[side == "suppliers"], **slots)


def _signatures(rng: random.Random, contract: Contract, house: House, names: Material) -> str:
    people = rng.sample(names["signatories"], 2)
    pairs = zip(house.roles, people, contract.signed, strict=True)
    return "\n".join(f"For the {role}: {person}, {_day(day)}" for role, person, day in pairs)


def _papers(rng: random.Random, contract: Contract, house: House, clauses: Material, slots: dict[str, str]) -> list[str]:
    """Special conditions, amendments and drafts, in the order of their dates. Amendments and drafts are numbered together."""
    papers, number = [], 0
    for paper in contract.instruments:
        number += paper.kind != "special"
        papers.append(_paper(rng, paper, number, house, clauses, slots))
    return papers


def _paper(rng: random.Random, paper: Instrument, number: int, house: House, clauses: Material, slots: dict[str, str]) -> str:
    words = clauses["instruments"]
    lines = [rng.choice(words[paper.kind]).format(number=number)]
    if paper.kind != "special":
        lines.append(rng.choice(words["intro"]))
    lines += [_capital(_override(rng, change, house, clauses, slots)) for change in paper.changes]
    if paper.kind != "special":
        ending = rng.choice(words["signed" if paper.kind == "amendment" else "unsigned"])
        lines.append(ending.format(date=_day(paper.day), **slots))
    return "\n".join(lines)


def _override(rng: random.Random, change: Change, house: House, clauses: Material, slots: dict[str, str]) -> str:
    new = change.new
    if change.field == "charges":
        new = _money(12 * new, house)
    elif change.field == "cap":
        new = _money(new, house)
    elif isinstance(new, int):
        new = _number(new, house)
    return str(rng.choice(clauses["override"][change.field])).format(new=new, old=change.old, **slots)


def _terms(rng: random.Random, contract: Contract, house: House) -> dict[str, str]:
    """The terms as first agreed. Where there is no such term its clause names a period that decides nothing."""
    base = contract.base
    term = base.term_months // 12 if contract.wordings["term"] == "years" else base.term_months
    numbers = {
        "term": term,
        "renewal_days": base.renewal_days or rng.choice((30, 60, 90)),
        "period": rng.choice((6, 12, 24)),
        "times": base.times,
        "termination_days": base.termination_days or 0,
        **_payment(rng, contract),
    }
    amounts = {"annual": base.annual_usd, "monthly": base.monthly_usd, "sum": base.cap_usd, "floor": base.cap_usd}
    return {
        "date": _day(contract.effective),
        "end": _day(add_months(contract.effective, base.term_months) - timedelta(days=1)),
        "law": base.law,
        "share": str(base.share),
        **{name: _number(number, house) for name, number in numbers.items()},
        **{name: _money(usd, house) for name, usd in amounts.items()},
        **_availability(rng, contract),
    }


def _payment(rng: random.Random, contract: Contract) -> dict[str, int]:
    """Of the periods for private and public buyers one applies; the other is any other."""
    days = contract.base.payment_days
    other = rng.choice([each for each in (15, 25, 30, 45, 60) if each != days])
    for_public = contract.wordings["payment"] == "public" and contract.public
    return {"private": other, "public": days} if for_public else {"private": days, "public": other}


def _availability(rng: random.Random, contract: Contract) -> dict[str, str]:
    """The figure that is owed, an aim above it, a limit for credits below it, and tiers on any side."""
    owed = contract.base.availability or "99.3"
    others = rng.sample([each for each in _OTHER_AVAILABILITIES if each != owed], 2)
    tiers = sorted((owed, *others), key=float)
    tier, letter, plan = _TIERS[tiers.index(owed)]
    return {
        "pct": owed,
        "target": rng.choice([each for each in _OTHER_AVAILABILITIES if float(each) > float(owed)]),
        "credit": rng.choice([each for each in _OTHER_AVAILABILITIES if float(each) < float(owed)]),
        **dict(zip(("bronze", "silver", "gold"), tiers, strict=True)),
        "tier": tier,
        "letter": letter,
        "plan": plan,
    }


def _noise(rng: random.Random, contract: Contract, house: House, names: Material) -> dict[str, str]:
    """Figures that decide nothing, drawn anew for each clause."""
    numbers = {
        "other": (5, 7, 8, 12),
        "long": (200, 210, 240, 270),
        "cure": (10, 15, 20, 30),
        "days": (7, 10, 14, 15, 20, 30, 45),
        "hours": (12, 24, 36, 48, 72),
        "months": (3, 6, 12, 18, 24),
        "years": (2, 3, 5, 7, 10),
        "few": (2, 3, 4),
    }
    return {
        "offer": _day(min(contract.signed) - timedelta(days=rng.randint(20, 200))),
        "expenses": _money(rng.randint(2, 40) * 500, house),
        "insured": _money(rng.choice((1, 2, 3, 5, 10)) * 1_000_000, house),
        "money": _money(rng.randint(3, 60) * 50_000, house),
        "percent": str(rng.randint(2, 9)),
        "seat": rng.choice(names["seats"]),
        **{name: _number(rng.choice(choices), house) for name, choices in numbers.items()},
    }


def _number(number: int, house: House) -> str:
    words = in_words(number)
    return {"figures": str(number), "words": words, "both": f"{words} ({number})"}[house.numbers]


def _money(usd: int, house: House) -> str:
    return house.money.format(usd=f"{usd:,}")


def _day(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
