"""What the master knows of where its workers are: what has come of the journals that they keep, and how their clocks stand."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent import get_hub
from gevent.queue import Queue

from harness import results
from harness.errors import StorageError
from harness.loadgen import clocks, courier, home, messages
from harness.loadgen.clocks import Exchange
from harness.loadgen.intake import Intake
from harness.loadgen.roster import Roster
from harness.worker_host import WorkerHost

POLL_S = 0.02
AGAIN_S = 10.0
STALL_S = courier.LIMIT_S + 5.0  # the worker gives up first, and says so
BEATS = 60  # seconds back that an answer may refer to
LATE = (
    "journal_late",
    "what workers elsewhere wrote did not come to the master",
    "the search could not go on: it judges what is in the journals",
    "look at the network between the hosts, bring the journals with `signoff report --collect` and run again",
)


class Hosts:
    """Of one run; `failed` hears once that the master's disk takes no more."""

    def __init__(self, runner: Any, run: Path, failed: Callable[[object], None]) -> None:
        self._runner, self._run, self._failed = runner, run, failed
        self._manifest = (run / results.MANIFEST).read_bytes()
        self._mark = home.hang_mark(run)
        self._intake = Intake(run)
        self._pieces: Queue[messages.Piece] = Queue()
        self._clients: dict[int, str | None] = {}
        self._told_at: dict[int, float] = {}
        self._known: dict[int, WorkerHost] = {}
        self._beats: dict[int, int] = {}
        self._is_full = False
        self._moved_at = time.monotonic()
        messages.listen(runner, messages.PIECE, messages.Piece, self._pieces.put)
        self._taking = gevent.spawn(self._take)

    # what is said ----------------------------------------------------------------------------------------------------

    def set_up(self, client: str | None, index: int, count: int, users: int) -> None:
        """Tell a worker its place, but not again while that may be under way: a large data set makes a large manifest."""
        now_s = time.monotonic()
        if now_s - self._told_at.get(index, -math.inf) > AGAIN_S:
            self._clients[index], self._told_at[index] = client, now_s
            setup = home.setup(self._run, self._manifest, self._mark, index, count, users)
            messages.say(self._runner, messages.SETUP, setup, client)

    def beat(self, number: int, members: tuple[int, ...]) -> messages.Beat:
        self._beats[number] = time.monotonic_ns()
        self._beats.pop(number - BEATS, None)
        return messages.Beat(number, members)

    # what is heard ---------------------------------------------------------------------------------------------------

    def ready(self, ready: messages.Ready) -> None:
        self._known[ready.index] = WorkerHost(worker=ready.index, host=ready.host, own=ready.own)
        if ready.own:
            self._intake.expect(ready.index)

    def interval(self, said: messages.Interval) -> None:
        """Called as soon as it has come: its round trip ends now."""
        back_ns, back_wall_ns = time.monotonic_ns(), time.time_ns()
        known = self._known.get(said.index)
        if known is None:
            return
        clock = known.clock
        if said.echo is not None and (sent_ns := self._beats.get(said.echo.number)) is not None:
            echo = said.echo
            exchange = Exchange(sent_ns, echo.heard_ns, echo.said_ns, back_ns, echo.said_wall_ns, back_wall_ns)
            clock = clocks.better(clock, clocks.clock(exchange))
        self._known[said.index] = msgspec.structs.replace(
            known, told=said.sizes, started=said.started, most=said.most, clock=clock
        )

    def bye(self, index: int) -> None:
        """Its last word, after its last interval."""
        known = self._known.get(index)
        if known is not None and known.own:
            self._known[index] = msgspec.structs.replace(known, whole=self._has(known))

    # what is there ---------------------------------------------------------------------------------------------------

    def has_all(self, roster: Roster, stopped: Callable[[], bool]) -> bool:
        """That workers elsewhere told of, waiting for it. Who judges what is in the journals asks, unless all is to stop.

        What one wrote that is gone is judged by nobody: its cell was given up.
        """
        return self.wait(
            lambda: stopped() or all(self._has(each) for each in self._known.values() if each.worker in roster.members)
        )

    @property
    def are_whole(self) -> bool:
        return all(each.whole for each in self._known.values() if each.own)

    def wait(self, holds: Callable[[], bool]) -> bool:
        """Until that holds; False where nothing has come of any journal for too long."""
        self._moved_at = time.monotonic()
        while not holds():
            if time.monotonic() - self._moved_at > STALL_S:
                return False
            gevent.sleep(POLL_S)
        return True

    @property
    def facts(self) -> tuple[WorkerHost, ...]:
        return tuple(self._known[index] for index in sorted(self._known))

    @property
    def are_near(self) -> bool:
        """All of them see the run directory."""
        return not any(each.own for each in self._known.values())

    def close(self) -> None:
        """Nothing more is taken; what was is on disk."""
        self._taking.kill()
        try:
            self._intake.sync()
        except StorageError as full:
            self._failed(full)

    def _has(self, known: WorkerHost) -> bool:
        return all(self._intake.size(known.worker, name) >= size for name, size in known.told.items())

    def _take(self) -> None:
        for piece in self._arriving():
            kept = get_hub().threadpool.apply(self._intake.append, (piece,))
            self._note_full()
            self._moved_at = time.monotonic()
            if piece.index in self._clients:
                messages.say(self._runner, messages.KEPT, kept, self._clients[piece.index])

    def _arriving(self) -> Iterator[messages.Piece]:
        while True:
            yield self._pieces.get()

    def _note_full(self) -> None:
        if self._intake.full is not None and not self._is_full:
            self._is_full = True
            self._failed(self._intake.full)
