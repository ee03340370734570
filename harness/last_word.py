"""What a worker writes down when all that it began has ended: by it a reader knows that a journal is whole."""

import msgspec


class LastWord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag_field="t", tag="last"):
    """Last line of a journal: how many attempts the worker began, and how many of these have their end in it."""

    started: int
    ended: int
