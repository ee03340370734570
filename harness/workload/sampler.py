"""The order in which examples are taken: seeded, computed from a position alone, so every worker agrees without talking.

Positions are cut into epochs of n; each epoch is its own permutation, so no example is taken twice before all were once.
"""

import random
from array import array
from collections.abc import Sequence
from functools import lru_cache

from harness.errors import HarnessError
from harness.records import Example

_CACHED = 1_000_000  # positions kept per order, 4 bytes each; users of one level are spread over several epochs


class Order:
    """Maps positions 0, 1, 2, ... to indices 0..n-1. The k-th call of user u among N users takes position u + k*N."""

    def __init__(self, seed: int | str, n: int) -> None:
        self._seed, self._n = seed, n
        self._epoch = lru_cache(maxsize=max(2, _CACHED // n))(self._permutation)

    def index(self, position: int) -> int:
        epoch, place = divmod(position, self._n)
        return self._epoch(epoch)[place]

    def _permutation(self, epoch: int) -> Sequence[int]:
        indices = list(range(self._n))
        random.Random(f"order:{self._seed}:{epoch}").shuffle(indices)
        return array("I", indices)


def sample(examples: Sequence[Example], n: int, seed: int) -> tuple[Example, ...]:
    """n examples drawn without replacement, in file order; `HarnessError` where there are fewer."""
    if n > len(examples):
        what = f"a sample of {n} from {len(examples)} examples"
        raise HarnessError(what, where="prompts.sample.n", remedy=f"at most {len(examples)}")
    chosen = random.Random(f"sample:{seed}").sample(range(len(examples)), n)
    return tuple(examples[index] for index in sorted(chosen))
