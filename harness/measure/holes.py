"""Stamps of bytes that waited behind a lost or overtaken segment.

The kernel's stamp of a read is the arrival of the last segment in it. In order, that is when all of it could be read. Where the
last segment had come before the one that filled a hole, it is too early, by less than the time to the read that took it.
"""

from collections.abc import Container, Sequence


def corrected(stamps_ns: Sequence[int], lag_ns: int, certain: Container[int]) -> dict[int, int]:
    """Old stamp to the earliest one that cannot be too early, for each read of several chunks; the rest is in order.

    stamps_ns  one per chunk, ascending, equal where they were read together
    lag_ns     the longest time from a stamp to its read: at most so much too early can any of them be
    certain    stamps that need no correction
    A stamp moves to that of the read behind it at most, so that they still ascend.
    """
    moved: dict[int, int] = {}
    for at, stamp_ns in enumerate(stamps_ns):
        together = at > 0 and stamps_ns[at - 1] == stamp_ns
        if together and stamp_ns not in moved and stamp_ns not in certain:
            after = next((later for later in stamps_ns[at:] if later > stamp_ns), stamp_ns + lag_ns)
            moved[stamp_ns] = min(stamp_ns + lag_ns, after)
    return moved
