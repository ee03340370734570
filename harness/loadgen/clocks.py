"""What a worker's clocks show when the master's show something else, from a message that went there and back.

The rule: an exchange is exact to half of its round trip, so of many only the shortest counts. No figure is made from it:
durations travel between hosts, stamps do not.
"""

from typing import NamedTuple

from harness.worker_host import Clock


class Exchange(NamedTuple):
    """The master's beat and the worker's answer. `sent`, `back` are the master's clocks, `heard`, `said` the worker's."""

    sent_ns: int
    heard_ns: int
    said_ns: int
    back_ns: int
    said_wall_ns: int
    back_wall_ns: int


def clock(of: Exchange) -> Clock:
    """The way there is taken to be as long as the way back (Cristian 1989); half the round trip is the most it can be off."""
    rtt_ns = (of.back_ns - of.sent_ns) - (of.said_ns - of.heard_ns)
    offset_ns = ((of.heard_ns - of.sent_ns) + (of.said_ns - of.back_ns)) // 2
    wall_when_said_ns = of.back_wall_ns - (of.back_ns - (of.said_ns - offset_ns))
    return Clock(offset_ns=offset_ns, skew_ns=of.said_wall_ns - wall_when_said_ns, rtt_ns=max(0, rtt_ns))


def better(known: Clock | None, new: Clock) -> Clock:
    """Of two the one that says more."""
    return new if known is None or new.rtt_ns < known.rtt_ns else known
