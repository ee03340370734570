"""What master and workers of one run say to each other, beside Locust's own messages. One second of load is one message."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from harness.health import Health
from harness.records import Block, Frozen

_NAMES = ("hello", "setup", "ready", "open", "close", "cut", "idle", "interval", "finish", "bye", "failed", "beat", "done")
HELLO, SETUP, READY, OPEN, CLOSE, CUT, IDLE, INTERVAL, FINISH, BYE, FAILED, BEAT, DONE = (f"signoff.{name}" for name in _NAMES)
PIECE, KEPT = "signoff.piece", "signoff.kept"
WELCOME, REFUSED = "signoff.welcome", "signoff.refused"  # of the door, before Locust hears of a worker
NOTED, LEAVING, BYE_HEARD = "signoff.noted", "signoff.leaving", "signoff.bye_heard"


class Welcome(Frozen, frozen=True):
    """Master to a worker that has knocked: what it has to seal its messages for."""

    session: bytes


class Refused(Frozen, frozen=True):
    """Master to a worker for which there is no seat: it makes no load and leaves."""

    why: str


class Hello(Frozen, frozen=True):
    """Worker to master, again and again until it is set up: either end may be listening first. `client` is Locust's name.

    pid, host  its process, and where that number means something
    """

    client: str | None
    pid: int = 0
    host: str = ""


class Setup(Frozen, frozen=True):
    """Master to one worker: which run, and its place in it.

    run       the run directory on the master's host; a worker that sees the file `mark` in there sees the same one
    manifest  its bytes, with their `sha256`: all that a worker elsewhere needs
    users     how many it may have at most, when the others are gone
    """

    run: str
    index: int
    count: int
    manifest: bytes
    sha256: str
    mark: str
    users: int


class Ready(Frozen, frozen=True):
    """`own`: it has a folder of its own, and what it writes there will come as pieces."""

    index: int
    host: str = ""
    own: bool = False


class Open(Frozen, frozen=True):
    """The blocks that run from now on, at once. `members` share their users and arrivals: each by its place among them."""

    blocks: tuple[Block, ...]
    members: tuple[int, ...] = ()


class Order(Frozen, frozen=True):
    """A step of the drain or the end; `step` comes back in the answer, so that a late answer is not taken for a new one.

    drop  arrivals that wait for a user are not sent any more
    """

    step: int
    drop: bool = False


class Cut(Frozen, frozen=True):
    """End what is in flight. `at_limit`: the drain limit has passed, so it is the endpoint that did not answer in time."""

    at_limit: bool


class Beat(Frozen, frozen=True):
    """Master to all, once a second: still here, and so are `members`. Who is not among them has been given up and leaves."""

    number: int
    members: tuple[int, ...] | None = None


class Idle(Frozen, frozen=True):
    index: int
    step: int


class Echo(Frozen, frozen=True):
    """The newest beat came back: when it was heard, and when this was said, by the worker's clocks."""

    number: int
    heard_ns: int
    said_ns: int
    said_wall_ns: int


class Interval(Frozen, frozen=True):
    """Worker to master, once a second: what `measure.recorder` collected, and how the worker is.

    sizes    of the files that it keeps for itself, in bytes by name; none where they are the master's, too
    number   how many there were before
    ceiling  it will not have started more than this until the master has noted a later report, but for what it drops
    most     nor sent more than this
    """

    index: int
    counts: bytes
    in_flight: int
    started: int
    ended: int
    storage: str | None = None
    health: Health | None = None
    echo: Echo | None = None
    sizes: dict[str, int] = msgspec.field(default_factory=dict)
    number: int = 0
    ceiling: int = 0
    most: int = 0


class Piece(Frozen, frozen=True):
    """Worker to master: bytes of a file of its own, from `offset` on."""

    index: int
    file: str
    offset: int
    data: bytes
    crc: int


class Kept(Frozen, frozen=True):
    """Master to worker: the file is there up to `offset`. `refused`: and it will get no longer."""

    index: int
    file: str
    offset: int
    refused: bool = False


class Noted(Frozen, frozen=True):
    """Master to one worker: this report has come."""

    number: int


class Leaving(Frozen, frozen=True):
    """Worker to master: it was told to end, or must; what it has in flight is cut, and its last word follows."""

    index: int
    why: str


class Done(Frozen, frozen=True):
    """Worker to master, of a block that ends by what was to be asked: its share has been worked off."""

    index: int
    block: int


class Bye(Frozen, frozen=True):
    """The worker's last word: everything it started has ended and is in its journal. Said until it is heard.

    reports  how many it made; by_kind: what its attempts came to, which is what the sum of these reports must come to
    """

    index: int
    started: int
    ended: int
    invalid: tuple[str, ...] = ()
    reports: int = 0
    by_kind: dict[str, int] = msgspec.field(default_factory=dict)


class ByeHeard(Frozen, frozen=True):
    """Master to one worker: it may go."""

    index: int


class Failed(Frozen, frozen=True):
    """A worker cannot go on: what the user can mend (`bug` False), or an error of ours."""

    index: int
    error: str
    bug: bool


Message = TypeVar("Message")


def say(runner: Any, name: str, message: msgspec.Struct, client: str | None = None) -> None:
    """Send to the master, to one worker, or (from the master, without `client`) to all workers."""
    runner.send_message(name, msgspec.msgpack.encode(message), client)


def listen(runner: Any, name: str, kind: type[Message], handler: Callable[[Message], None]) -> None:
    """Call `handler` with each message of this name, decoded."""

    def heard(msg: Any, **_: Any) -> None:
        handler(msgspec.msgpack.decode(msg.data, type=kind))

    runner.register_message(name, heard)
