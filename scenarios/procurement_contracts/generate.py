"""Writes examples.jsonl: `python generate.py [OUT]` gives the same bytes every time.

The rule: the terms are drawn first and drafted afterwards, so the key never depends on reading the clauses.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from contracts import Contract, draw
from drafting import House, Material, text

SEED = 20_253
EXAMPLES = 260
WORDS = range(250, 601)
FOLDER = Path(__file__).parent
MATERIAL = ("clauses", "boilerplate", "names")


def rows() -> Iterator[dict[str, Any]]:
    """The data set, supplier family by supplier family."""
    material = {name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) for name in MATERIAL}
    houses = _houses(random.Random(SEED), material["names"])
    for number, house in enumerate(houses[:EXAMPLES], start=1):
        contract, document = _drafted(random.Random(f"{SEED}/{number}"), house, material)
        yield {
            "id": f"contract-{number:03}",
            "inputs": {"contract": document},
            "expected": contract.key,
            "reference": json.dumps(contract.key, indent=2),
            "cluster": house.id,
        }


def _houses(rng: random.Random, names: Material) -> list[House]:
    """A house for each example; most have a few contracts, some one, some many."""
    houses: list[House] = []
    for number, stem in enumerate(rng.sample(names["stems"], len(names["stems"])), start=1):
        form = rng.randrange(len(names["headings"]))
        house = House(
            id=f"house-{number:02}",
            stem=stem,
            trade=rng.choice(names["trades"]),
            roles=tuple(rng.choice(names["roles"])),
            heading=names["headings"][form],
            reference=names["references"][form],
            numbers=rng.choice(("figures", "figures", "words", "both")),
            money=rng.choice(names["money"]),
        )
        houses += [house] * rng.choices(range(1, 9), weights=(5, 8, 9, 7, 4, 3, 2, 2))[0]
    return houses


def _drafted(rng: random.Random, house: House, material: Material) -> tuple[Contract, str]:
    """Draws until the document has a realistic length."""
    names = material["names"]
    while True:
        public = rng.random() < 0.4
        if public:
            buyers = rng.sample(names["public_buyers"], 2)
        else:
            buyers = [f"{name} {rng.choice(names['forms'])}" for name in rng.sample(names["private_buyers"], 2)]
        trades = [house.trade, rng.choice([trade for trade in names["trades"] if trade != house.trade])]
        suppliers = [f"{house.stem} {trade} {rng.choice(names['forms'])}" for trade in trades]
        contract = draw(rng, tuple(buyers), tuple(suppliers), names["laws"], public=public)
        document = text(rng, contract, house, material)
        if len(document.split()) in WORDS:
            return contract, document


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "examples.jsonl"
    out.write_text("".join(f"{json.dumps(row)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    main()
