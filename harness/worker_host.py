"""Where the workers of a run were, as its manifest keeps it. Facts only: what they mean is said by who reads them."""

import msgspec

from harness.sessions import file_name


class Clock(msgspec.Struct, frozen=True):
    """A worker's clocks beside the master's, each exact to half of `rtt_ns`.

    offset_ns  its monotonic clock minus the master's; of two hosts these have nothing in common
    skew_ns    its wall clock minus the master's
    rtt_ns     round trip of the exchange that this is from, the shortest of all
    """

    offset_ns: int
    skew_ns: int
    rtt_ns: int


class WorkerHost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One worker, counted through where a run was gone on with. Only those of its first session may have `own` files.

    own        it does not see the master's run directory and keeps its files in a folder of its own
    told       bytes that it last told of, by the name of its file; only where it has its own
    started    attempts that it last told of
    most       it cannot have sent more than so many without being heard again: what it dropped is no part of these
    whole      it said its last word, and all that it told of had come by then
    collected  its files were brought by `signoff report --collect`
    """

    worker: int
    host: str
    own: bool = False
    told: dict[str, int] = {}
    started: int = 0
    most: int = 0
    whole: bool = False
    collected: bool = False
    clock: Clock | None = None


def files_of(index: int, session: int = 0) -> tuple[str, str]:
    """The names of its journal and of its answers, by its number in that session."""
    return file_name("journal", session, index), file_name("answers", session, index)
