"""Stamps of bytes that waited behind a lost or overtaken segment.

The kernel's stamp of a read is the arrival of the last segment in it. In order, that is when all of it could be read. Where the
last segment had come before the one that filled a hole, it is too early, by less than the time to the read that took it.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise


def corrected(stamps_ns: Sequence[int], done_ns: int, lag_ns: int, certain: Iterable[int]) -> dict[int, int]:
    """Old stamp to the earliest one that cannot be too early, for each read of several chunks; the rest is in order.

    stamps_ns  one per chunk, ascending, equal where they were read together; done_ns is the end of the response
    lag_ns     the longest time from a stamp to its read: at most so much too early can any of them be
    certain    stamps that need no correction
    A stamp moves to that of the read behind it at most, or to the end that came in a read behind it: so they still ascend.
    """
    kept = set(certain)
    moved: dict[int, int] = {}
    reads = [(stamp_ns, sum(1 for _ in chunks)) for stamp_ns, chunks in groupby(stamps_ns)]
    for (stamp_ns, chunks), (after_ns, _) in pairwise([*reads, (done_ns, 0)]):
        if chunks > 1 and stamp_ns not in kept:
            latest_ns = stamp_ns + lag_ns
            moved[stamp_ns] = min(latest_ns, after_ns) if after_ns > stamp_ns else latest_ns
    return moved
