"""What the master tells of a run that goes on."""

import msgspec

from harness.records import Block


class Progress(msgspec.Struct, frozen=True):
    """Where the run is, for a terminal and the exporter. `beside` are the blocks that run at the same time as `block`."""

    block: Block | None
    number: int
    of: int
    phase: str
    seconds_left: float
    in_flight: int
    started: int
    ended: int
    beside: tuple[Block, ...] = ()
