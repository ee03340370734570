"""Writes examples.jsonl: `python generate.py [OUT]` gives the same bytes every time.

The rule: the facts are drawn first and spoken afterwards, so the key never depends on reading the words.
"""

import json
import random
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from dialogue import dialogue
from note import consistent, facts, reference
from visits import Material, Medicine, Patient, draw, suits

SEED = 20_252
EXAMPLES = 260
SPOKEN_WORDS, NOTE_WORDS = range(200, 451), range(60, 121)
FOLDER = Path(__file__).parent


def rows() -> Iterator[dict[str, Any]]:
    """The data set, patient by patient."""
    speech = _loaded(FOLDER / "speech.yaml")
    kinds = {name: kind for path in sorted((FOLDER / "visits").glob("*.yaml")) for name, kind in _loaded(path).items()}
    rng = random.Random(SEED)
    visits = [(patient, name) for patient in _patients(rng, speech) for name in _complaints(rng, patient, kinds)]
    for number, (patient, name) in enumerate(visits[:EXAMPLES], start=1):
        text, expected, note = _spoken(random.Random(f"{SEED}/{number}"), name, kinds[name], patient, speech)
        yield {
            "id": f"visit-{number:03}",
            "inputs": {"dialogue": text},
            "expected": expected,
            "reference": note,
            "cluster": patient.id,
        }


def _loaded(path: Path) -> Material:
    loaded: Material = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def _patients(rng: random.Random, speech: Material) -> list[Patient]:
    """More than are needed; the last ones do not come."""
    return [_patient(rng, number, speech) for number in range(EXAMPLES)]


def _patient(rng: random.Random, number: int, speech: Material) -> Patient:
    sex = rng.choice("FM")
    allergen = rng.choice(list(speech["allergens"])) if rng.random() < 0.55 else None
    return Patient(
        id=f"patient-{number + 1:03}",
        initials="".join(rng.sample(string.ascii_uppercase, 2)),
        sex=sex,
        age=rng.randint(21, 82),
        allergen=allergen,
        struck_off=allergen is None and rng.random() < 0.3,
        regular=_regular(rng, sex, speech) if rng.random() < 0.8 else None,
    )


def _regular(rng: random.Random, sex: str, speech: Material) -> Medicine:
    drug, known = rng.choice([item for item in speech["background"].items() if item[1].get("sex", sex) == sex])
    return Medicine(drug, rng.choice(known["doses"]), known["how"])


def _complaints(rng: random.Random, patient: Patient, kinds: dict[str, Material]) -> list[str]:
    """Most patients come a few times, some once, some often, and never twice with the same complaint."""
    fitting = [name for name, kind in kinds.items() if suits(patient, kind)]
    often = rng.choices(range(1, 9), weights=(6, 8, 8, 6, 4, 3, 2, 2))[0]
    return rng.sample(fitting, min(often, len(fitting)))


def _spoken(
    rng: random.Random, name: str, kind: Material, patient: Patient, speech: Material
) -> tuple[str, dict[str, Any], str]:
    """Draws until the visit is unmistakable and of realistic length."""
    while True:
        visit = draw(rng, name, kind, patient, speech)
        if visit is not None:
            text, expected, note = (
                dialogue(rng, visit, kind, speech),
                facts(visit, kind, speech),
                reference(rng, visit, kind, speech),
            )
            lengths_fit = len(text.split()) in SPOKEN_WORDS and len(note.split()) in NOTE_WORDS
            if lengths_fit and consistent(note, expected):
                return text, expected, note


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "examples.jsonl"
    out.write_text("".join(f"{json.dumps(row)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    main()
