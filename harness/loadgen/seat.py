"""One simulated user, as its worker knows it."""

from dataclasses import dataclass, field

from harness.loadgen.drain import Drain
from harness.loadgen.gate import Turns
from harness.loadgen.port import Port
from harness.loadgen.resolver import Resolver
from harness.loadgen.transport import Transport
from harness.records import Block


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

    def transport(self, port: Port, drain: Drain, resolver: Resolver) -> Transport:
        """Its connection to an endpoint, kept from its first request on."""
        transport = self.transports.get(port.name)
        if transport is None:
            transport = self.transports[port.name] = Transport(drain, resolver, port.tls, port.proxy)
        return transport

    def next_position(self, block: Block, user: int) -> int:
        """Of its next example in the cell's order, in a closed loop; `user` is its number among all."""
        if self.cell != block.cell:
            self.cell, self.taken = block.cell, 0
        position = user + self.taken * block.concurrency
        self.taken += 1
        return position
