"""The note that a good clinician would write, and the facts by which any note is checked.

The rule: a fact is a few words that a note in the style of the system prompt cannot do without, or must leave out; it is never
one clinician's turn of phrase.
"""

import random
import re

from dialogue import in_words
from visits import Material, Medicine, Patient, Visit

Fact = str | list[str]

_NO_ALLERGIES = ["no known allergies", "no known drug allergies", "NKDA", "NKA", "no allergies", "none known", "allergies none"]


def facts(visit: Visit, kind: Material, speech: Material) -> dict[str, list[Fact]]:
    """What `expected` holds: the facts that must be there and those that must not."""
    patient = visit.patient
    named = [[each.format(side=visit.side) for each in words] for words in kind["complaint"]["must"]]
    details = [words for detail in kind["details"] for words in detail["must"]]
    denied = [[f"no {symptom}", f"denies {symptom}", f"denied {symptom}", f"without {symptom}"] for symptom, *_ in visit.denied]
    must = [
        *named,
        _duration(visit.onset),
        *details,
        *denied,
        *_said_medicine(patient.regular, speech),
        _allergy(patient, speech),
    ]
    must += [[visit.value], *_said_medicine(visit.treatment, speech), *visit.test["must"], _duration(visit.review)]
    if visit.treatment.days:
        must.append(_duration(f"{visit.treatment.days} days"))
    return {"must": must, "must_not": _must_not(visit, kind)}


def reference(rng: random.Random, visit: Visit, kind: Material, speech: Material) -> str:
    """A note in figures and short sentences, 60 to 120 words."""
    patient = visit.patient
    complaint = kind["complaint"]["note"].format(side=visit.side)
    details = ", ".join(each["note"] for each in rng.sample(kind["details"], len(kind["details"])))
    denied = ", ".join(f"no {symptom}" for symptom, *_ in visit.denied)
    treatment = _written(visit.treatment, speech)
    if visit.treatment.days:
        treatment += f" for {visit.treatment.days} days"
    test = visit.test["note"]
    slots = {
        "who": f"{patient.age}-year-old {patient.noun}",
        "complaint": complaint,
        "onset": visit.onset,
        "details": details,
        "Details": details[0].upper() + details[1:],
        "denied": denied,
        "Denied": denied[0].upper() + denied[1:],
        "regular": _written(patient.regular, speech) if patient.regular else "no regular medicines",
        "allergy": f"allergic to {patient.allergen}" if patient.allergen else "no known allergies",
        "finding": visit.finding["note"].format(v=visit.value),
        "treatment": treatment,
        "test": test,
        "review": visit.review,
    }
    return str(rng.choice(speech["notes"])).format(**slots)


def _must_not(visit: Visit, kind: Material) -> list[Fact]:
    """What was taken back, what was not chosen, and what somebody else has."""
    patient = visit.patient
    unwanted: list[Fact] = [visit.refused, _stem(visit.illness)]
    if visit.wrong_onset:
        unwanted.append(_duration(visit.wrong_onset))
    if visit.wrong_side:
        part = kind["complaint"]["side"]
        unwanted.append([f"{visit.wrong_side} {part}", f"{part} {visit.wrong_side}"])
    if visit.wrong_dose and patient.regular:
        unwanted.append(_dosed(patient.regular.drug, visit.wrong_dose))
    if patient.allergen:
        unwanted.append(_NO_ALLERGIES)
    elif patient.struck_off:
        unwanted.append(["allergic to penicillin", "penicillin allergy", "allergy penicillin", "allergy to penicillin"])
    return unwanted


def _allergy(patient: Patient, speech: Material) -> Fact:
    return list(speech["allergens"][patient.allergen]) if patient.allergen else _NO_ALLERGIES


def _stem(illness: str) -> list[str]:
    """`Crohn's disease` is also Crohn and Crohn's."""
    name = illness.removesuffix(" disease")
    return sorted({illness, name, name.removesuffix("'s")})


def _said_medicine(medicine: Medicine | None, speech: Material) -> list[Fact]:
    """The name with its dose, and how often. Of a name of several words the longest stands for it."""
    if medicine is None:
        return []
    how = speech["how"][medicine.how]["must"]
    words = medicine.drug.split()
    if len(words) == 1:
        said: list[Fact] = [_dosed(medicine.drug, medicine.dose)]
    else:
        said = [[max(words, key=len)], *([[medicine.dose]] if medicine.dose else [])]
    return [*said, how] if how else said


def _dosed(drug: str, dose: str) -> list[str]:
    return [f"{drug} {dose}", f"{dose} {drug}", f"{dose} of {drug}"]


def _duration(duration: str) -> list[str]:
    """`2 weeks` in figures and words; the scorer itself knows that these are 14 days."""
    number, unit = duration.split()
    words = in_words(int(number))
    said = [duration, f"{words} {unit}", f"{words} {unit.removesuffix('s')}"]
    if unit == "days" and int(number) % 7 == 0:
        weeks = in_words(int(number) // 7)
        said += [f"{weeks} weeks", f"{weeks} week"]
    return [*said, f"a {unit}", f"one {unit}"] if number == "1" else said


def _written(medicine: Medicine, speech: Material) -> str:
    return " ".join(part for part in (medicine.drug, medicine.dose, speech["how"][medicine.how]["note"]) if part)


def consistent(note: str, expected: dict[str, list[Fact]]) -> bool:
    """Whether nothing that must stay out is said by the note or wanted by another fact: else no note could pass."""
    wanted = _words(" ; ".join([note, *_texts(expected["must"])]))
    return not any(_words(text) in wanted for text in _texts(expected["must_not"]))


def _texts(facts_of_a_kind: list[Fact]) -> list[str]:
    return [text for fact in facts_of_a_kind for text in (fact if isinstance(fact, list) else [fact])]


def _words(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9.]+|;', text.casefold()))} "
