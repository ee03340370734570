"""The master's end of the protocol: plays the plan block by block, and ends the run so that nothing is lost.

It owns time (Locust's run time and stop are never used). The end is: stop, drain, cut what is left, last flush, goodbye, quit.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Container
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event

from harness import reserve, results
from harness.errors import ExitCode, StorageError, worst
from harness.health import Health
from harness.loadgen import messages, plan
from harness.loadgen.guard import Guard
from harness.loadgen.plan import Fixed, Source
from harness.measure.recorder import Totals
from harness.records import Block, Finding, Manifest

log = logging.getLogger(__name__)
BYE_S = 15.0
CUT_S = 5.0
READY_S = 60.0
POLL_S = 0.02
BEAT_S = 1.0


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


class Conductor:
    """`totals` are the merged counts of all workers, `health` is how each is; `on_progress` is called about once a second.

    `source` gives the blocks, where they are not all in the manifest's plan.
    """

    def __init__(
        self, runner: Any, run: Path, manifest: Manifest, workers: int, drain_s: float, source: Source | None = None
    ) -> None:
        self.totals = Totals()
        self.health: dict[int, Health] = {}
        self.populated, self.over = Event(), Event()
        self.on_progress: Callable[[Progress], object] | None = None
        self._source = Fixed(manifest.plan, manifest.played) if source is None else source
        self.population = workers * len(plan.lanes(manifest.plan)) * -(-self._source.users // workers)
        self._runner, self._run, self._manifest = runner, run, manifest
        self._workers, self._drain_s = workers, drain_s
        self._state: dict[int, messages.Interval] = {}
        self._clients: dict[str | None, int] = {}
        self._ready: set[int] = set()
        self._idle: dict[int, int] = {}
        self._worked_off: dict[int, int] = {}
        self._byes: dict[int, messages.Bye] = {}
        self._gone: set[int] = set()
        self._findings: list[Finding] = []
        self._codes: set[ExitCode] = set()
        self._stop, self._cut_now = Event(), Event()
        self._guard: Guard | None = None
        self._began = time.monotonic()
        self._step = 0
        self._block: Block | None = None
        self._beside: tuple[Block, ...] = ()
        self._ends_at = 0.0
        self._phase = "starting"
        messages.listen(runner, messages.HELLO, messages.Hello, self._on_hello)
        messages.listen(runner, messages.READY, messages.Ready, self._on_ready)
        messages.listen(runner, messages.IDLE, messages.Idle, self._on_idle)
        messages.listen(runner, messages.DONE, messages.Done, self._on_done)
        messages.listen(runner, messages.INTERVAL, messages.Interval, self._on_interval)
        messages.listen(runner, messages.BYE, messages.Bye, self._on_bye)
        messages.listen(runner, messages.FAILED, messages.Failed, self._on_failed)

    @property
    def exit_code(self) -> ExitCode:
        return worst(self._codes)

    def guard(self, guard: Guard) -> None:
        """From now on the run stops when this says so."""
        self._guard = guard

    def abandon(self) -> None:
        """`signoff run` was killed, as every status line finds out: the first one stops and drains, the next one cuts."""
        if not self._stop.is_set():
            self._find(
                "abandoned",
                "`signoff run` was killed",
                "simulated endpoints ended with it, so the last requests failed for no fault of theirs",
                "run again",
            )
        self.interrupt()

    def lose_all_but(self, present: Container[str | None]) -> None:
        """`present` are the clients that Locust still hears of."""
        for client, index in self._clients.items():
            if index < self._workers and client not in present:
                self._lose(index)

    def interrupt(self) -> None:
        """Once: stop and drain. Twice: cut what is in flight."""
        if self._stop.is_set():
            self._cut_now.set()
        self._codes.add(ExitCode.INTERRUPTED)
        self._stop.set()

    def play(self) -> None:
        """The whole run; `over` is set at its end, whatever happened."""
        ticker = gevent.spawn(self._tick)
        try:
            if not self._wait(lambda: self.populated.is_set() or self.stopped, READY_S):
                self._find("not_started", "the users were not spawned within a minute", "nothing was measured", "see the log")
            if self.populated.is_set():
                self._write_manifest("running")
                self._blocks()
            if self.ready:
                self._end()
        except Exception as bug:
            log.exception("the conductor failed")
            self._codes.add(ExitCode.BUG)
            self._find("internal", f"the conductor failed: {bug!r}", "the plan was not played to its end", "report it")
        finally:
            ticker.kill()
            self._close()

    def _close(self) -> None:
        self._source.stop()
        try:
            reserve.free(self._run)
            self._write_manifest(self._final_state())
            self._show()
        finally:
            self.over.set()

    def _note_full_disk(self, what: str) -> None:
        """Stop and drain; what is in flight, and the state, fit into the reserve."""
        reserve.free(self._run)
        if ExitCode.STORAGE not in self._codes:
            self._codes.add(ExitCode.STORAGE)
            self._find("storage", what, "the run was stopped, for no more could be written down", "free space and run again")
        self._stop.set()

    # the plan --------------------------------------------------------------------------------------------------------

    def _blocks(self) -> None:
        """All cells of the plan. Between two drains nothing stops; those that run at once are drained together."""
        for blocks in self._source.cells():
            self._add(blocks)
            for step in plan.steps(blocks):
                if self._stop.is_set():
                    return
                self._play(step)
            is_whole = not self._stop.is_set()
            self._drain()
            if is_whole and not self._cut_now.is_set():
                self._note_played(blocks)
            if self._stop.is_set():
                return  # nobody may judge what was cut

    def _play(self, step: tuple[Block, ...]) -> None:
        """Until its time is over, or the source has seen enough, or the run stops; an evaluation until it is worked off."""
        began, block = time.monotonic(), step[0]
        self._block, self._beside, self._phase = block, step[1:], block.phase
        self._ends_at = began + block.seconds if block.seconds else 0.0
        self._tell(messages.OPEN, messages.Open(step))
        if not block.seconds:
            self._wait(lambda: self.stopped or self._is_worked_off(block), math.inf)
            return
        while (left_s := self._ends_at - time.monotonic()) > 0 and not self._stop.wait(min(left_s, BEAT_S)):
            if self._source.is_over(block, time.monotonic() - began):
                return

    def _is_worked_off(self, block: Block) -> bool:
        return all(self._worked_off.get(index) == block.id for index in range(self._workers))

    def _add(self, blocks: tuple[Block, ...]) -> None:
        """What was not planned before the run is in the manifest before it is played."""
        if blocks[0] not in self._manifest.plan:
            self._manifest = msgspec.structs.replace(self._manifest, plan=(*self._manifest.plan, *blocks))
            self._write_manifest("running")

    def _note_played(self, blocks: tuple[Block, ...]) -> None:
        """What a later session need not play again, whatever ends this one."""
        played = dict.fromkeys([*self._manifest.played, *(block.cell for block in blocks)])
        self._manifest = msgspec.structs.replace(self._manifest, played=tuple(played))
        self._write_manifest("running")

    def _drain(self) -> None:
        """No new requests; wait for those in flight, up to the drain limit, then cut them."""
        self._phase, self._ends_at = "drain", time.monotonic() + self._drain_s
        self._step += 1
        self._tell(messages.CLOSE, messages.Order(self._step, drop=self.stopped))
        if not self._wait(lambda: self._all_idle() or self._cut_now.is_set(), self._drain_s) or self._cut_now.is_set():
            self._tell(messages.CUT, messages.Cut(at_limit=not self.stopped))
            self._wait(self._all_idle, CUT_S)

    def _end(self) -> None:
        self._drain()
        self._phase, self._ends_at = "finishing", time.monotonic() + BYE_S
        self._tell(messages.FINISH, messages.Order(self._step))
        self._wait(lambda: len(self._byes.keys() | self._gone) >= self._workers, BYE_S)
        for index in range(self._workers):
            self._lose(index)

    def _lose(self, index: int) -> None:
        """A worker is gone. Nothing that the others still measure would be valid, so it is not asked for."""
        if index in self._byes or index in self._gone:
            return
        self._gone.add(index)
        self._stop.set()
        self._find(
            "worker_lost",
            f"worker {index} ended or fell silent before its last word",
            "requests that it had in flight have no end line and count as lost",
            "look for what ended it (memory?), free memory or processor time and run again",
        )

    def _all_idle(self) -> bool:
        done = {index for index, step in self._idle.items() if step == self._step}
        return len(done | self._gone) >= self._workers

    @staticmethod
    def _wait(holds: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= until:
                return False
            gevent.sleep(POLL_S)
        return True

    # what workers say ------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return len(self._ready) == self._workers

    @property
    def stopped(self) -> bool:
        return bool(self._stop.is_set())

    def _on_hello(self, hello: messages.Hello) -> None:
        """Tell a worker which run this is and which worker it is; a worker that nobody expects gets no answer."""
        index = self._clients.setdefault(hello.client, len(self._clients))
        if index < self._workers:
            setup = messages.Setup(str(self._run), index, self._workers)
            messages.say(self._runner, messages.SETUP, setup, hello.client)

    def _on_ready(self, ready: messages.Ready) -> None:
        self._ready.add(ready.index)

    def _on_idle(self, idle: messages.Idle) -> None:
        self._idle[idle.index] = idle.step

    def _on_done(self, done: messages.Done) -> None:
        self._worked_off[done.index] = done.block

    def _on_interval(self, interval: messages.Interval) -> None:
        self._state[interval.index] = interval
        self.totals.merge(interval.counts)
        if interval.health is not None:
            self.health[interval.index] = interval.health
        if interval.storage is not None:
            self._note_full_disk(interval.storage)

    def _on_bye(self, bye: messages.Bye) -> None:
        self._byes[bye.index] = bye
        if bye.invalid:
            self._codes.add(ExitCode.BUG if "internal" in bye.invalid else ExitCode.INVALID)

    def _on_failed(self, failed: messages.Failed) -> None:
        self._gone.add(failed.index)
        self._codes.add(ExitCode.BUG if failed.bug else ExitCode.USAGE)
        self._find("worker_failed", failed.error, "this worker makes no load", "see the log above")
        self._stop.set()

    # telling ---------------------------------------------------------------------------------------------------------

    def _tell(self, name: str, message: msgspec.Struct) -> None:
        messages.say(self._runner, name, message)

    def _tick(self) -> None:
        for number in itertools.count():
            self._tell(messages.BEAT, messages.Beat(number))
            self._check_guard()
            self._show()
            gevent.sleep(BEAT_S)

    def _check_guard(self) -> None:
        if self._guard is None or self.stopped:
            return
        breach = self._guard.breach(self.totals, time.monotonic() - self._began)
        if breach is not None:
            log.error("%s: %s", breach.code, breach.what)
            self._findings.append(breach)
            self._codes.add(ExitCode.GUARD)
            self._stop.set()

    def _show(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self._progress())

    def _progress(self) -> Progress:
        state = self._state.values()
        return Progress(
            block=self._block,
            beside=self._beside,
            number=0 if self._block is None else self._block.id + 1 + len(self._beside),
            of=len(self._manifest.plan),
            phase=self._phase,
            seconds_left=max(0.0, self._ends_at - time.monotonic()) if self._ends_at else 0.0,
            in_flight=sum(interval.in_flight for interval in state),
            started=sum(interval.started for interval in state),
            ended=sum(interval.ended for interval in state),
        )

    def _find(self, code: str, what: str, why: str, remedy: str) -> None:
        log.error("%s: %s", code, what)
        self._findings.append(Finding(code=code, what=what, why=why, remedy=remedy, invalid=True))
        self._codes.add(ExitCode.INVALID)

    def _final_state(self) -> str:
        if self._block is None:
            return "interrupted" if self._manifest.sessions else "planned"  # it did not come to its first block
        if ExitCode.STORAGE in self._codes:
            return "failed_storage"
        if any(finding.invalid for finding in self._findings):
            return "degraded"
        if ExitCode.GUARD in self._codes:
            return "stopped_by_guard"
        return "interrupted" if ExitCode.INTERRUPTED in self._codes else "complete"

    def _write_manifest(self, state: str) -> None:
        """On a full disk once more, into the room that was kept for it."""
        try:
            results.write_manifest(self._run, self._as_it_is(state))
        except StorageError as full:
            self._note_full_disk(str(full))
            with suppress(StorageError):  # the exit code says it all the same
                results.write_manifest(self._run, self._as_it_is("failed_storage"))

    def _as_it_is(self, state: str) -> Manifest:
        now = None if state in ("planned", "running") else datetime.now(UTC).isoformat(timespec="seconds")
        return msgspec.structs.replace(
            self._manifest,
            state=state,
            findings=tuple(self._findings),
            workers=self._workers,
            finished_utc=now,
            searches=self._source.searched,
        )
