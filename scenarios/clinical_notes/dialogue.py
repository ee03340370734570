"""A visit as it is spoken: who says what, in which order.

The rule: every fact of the visit is said once, in words or figures; what is taken back is said before it is taken back.
"""

import random
from itertools import groupby
from typing import Any

from visits import Material, Medicine, Visit

Exchange = list[tuple[str, str]]  # speaker D or P, and the line

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_ONES, _TENS = _WORDS.split()[:20], ["", "", *_WORDS.split()[20:]]
_UNITS = {"mg": "milligrams", "mcg": "micrograms", "g": "grams", "ml": "milliliters"}


def dialogue(rng: random.Random, visit: Visit, kind: Material, speech: Material) -> str:
    """The transcript."""
    middle = [
        *_history(rng, visit, kind),
        *_corrections(rng, visit, kind, speech),
        _regular(rng, visit, speech),
        _allergies(rng, visit, speech),
        _slotted(rng.choice(speech["relatives"]), illness=visit.illness),
        _lines(rng.choice(speech["small_talk"])),
    ]
    rng.shuffle(middle)
    plan = [*_plan(rng, visit, speech), [("D", rng.choice(visit.test["say"]))]]
    rng.shuffle(plan)
    exchanges = [
        _lines(rng.choice(speech["greeting"])),
        [("P", _opening(rng, visit, kind))],
        *middle,
        [("D", f"{rng.choice(speech['examine'])} {rng.choice(visit.finding['say']).format(v=visit.value)}")],
        *plan,
        _slotted(rng.choice(speech["review"]), review=spoken(rng, visit.review)),
        _lines(rng.choice(speech["closing"])),
    ]
    clinician, patient = rng.choice(speech["labels"])
    names = {
        "D": clinician.format(clinician=rng.choice(speech["clinicians"])),
        "P": patient.format(initials=visit.patient.initials),
    }
    head = f"[{visit.patient.age}-year-old {visit.patient.noun}, walk-in clinic]"
    return "\n".join((head, *(f"{names[speaker]}: {text}" for speaker, text in _turns(exchanges))))


def spoken(rng: random.Random, quantity: str) -> str:
    """`25 mg` as `25 milligrams`, `twenty-five milligrams` or as it is."""
    number, _, unit = quantity.partition(" ")
    if rng.random() < 0.3:
        return quantity
    words = in_words(int(number)) if number.isdigit() and rng.random() < 0.6 else number
    name = _UNITS.get(unit, unit)
    return f"{words} {name.removesuffix('s') if number == '1' else name}"


def in_words(number: int) -> str:
    """English words for 0 to 1,999."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    scale, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = in_words(number % scale) if number % scale else ""
    return f"{in_words(number // scale)} {name} {rest}".strip()


def _opening(rng: random.Random, visit: Visit, kind: Material) -> str:
    duration = spoken(rng, visit.wrong_onset or visit.onset)
    text: str = rng.choice(kind["opening"])
    return text.format(duration=duration, Duration=_capital(duration), side=visit.wrong_side or visit.side)


def _history(rng: random.Random, visit: Visit, kind: Material) -> list[Exchange]:
    asked = [[("D", rng.choice(each["q"])), ("P", rng.choice(each["a"]))] for each in kind["details"]]
    return asked + [[("D", question), ("P", rng.choice(answers))] for _, question, answers in visit.denied]


def _corrections(rng: random.Random, visit: Visit, kind: Material, speech: Material) -> list[Exchange]:
    found = []
    if visit.wrong_onset:
        wrong, right = spoken(rng, visit.wrong_onset), spoken(rng, visit.onset)
        exchange = rng.choice(speech["wrong_onset"])
        found.append(_slotted(exchange, wrong=wrong, right=right, Wrong=_capital(wrong), Right=_capital(right)))
    if visit.wrong_side:
        part = kind["complaint"]["side"]
        found.append(_slotted(rng.choice(speech["wrong_side"]), wrong=visit.wrong_side, right=visit.side, part=part))
    return found


def _regular(rng: random.Random, visit: Visit, speech: Material) -> Exchange:
    regular = visit.patient.regular
    question = ("D", rng.choice(speech["medicine_question"]))
    if regular is None:
        return [question, *_lines(rng.choice(speech["no_medicine"]))]
    wrong = spoken(rng, visit.wrong_dose) if visit.wrong_dose else ""
    exchange = rng.choice(speech["medicine_wrong" if wrong else "medicine"])
    return [question, *_slotted(exchange, **_medicine(rng, regular, speech), wrong=wrong, Wrong=_capital(wrong))]


def _allergies(rng: random.Random, visit: Visit, speech: Material) -> Exchange:
    patient = visit.patient
    question = ("D", rng.choice(speech["allergy_question"]))
    if patient.allergen:
        exchange = rng.choice(speech["allergy"])
        return [question, *_slotted(exchange, allergen=patient.allergen, Allergen=_capital(patient.allergen))]
    return [question, *_lines(rng.choice(speech["allergy_struck_off" if patient.struck_off else "no_allergy"]))]


def _plan(rng: random.Random, visit: Visit, speech: Material) -> list[Exchange]:
    """What is given, and what is not."""
    slots = _medicine(rng, visit.treatment, speech)
    course = f" for {spoken(rng, f'{visit.treatment.days} days')}" if visit.treatment.days else ""
    given = _slotted(rng.choice(speech["prescribe"]), **slots, course=course)
    if visit.offer is None:
        exchange = rng.choice(speech["not_with_allergy"])
        return [_slotted(exchange, option=visit.refused, Option=_capital(visit.refused)), given]
    return [[("D", visit.offer), *_lines(rng.choice(speech["refuse"]))], given]


def _medicine(rng: random.Random, medicine: Medicine, speech: Material) -> dict[str, str]:
    dose = spoken(rng, medicine.dose) if medicine.dose else "a thin layer"
    how = rng.choice(speech["how"][medicine.how]["said"])
    return {"drug": medicine.drug, "Drug": _capital(medicine.drug), "dose": dose, "Dose": _capital(dose), "how": how}


def _turns(exchanges: list[Exchange]) -> Exchange:
    """Lines of one speaker that follow each other are one turn."""
    lines = [line for exchange in exchanges for line in exchange]
    return [(speaker, " ".join(text for _, text in turn)) for speaker, turn in groupby(lines, key=lambda line: line[0])]


def _lines(exchange: list[dict[str, str]] | dict[str, str]) -> Exchange:
    """An exchange of the YAML file: one mapping, or a list of them, of speaker to line."""
    parts: list[dict[str, str]] = exchange if isinstance(exchange, list) else [exchange]
    return [(speaker, line) for part in parts for speaker, line in part.items()]


def _slotted(exchange: Any, **slots: str | None) -> Exchange:
    return [(speaker, line.format(**slots)) for speaker, line in _lines(exchange)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
