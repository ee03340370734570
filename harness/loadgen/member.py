"""The worker's end of the protocol: obeys the master's messages and reports once a second."""

import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gevent
import msgspec
from gevent import get_hub
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust.exception import RPCError, RPCSendError
from locust.runners import WorkerRunner

from harness.credentials import Secrets
from harness.errors import ExitCode, HarnessError
from harness.loadgen import children, door, home, messages
from harness.loadgen.courier import Courier
from harness.loadgen.home import Own
from harness.loadgen.lanes import Rank
from harness.loadgen.schedule import Calls
from harness.loadgen.unsent import STOPPED
from harness.loadgen.user import ReplayUser
from harness.loadgen.worker import Worker
from harness.measure import timing
from harness.measure.recorder import finished
from harness.records import AttemptEnd, AttemptStart, Finding, Manifest
from harness.worker_host import files_of

log = logging.getLogger(__name__)
REPORT_S = 1.0
ORPHAN_S = 3.0
HELLO_S = 0.2
POLL_S = 0.01
BREATH_S = 0.001
WATCH_S = 0.2
NOTED_S = 0.2
CUT_S = 2.0
BYE_AGAIN_S = 0.5
LEAVE_S = 1.5

Order = TypeVar("Order")
CallsOf = Callable[[Manifest], Calls]
Keys = Callable[[Manifest], Mapping[str, Secrets]]


