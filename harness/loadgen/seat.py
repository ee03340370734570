"""One simulated user, as its worker knows it."""

from dataclasses import dataclass, field

from harness.loadgen.gate import Turns
from harness.loadgen.transport import Transport


@dataclass
class Seat:
    """Its number in its lane on this worker, where it gets its turns from, its way out per endpoint, its place in the order of
    examples.
    """

    number: int
    turns: Turns
    transports: dict[str, Transport] = field(default_factory=dict)
    cell: int = -1
    taken: int = 0
    failures: int = 0
