"""What a worker writes down when all that it began has ended: by it a reader knows that a journal is whole."""

import msgspec


class LastWord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag_field="t", tag="last"):
    """Last line of a journal: how many attempts the worker began, how many of these have their end in it, and how many lines
    stand before it (0: not told).
    """

    started: int
    ended: int
    lines: int = 0
