"""A visit as it really is, drawn before anybody speaks: what must be in the note and what must stay out of it."""

import random
from dataclasses import dataclass
from typing import Any

Material = dict[str, Any]  # speech.yaml, or one entry of visits/*.yaml

REVIEWS = {  # by the unit in which the complaint is counted: the longer it has lasted, the later one meets again
    "hours": ("2 days", "4 days", "1 week", "10 days"),
    "days": ("3 days", "4 days", "5 days", "1 week", "10 days", "2 weeks", "3 weeks"),
    "weeks": ("2 weeks", "3 weeks", "4 weeks", "6 weeks", "8 weeks"),
    "months": ("4 weeks", "6 weeks", "8 weeks", "3 months", "4 months"),
}
_DAYS = {"hours": 1 / 24, "hour": 1 / 24, "days": 1, "day": 1, "weeks": 7, "week": 7, "months": 30, "month": 30}


@dataclass(frozen=True)
class Medicine:
    """`dose` is a figure with its unit, empty where the name has the strength; `days` is None for no end."""

    drug: str
    dose: str
    how: str
    days: int | None = None


@dataclass(frozen=True)
class Patient:
    """One cluster: all visits of a patient share age, allergy and regular medicine. None is none."""

    id: str
    initials: str
    sex: str
    age: int
    allergen: str | None
    struck_off: bool
    regular: Medicine | None

    @property
    def noun(self) -> str:
        return "woman" if self.sex == "F" else "man"


@dataclass(frozen=True)
class Visit:
    """What is true. The `wrong_` values are said and taken back; None is not said."""

    kind: str
    patient: Patient
    side: str | None
    onset: str
    wrong_onset: str | None
    wrong_side: str | None
    wrong_dose: str | None
    denied: tuple[Any, ...]
    finding: Material
    value: str
    test: Material
    treatment: Medicine
    refused: str
    offer: str | None
    illness: str
    review: str


def days(duration: str) -> float:
    """Length of `3 weeks` in days; no two durations of a visit may be equal, or one would stand in for the other."""
    number, unit = duration.split()
    return float(number) * _DAYS[unit]


def suits(patient: Patient, kind: Material) -> bool:
    """Whether such a patient comes with such a complaint and can be given something for it."""
    low, high = kind.get("age", (0, 120))
    fits = low <= patient.age <= high and kind.get("sex", patient.sex) == patient.sex
    return fits and any(_allowed(option, patient) for option in kind["plan"])


def draw(rng: random.Random, name: str, kind: Material, patient: Patient, speech: Material) -> Visit | None:
    """A visit, or None where two durations came out equal or nothing is taken back."""
    option = rng.choice([option for option in kind["plan"] if _allowed(option, patient)])
    treatment = Medicine(option["drug"], rng.choice(option["dose"]), option["how"], rng.choice(option["days"] or [None]))
    unit, shortest, longest = kind["onset"]
    number, other = rng.sample(range(shortest, longest + 1), 2)
    finding = rng.choice(kind["finding"])
    refused, offer = _refused(rng, kind, patient)
    side = rng.choice(("left", "right")) if "side" in kind["complaint"] else None
    visit = Visit(
        kind=name,
        patient=patient,
        side=side,
        onset=f"{number} {unit if number > 1 else unit[:-1]}",
        wrong_onset=f"{other} {unit if other > 1 else unit[:-1]}" if rng.random() < 0.5 else None,
        wrong_side={"left": "right", "right": "left"}[side] if side and rng.random() < 0.6 else None,
        wrong_dose=_wrong_dose(rng, patient, speech["background"]),
        denied=tuple(rng.sample(kind["denied"], 2)),
        finding=finding,
        value=rng.choice(finding["values"]),
        test=rng.choice(kind["tests"]),
        treatment=treatment,
        refused=refused,
        offer=offer,
        illness=rng.choice(speech["illnesses"]),
        review=rng.choice(REVIEWS[unit]),
    )
    return visit if _unmistakable(visit) else None


def _allowed(option: Material, patient: Patient) -> bool:
    regular = patient.regular.drug if patient.regular else None
    return patient.allergen not in option.get("not", ()) and regular not in (option["drug"], *option.get("avoid", ()))


def _refused(rng: random.Random, kind: Material, patient: Patient) -> tuple[str, str | None]:
    """What stays out and how it is offered; no offer where it is the allergy that rules it out."""
    ruled_out = [option["drug"] for option in kind["plan"] if patient.allergen in option.get("not", ())]
    if ruled_out and rng.random() < 0.7:
        return rng.choice(ruled_out), None
    word, offer = rng.choice(kind["declined"])
    return word, offer


def _wrong_dose(rng: random.Random, patient: Patient, background: Material) -> str | None:
    if patient.regular is None or rng.random() < 0.4:
        return None
    return rng.choice([dose for dose in background[patient.regular.drug]["doses"] if dose != patient.regular.dose])


def _unmistakable(visit: Visit) -> bool:
    """Something is taken back in every visit, and no two durations are equal."""
    course = f"{visit.treatment.days} days" if visit.treatment.days else None
    durations = [days(each) for each in (visit.onset, visit.wrong_onset, course, visit.review) if each]
    taken_back = (visit.wrong_onset, visit.wrong_side, visit.wrong_dose)
    return any(taken_back) and len(set(durations)) == len(durations)
