"""Writes examples.jsonl: `python generate.py [OUT]` gives the same bytes every time.

The rule: the key is drawn first and worded afterwards, so it never depends on reading the words.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from channels import NAMES, message
from claims import QUEUES, Claim, draw
from wording import Household, Material

SEED = 20_251
EXAMPLES = 260
WORDS = range(80, 221)
FOLDER = Path(__file__).parent
MATERIAL = ("events", "accounts", "phrases", "money", "people", "channels")


def rows() -> Iterator[dict[str, Any]]:
    """The data set, household by household, the queues in equal shares."""
    material = {name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) for name in MATERIAL}
    rng = random.Random(SEED)
    queues = [QUEUES[place % len(QUEUES)] for place in range(EXAMPLES)]
    rng.shuffle(queues)
    writers = _writers(rng, material["channels"])
    for number, (queue, household) in enumerate(zip(queues, writers, strict=True), start=1):
        claim, text = _worded(random.Random(f"{SEED}/{number}"), queue, household, material)
        yield {
            "id": f"claim-{number:03}",
            "inputs": {"message": text},
            "expected": claim.key,
            "reference": json.dumps(claim.key, indent=2),
            "cluster": household.id,
        }


def _writers(rng: random.Random, words: Material) -> list[Household]:
    """A household for each example; most write a few times, some once, some often."""
    writers: list[Household] = []
    for number, surname in enumerate(rng.sample(words["surnames"], len(words["surnames"]))):
        household = Household(
            id=f"HP{4_100 + 37 * number}",
            surname=surname,
            members=tuple(rng.sample(words["first_names"], 3)),
            town=rng.choice(words["towns"]),
            street=rng.choice(words["streets"]),
            car=rng.choice(words["cars"]),
            channel=rng.choice(NAMES),
            slips=rng.choice((0.0, 0.0, 0.03, 0.08)),
        )
        writers += [household] * rng.choices(range(1, 9), weights=(5, 8, 9, 7, 4, 3, 2, 2))[0]
    return writers[:EXAMPLES]


def _worded(rng: random.Random, queue: str, household: Household, material: Material) -> tuple[Claim, str]:
    """Draws until the queue is the one asked for and the message has a realistic length."""
    while True:
        name = rng.choice(list(material["events"]))
        claim = draw(rng, name, material["events"][name])
        if claim.queue == queue:
            text = message(rng, claim, household, material)
            if len(text.split()) in WORDS:
                return claim, text


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "examples.jsonl"
    out.write_text("".join(f"{json.dumps(row)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    main()