class Member:
    """Made in every process that has users. `calls` and `keys` make prompts and keys from the manifest, on this host.

    own  what this host has for a run whose directory it does not see
    """

    def __init__(self, runner: Any, calls: CallsOf, keys: Keys, own: Own | None = None) -> None:
        self._runner, self._calls, self._keys, self._own = runner, calls, keys, own or Own()
        self._courier: Courier | None = None
        self._beat: tuple[int, int] | None = None
        self._worker: Worker | None = None
        self._index = -1
        self._heard_at = 0.0
        self._members: tuple[int, ...] | None = None
        self._reporting = BoundedSemaphore()
        self._unsaid: deque[messages.Interval] = deque()
        self._reports, self._asked_at = 0, 0.0
        self._noted, self._bye_heard = Event(), Event()
        self._is_leaving = False
        messages.listen(runner, messages.SETUP, messages.Setup, self._obey(self._setup))
        messages.listen(runner, messages.OPEN, messages.Open, self._obey(self._open))
        messages.listen(runner, messages.CLOSE, messages.Order, self._obey(self._close))
        messages.listen(runner, messages.CUT, messages.Cut, self._obey(self._cut))
        messages.listen(runner, messages.FINISH, messages.Order, self._obey(self._finish))
        messages.listen(runner, messages.BEAT, messages.Beat, self._heard)
        messages.listen(runner, messages.KEPT, messages.Kept, self._on_kept)
        messages.listen(runner, messages.NOTED, messages.Noted, self._on_noted)
        messages.listen(runner, messages.BYE_HEARD, messages.ByeHeard, lambda _: self._bye_heard.set())
        gevent.spawn(self._say_hello)

    @property
    def is_set_up(self) -> bool:
        return self._worker is not None

    def _obey(self, handler: Callable[[Order], None]) -> Callable[[Order], None]:
        """Locust only logs what a handler raises; the master has to hear of it."""

        def guarded(order: Order) -> None:
            try:
                handler(order)
            except HarnessError as mistake:
                log.error("%s", mistake)  # noqa: TRY400 - the user's mistake, on one screen
                self._say(messages.FAILED, messages.Failed(self._index, str(mistake), bug=False))
            except Exception as bug:
                log.exception("a worker failed")
                self._say(messages.FAILED, messages.Failed(self._index, repr(bug), bug=True))

        return guarded

    def _say_hello(self) -> None:
        while not self.is_set_up and self._index < 0:
            self._say(messages.HELLO, messages.Hello(getattr(self._runner, "client_id", None), os.getpid(), children.here()))
            gevent.sleep(HELLO_S)

    def _setup(self, setup: messages.Setup) -> None:
        if self._index >= 0:
            return  # the answer to an earlier hello
        self._index = setup.index
        run, manifest, is_own = home.settle(setup, self._own)
        self._worker = Worker(run, manifest, self._calls(manifest), self._keys(manifest), setup.index, setup.count)
        self._worker.on_end = self._tell_locust
        self._worker.on_worked_off = lambda block: self._say(messages.DONE, messages.Done(setup.index, block.id))
        self._worker.on_full = lambda: gevent.spawn(self._report)  # at once: the others go on until the master knows
        self._worker.on_ceiling = self._wait_for_room
        ReplayUser.worker = self._worker
        if is_own:
            self._courier = Courier(setup.index, {name: run / name for name in files_of(setup.index)}, self._send)
            gevent.spawn(self._courier.run)
        gevent.spawn(self._report_for_ever)
        gevent.spawn(self._sync_for_ever)
        if isinstance(self._runner, WorkerRunner):
            gevent.spawn(self._watch_master)
            signal.signal(signal.SIGTERM, lambda *_: gevent.spawn(self._leave, "was told to end (SIGTERM)"))
        self._say(messages.READY, messages.Ready(setup.index, socket.gethostname(), is_own))

    def _open(self, order: messages.Open) -> None:
        members = order.members or (self._index,)
        if self._index not in members:
            return  # given up: the next beat says so, too
        rank = Rank(members.index(self._index), len(members))
        at_once = sum(rank.share(block.concurrency) for block in order.blocks)
        self._at_work.ceiling.expect(max(at_once, sum(block.rate or 0.0 for block in order.blocks) / rank.of))
        self._at_work.open(order.blocks, rank)
        gevent.spawn(self._report)

    def _close(self, order: messages.Order) -> None:
        """Stop starting requests; answer when all that were in flight are in the journal."""
        self._at_work.close()
        if order.drop:
            self._at_work.drop_waiting(STOPPED)
        gevent.spawn(self._answer_when_idle, order.step)

    def _answer_when_idle(self, step: int) -> None:
        while not self._at_work.is_idle:
            gevent.sleep(POLL_S)
        self._report()
        self._say(messages.IDLE, messages.Idle(self._index, step))
        if self._courier is not None:
            self._courier.hurry()

    def _cut(self, cut: messages.Cut) -> None:
        if not self._at_work.closed:
            self._at_work.cut(at_limit=cut.at_limit)
        elif self._courier is not None:
            self._courier.give_up()

    def _finish(self, _: messages.Order) -> None:
        findings = self._at_work.finish(self._refused)
        self._report()
        gevent.spawn(self._say_bye, tuple(finding.code for finding in findings if finding.invalid))

    def _say_bye(self, invalid: tuple[str, ...]) -> None:
        """When the master has all that this worker keeps for itself, or will not get it; until it has heard this."""
        worker = self._at_work
        if self._courier is not None and not self._courier.deliver():
            self._log_kept()
        while not self._bye_heard.is_set():
            bye = messages.Bye(self._index, worker.started, worker.ended, invalid, self._reports, dict(worker.by_kind))
            self._say(messages.BYE, bye)
            self._bye_heard.wait(BYE_AGAIN_S)

    def _log_kept(self) -> None:
        """Where the master has not all of it."""
        if self._courier is not None:
            folder = self._courier.folder.absolute()
            log.error("what this worker wrote is kept in %s; bring it: signoff report RUN --collect THAT_FOLDER", folder)

    def _send(self, piece: messages.Piece) -> None:
        self._say(messages.PIECE, piece)

    def _on_kept(self, kept: messages.Kept) -> None:
        if self._courier is not None:
            self._courier.on_kept(kept)

    def _heard(self, beat: messages.Beat) -> None:
        self._heard_at, self._members = time.monotonic(), beat.members
        self._beat = beat.number, time.monotonic_ns()

    def _on_noted(self, noted: messages.Noted) -> None:
        self._at_work.ceiling.noted(noted.number)
        self._noted.set()

    def _wait_for_room(self) -> None:
        """A report, and that the master has noted it: so much may have been begun unheard, and no more.

        Subtle: many users wait here, and one report is enough for all; what is noted may be an older one, which gives no room.
        """
        worker = self._at_work
        with self._reporting:
            if worker.sent >= worker.ceiling.most and time.monotonic() - self._asked_at > NOTED_S:
                self._asked_at = time.monotonic()
                self._say_interval(worker)
        if worker.sent >= worker.ceiling.most:
            self._noted.clear()
            self._noted.wait(NOTED_S)

    def _watch_master(self) -> None:
        """Load without a master is load that nobody stops: Locust's own time-out is a minute, ours three seconds.

        Subtle: who stood still may find beats from before. The master has gone on without it, so it must not.
        """
        self._heard_at = looked_at = time.monotonic()
        while True:
            gevent.sleep(WATCH_S)
            before, looked_at = looked_at, time.monotonic()
            if self._members is not None and self._index not in self._members:
                self._leave("was given up by the master")
            elif looked_at - before > ORPHAN_S:
                self._leave(f"stood still for {looked_at - before:.0f} s")
            elif looked_at - self._heard_at > ORPHAN_S:
                self._leave(f"has not heard its master for {ORPHAN_S:.0f} s")

    def _leave(self, why: str) -> None:
        """Nothing new from now on, and what is in flight is cut; then the last word, and away, without Locust's farewells.

        Subtle: Locust's own way out would wait for the master, and end users before what they saw is written down.
        """
        if self._is_leaving:
            return
        self._is_leaving = True
        log.error("worker %s %s: it stops", self._index, why)
        worker = self._at_work
        if not worker.closed:
            self._say(messages.LEAVING, messages.Leaving(self._index, why))
            worker.close()
            worker.cut(at_limit=False)
            with gevent.Timeout(CUT_S, False):
                while not worker.is_idle:
                    gevent.sleep(POLL_S)
            self._finish(messages.Order(0))
        self._bye_heard.wait(LEAVE_S)
        if not self._bye_heard.is_set():
            self._log_kept()
        os._exit(ExitCode.OK if self._bye_heard.is_set() else ExitCode.INVALID)

    def _tell_locust(self, start: AttemptStart, end: AttemptEnd) -> None:
        """Locust's own table and page: its numbers are rounded and feed nothing of ours."""
        e2e = timing.done_ns(end)
        self._runner.environment.events.request.fire(
            request_type=end.kind,
            name=f"{start.endpoint} @{start.level}",
            response_time=0 if e2e is None else e2e / 1e6,
            response_length=0 if end.answer_chars is None else end.answer_chars,
            exception=None if end.kind == "ok" else end.kind,
            context={},
        )

    def _report_for_ever(self) -> None:
        while True:
            due = time.monotonic() + REPORT_S
            self._report()
            gevent.sleep(max(0.0, due - time.monotonic()))

    def _sync_for_ever(self) -> None:
        """Beside the reports: a slow disk must not look like a lost worker, nor a lost master keep lines from the disk."""
        pool = get_hub().threadpool
        while not self._at_work.closed:
            storing = self._at_work.storing
            failed = pool.apply(storing.sync)  # fdatasync blocks for milliseconds: off the hub
            if failed is not None:
                storing.fail(failed)
            gevent.sleep(REPORT_S)

    def _report(self) -> None:
        """One at a time: who says that all is told waits for the report that is being made."""
        with self._reporting:
            self._say_interval(self._at_work)

    def _say_interval(self, worker: Worker) -> None:
        """In steps of a millisecond or two, for sockets and arrivals do not wait. What cannot be sent goes before the next."""
        worker.tell()
        started, ended = worker.started, worker.ended  # as counted now: more have ended when these steps have
        counts = finished(worker.recorder.flushing(), _breathe)
        _breathe()
        health = worker.health()
        _breathe()
        more = worker.ceiling.said(self._reports, worker.sent, time.monotonic())
        self._unsaid.append(
            messages.Interval(
                index=self._index,
                counts=counts,
                in_flight=worker.in_flight,
                started=started,
                ended=ended,
                storage=worker.storing.failed,
                health=health,
                sizes={} if self._courier is None else self._courier.sizes(),
                echo=self._echo(),
                number=self._reports,
                ceiling=worker.started + more,
                most=worker.sent + more,
            )
        )
        self._reports += 1
        while self._unsaid and self._say(messages.INTERVAL, self._unsaid[0]):
            self._unsaid.popleft()

    def _echo(self) -> messages.Echo | None:
        """Asked last: its message is sent at once."""
        if self._beat is None:
            return None
        return messages.Echo(*self._beat, time.monotonic_ns(), time.time_ns())

    @property
    def _refused(self) -> list[Finding]:
        return door.findings(self._runner, f"worker {self._index}")

    @property
    def _at_work(self) -> Worker:
        assert self._worker is not None, "the master sets a worker up before anything else"
        return self._worker

    def _say(self, name: str, message: msgspec.Struct) -> bool:
        """False where it could not be sent: Locust makes its connection anew, and whoever must be heard says it again."""
        try:
            messages.say(self._runner, name, message)
        except (RPCError, RPCSendError) as failed:
            log.error("%s could not be sent: %s", name, failed)  # noqa: TRY400 - the trace is Locust's
            return False
        return True


def _breathe() -> None:
    """Time for the drain, between two steps of a report."""
    gevent.sleep(BREATH_S)
