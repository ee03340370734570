"""The master's end of the protocol: plays the plan block by block, and ends the run so that nothing is lost.

It owns time (Locust's run time and stop are never used). The end is: stop, drain, cut what is left, last flush, goodbye, quit.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event

from harness.errors import ExitCode
from harness.health import Health
from harness.loadgen import children, hosts, messages, plan
from harness.loadgen.guard import Guard
from harness.loadgen.hosts import Hosts
from harness.loadgen.plan import Fixed, Source
from harness.loadgen.population import Population
from harness.loadgen.progress import Progress
from harness.loadgen.roster import Roster
from harness.loadgen.standing import Standing
from harness.measure.recorder import Totals
from harness.records import Block, Finding, Manifest

log = logging.getLogger(__name__)
BYE_S = 15.0
CUT_S = 5.0
READY_S = 60.0
POLL_S = 0.02
BEAT_S = 1.0


class Conductor:
    """`totals` are the merged counts of all workers, `health` is how each is; `on_progress` is called about once a second.
    `at_the_door` tells who was not let in.

    `source` gives the blocks, where they are not all in the manifest's plan.
    """

    def __init__(
        self, runner: Any, run: Path, manifest: Manifest, workers: int, drain_s: float, source: Source | None = None
    ) -> None:
        self.totals = Totals()
        self.health: dict[int, Health] = {}
        self.populated, self.over = Event(), Event()
        self.on_progress: Callable[[Progress], object] | None = None
        self.at_the_door: Callable[[], list[Finding]] = list
        self._source = Fixed(manifest.plan, manifest.played) if source is None else source
        self._users = Population(runner, self._source.users, len(plan.lanes(manifest.plan)))
        self.population = self._users.on(workers)
        self._roster = Roster(workers, time.monotonic, children.has_ended)
        self._standing = Standing(run, manifest, workers)
        self._standing.beside = lambda: [*self._roster.findings(), *self.at_the_door()]
        self._hosts = Hosts(runner, run, self._note_full_disk)
        self._runner, self._workers, self._drain_s = runner, workers, drain_s
        self._stop, self._cut_now = Event(), Event()
        self._halt = Event()  # what is being played is over: the run stops, or a worker is gone
        self._at_stake: tuple[int, ...] = ()
        self._is_broken = self._is_short = False
        self._ends: list[gevent.Greenlet] = []
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
        messages.listen(runner, messages.LEAVING, messages.Leaving, self._on_leaving)
        messages.listen(runner, messages.FAILED, messages.Failed, self._on_failed)

    @property
    def exit_code(self) -> ExitCode:
        return self._standing.exit_code

    def guard(self, guard: Guard) -> None:
        """From now on the run stops when this says so."""
        self._guard = guard

    def abandon(self) -> None:
        """`signoff run` was killed, as every status line finds out: the first one stops and drains, the next one cuts."""
        if not self._stop.is_set():
            self._standing.find(
                "abandoned",
                "`signoff run` was killed",
                "simulated endpoints ended with it, so the last requests failed for no fault of theirs",
                "run again",
            )
        self.interrupt()

    def look(self, clients: Iterable[str | None], missing: int = 0) -> None:
        """Whether all workers are still there. `clients` are those that Locust has; `missing` ended before they said a word."""
        if missing and not self.stopped:
            self._standing.not_ready(missing, self._workers)
            self._stop_now()
        for index, why in list(self._roster.missing(clients)):
            self._lose(index, why)

    def interrupt(self) -> None:
        """Once: stop and drain. Twice: cut what is in flight."""
        if self._stop.is_set():
            self._cut_now.set()
        self._standing.note(ExitCode.INTERRUPTED)
        self._stop_now()

    def _stop_now(self) -> None:
        self._stop.set()
        self._halt.set()

    def play(self) -> None:
        """The whole run; `over` is set at its end, whatever happened."""
        ticker = gevent.spawn(self._tick)
        try:
            if not self._wait(lambda: self.populated.is_set() or self.stopped, READY_S):
                self._standing.not_started("nothing was measured")
            if self.populated.is_set():
                self._write_manifest()
                self._blocks()
            if self.ready:
                self._end()
        except Exception as bug:
            log.exception("the conductor failed")
            self._standing.note(ExitCode.BUG)
            self._standing.find("internal", f"the conductor failed: {bug!r}", "the plan was not played to its end", "report it")
        finally:
            ticker.kill()
            self._close()

    def _close(self) -> None:
        self._source.stop()
        gevent.joinall(self._ends)
        try:
            self._hosts.close()
            self._write_manifest(is_running=False)
            self._show()
        finally:
            self.over.set()

    def _note_full_disk(self, what: object) -> None:
        """Of any process: stop and drain."""
        self._standing.note_full_disk(str(what))
        self._stop_now()

    # the plan --------------------------------------------------------------------------------------------------------

    def _blocks(self) -> None:
        """All cells of the plan. One in which a worker was lost is given up, and the source plays it again."""
        for blocks in self._source.cells():
            self._add(blocks)
            self._regroup()
            is_whole = self._play_cell(blocks)
            comes_again = self._is_broken and not self.stopped
            if comes_again:
                self._standing.extend(self._source.give_up())
            if is_whole or comes_again:
                self._standing.played(blocks)
                self._write_manifest()
            if self.stopped:
                return  # nobody may judge what was cut

    def _play_cell(self, blocks: tuple[Block, ...]) -> bool:
        """Between two drains nothing stops; cells that run at once are drained together. False where it is not whole."""
        self._at_stake = tuple(dict.fromkeys(block.cell for block in blocks))
        self._is_broken = False
        if not self.stopped:
            self._halt.clear()
        for step in plan.steps(blocks):
            if not self._halt.is_set():
                self._play(step)
        is_whole = not self.stopped
        if is_whole:
            self._drain()
        self._at_stake = ()
        return is_whole and not self._cut_now.is_set() and not self._is_broken

    def _regroup(self) -> None:
        """The users of who is gone go to the others."""
        while self._is_short and not self.stopped:
            self._is_short = False
            self._phase = "regrouping"
            self.populated.clear()
            self._users.spawn(len(self._roster.members))
            if not self._wait(lambda: self.populated.is_set() or self.stopped or self._is_short, READY_S):
                self._standing.not_started("the plan was not played to its end")
                self._stop_now()

    def _play(self, step: tuple[Block, ...]) -> None:
        """Until its time is over, or the source has seen enough, or it is worked off, or it is to be left."""
        block = step[0]
        self._block, self._beside, self._phase = block, step[1:], block.phase
        self._ends_at = time.monotonic() + block.seconds if block.seconds else 0.0
        self._roster.opened()
        self._tell(messages.OPEN, messages.Open(step, self._roster.members))
        if block.seconds and block.requests is None:
            self._play_for(block)
            return
        numbers = {each.id for each in step}
        if not self._wait(lambda: self._halt.is_set() or self._roster.all_worked_off(numbers), block.seconds or math.inf):
            self._note_unfinished(block)

    def _play_for(self, block: Block) -> None:
        began = time.monotonic()
        while (left_s := self._ends_at - time.monotonic()) > 0 and not self._halt.wait(min(left_s, BEAT_S)):
            if self._source.is_over(block, time.monotonic() - began):
                return

    def _note_unfinished(self, block: Block) -> None:
        what = f"{block.endpoint} at {block.words} had not made its {block.requests:,} requests in {block.seconds:g} s"
        why = "the requests of this window are fewer, and which they are depends on how fast each user was"
        remedy = "lengthen load.measure_s, or lower load.requests"
        self._standing.note(ExitCode.OK, Finding(code="requests_unfinished", what=what, why=why, remedy=remedy))

    def _add(self, blocks: tuple[Block, ...]) -> None:
        """What was not planned before the run is in the manifest before it is played."""
        if self._standing.extend(blocks):
            self._write_manifest()

    def _drain(self) -> None:
        """No new requests; wait for those in flight, up to the drain limit, then cut them."""
        self._phase, self._ends_at = "drain", time.monotonic() + self._drain_s
        self._step += 1
        self._tell(messages.CLOSE, messages.Order(self._step, drop=self.stopped or self._is_broken))
        if not self._wait(lambda: self._all_idle() or self._cut_now.is_set(), self._drain_s) or self._cut_now.is_set():
            self._tell(messages.CUT, messages.Cut(at_limit=not self.stopped))
            self._wait(self._all_idle, CUT_S)
        if not isinstance(self._source, Fixed) and not self._hosts.has_all(self._roster, lambda: self.stopped):
            self._standing.find(*hosts.LATE)
            self._stop_now()

    def _end(self) -> None:
        self._drain()
        self._phase, self._ends_at = "finishing", time.monotonic() + BYE_S
        self._tell(messages.FINISH, messages.Order(self._step))
        self._wait(self._all_left, BYE_S)
        if not self._hosts.are_near:
            self._hosts.wait(lambda: self._all_left() or self._cut_now.is_set())
        if self._cut_now.is_set() and not self._all_left():
            self._tell(messages.CUT, messages.Cut(at_limit=False))
            self._wait(self._all_left, CUT_S)
        if not self._hosts.are_whole:
            log.error("not all journals have come: `signoff report` says what is missing, and how to bring it")
            self._standing.note(ExitCode.INVALID)
        for index in self._roster.members:
            self._lose(index, f"did not say its last word within {BYE_S:.0f} s")
        unflushed = self._roster.unflushed(self.totals.by_kind)
        if unflushed is not None:
            self._standing.note(ExitCode.INVALID, unflushed)

    def _lose(self, index: int, why: str) -> None:
        """The others go on; the cell that it had a part in is worth nothing, and is played again."""
        others = any(other != index for other in self._roster.members)
        goes_on = others and not self.stopped and self._phase not in ("starting", "finishing")
        at_stake = self._at_stake if self._roster.owes(index) else ()
        if not self._roster.lose(index, why, at_stake if goes_on else ()):
            return
        self._is_broken = self._is_broken or bool(at_stake)
        log.error("worker %s %s", index, why)
        self._standing.note(ExitCode.INVALID)
        self._send_away(index)
        if not goes_on:
            self._stop_now()
            return
        self._is_short = True
        if at_stake:
            self._halt.set()

    def _send_away(self, index: int) -> None:
        """It may be there still, and make load that nobody asks for."""
        self.health.pop(index, None)
        client = self._roster.client(index)
        if client is not None:
            self._users.dismiss(client)
            messages.say(self._runner, messages.BEAT, messages.Beat(0, self._roster.members), client)
        self._ends.append(gevent.spawn(children.end, *self._roster.process(index)))

    def _all_left(self) -> bool:
        return self._roster.all_said_bye

    def _all_idle(self) -> bool:
        return self._roster.all_idle(self._step)

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
        return self._roster.is_ready

    @property
    def stopped(self) -> bool:
        return bool(self._stop.is_set())

    def _on_hello(self, hello: messages.Hello) -> None:
        """Tell a worker which run this is and which worker it is; a worker that nobody expects gets no answer."""
        index = self._roster.enter(hello)
        if index is not None:
            self._hosts.set_up(hello.client, index, self._workers, self._users.on(1))

    def _on_ready(self, ready: messages.Ready) -> None:
        self._hosts.ready(ready)
        self._roster.ready(ready.index)

    def _on_idle(self, idle: messages.Idle) -> None:
        self._roster.idle(idle.index, idle.step, self._step)

    def _on_done(self, done: messages.Done) -> None:
        self._roster.worked_off(done.index, done.block)

    def _on_interval(self, interval: messages.Interval) -> None:
        self._hosts.interval(interval)
        self._roster.report(interval)
        self._answer(interval.index, messages.NOTED, messages.Noted(interval.number))
        self.totals.merge(interval.counts)
        if interval.health is not None:
            self.health[interval.index] = interval.health
        if interval.storage is not None:
            self._note_full_disk(interval.storage)

    def _on_bye(self, bye: messages.Bye) -> None:
        self._hosts.bye(bye.index)
        self._roster.bye(bye)
        self._answer(bye.index, messages.BYE_HEARD, messages.ByeHeard(bye.index))
        if bye.invalid:
            self._standing.note(ExitCode.BUG if "internal" in bye.invalid else ExitCode.INVALID)

    def _on_leaving(self, leaving: messages.Leaving) -> None:
        """Its last word follows; where the run is ending anyway it is waited for."""
        if not self.stopped:
            self._lose(leaving.index, leaving.why)

    def _on_failed(self, failed: messages.Failed) -> None:
        self._roster.fail(failed.index)
        self._standing.note(ExitCode.BUG if failed.bug else ExitCode.USAGE)
        self._standing.find("worker_failed", failed.error, "this worker makes no load", "see the log above")
        self._stop_now()

    # telling ---------------------------------------------------------------------------------------------------------

    def _tell(self, name: str, message: msgspec.Struct) -> None:
        messages.say(self._runner, name, message)

    def _answer(self, index: int, name: str, message: msgspec.Struct) -> None:
        messages.say(self._runner, name, message, self._roster.client(index))

    def _tick(self) -> None:
        for number in itertools.count():
            self._tell(messages.BEAT, self._hosts.beat(number, self._roster.members))
            self._check_guard()
            self._show()
            gevent.sleep(BEAT_S)

    def _check_guard(self) -> None:
        if self._guard is None or self.stopped:
            return
        breach = self._guard.breach(self.totals, time.monotonic() - self._began)
        if breach is not None:
            self._standing.note(ExitCode.GUARD, breach)
            self._stop_now()

    def _show(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self._progress())

    def _progress(self) -> Progress:
        state, members = self._roster.reports, self._roster.members
        return Progress(
            block=self._block,
            beside=self._beside,
            number=0 if self._block is None else self._block.id + 1 + len(self._beside),
            of=len(self._standing.plan),
            phase=self._phase,
            seconds_left=max(0.0, self._ends_at - time.monotonic()) if self._ends_at else 0.0,
            in_flight=sum(interval.in_flight for interval in state if interval.index in members),
            started=sum(interval.started for interval in state),
            ended=sum(interval.ended for interval in state),
        )

    def _write_manifest(self, *, is_running: bool = True) -> None:
        self._standing.update(self._roster.losses, self._source.searched, self._hosts.facts)
        if not self._standing.write(is_running=is_running, has_begun=self._block is not None):
            self._stop_now()
