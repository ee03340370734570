"""A load process as it sees itself, second by second: a line of its journal."""

import msgspec

# (ns, how many) by rising ns; rounded up by at most 1/16 or 33 us, so that few are written.
Spread = tuple[tuple[int, int], ...]


class Health(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="t", tag="health"):
    """A second of a load process as it saw itself; the interval ends at `at_ns` and never crosses the edge of a block.

    cpu_ratio    processor time of the process (user and system) over the interval
    wait_ratio   time in which its main thread, where all load is made, could run and had no processor, over the interval
    gaps         times between two looks at the sockets
    reads        how long the newest bytes of a read had been readable; older ones of the same read show in `gaps` only
    read_n       all reads of the interval: `reads` holds an even choice where they are many, read_max_ns is of all
    gc_ns        all pauses of the garbage collector together; gc_max_ns the longest
    backlog      most pieces of decoding work that waited at once
    """

    at_ns: int
    interval_ns: int
    cpu_ratio: float
    wait_ratio: float | None = None
    gaps: Spread = ()
    gap_max_ns: int | None = None
    reads: Spread = ()
    read_n: int = 0
    read_max_ns: int | None = None
    gc_n: int = 0
    gc_ns: int = 0
    gc_max_ns: int = 0
    backlog: int = 0
    open_fds: int = 0
    in_flight: int = 0
