"""Workers that did not come to the end of a run with the others, as the manifest keeps them.

The rule: what a lost worker left undone is bounded by what it had said before; its journal, once it can be read, tells exactly.
"""

import msgspec


class Loss(msgspec.Struct, frozen=True, omit_defaults=True):
    """One worker.

    why      how its end was seen
    at_most  so many of its attempts have no end; 0 where it said that all of them have
    cells    that were given up because of it: their attempts are in no figure, and none is joined to those of another cell
    """

    worker: int
    why: str
    at_most: int
    cells: tuple[int, ...] = ()
