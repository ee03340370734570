"""`make conformance`: both rigs, or the one that is named. Ends with what is wrong and exit code 1, or with a word of peace.

python -m tests.conformance [gateway_rig] [inference_rig]
"""

import importlib
import sys
from pathlib import Path

RIGS = Path(__file__).parents[2] / ".conformance"
SHOWN = 20


def main(names: list[str]) -> int:
    wrong = []
    for name in names or ["gateway_rig", "inference_rig"]:
        rig = importlib.import_module(f"tests.conformance.{name}")
        print(f"\n--- {rig.__doc__}\n", flush=True)
        wrong += [f"{name}: {each}" for each in rig.check(RIGS)]
    print("\n".join(["", *wrong[:SHOWN], f"{len(wrong)} expectations failed" if wrong else "every expectation holds"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
