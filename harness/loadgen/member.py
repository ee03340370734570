"""The worker's end of the protocol: obeys the master's messages and reports once a second."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import gevent
import msgspec
from gevent import get_hub
from gevent.lock import BoundedSemaphore
from locust.runners import WorkerRunner

from harness import results
from harness.credentials import Secrets
from harness.errors import ExitCode, HarnessError
from harness.loadgen import messages
from harness.loadgen.schedule import Calls
from harness.loadgen.user import ReplayUser
from harness.loadgen.worker import STOPPED, Worker
from harness.measure import timing
from harness.measure.recorder import finished
from harness.records import AttemptEnd, AttemptStart, Manifest

log = logging.getLogger(__name__)
REPORT_S = 1.0
ORPHAN_S = 3.0
HELLO_S = 0.2
POLL_S = 0.01
BREATH_S = 0.001

Order = TypeVar("Order")
CallsOf = Callable[[Manifest], Calls]
Keys = Callable[[Manifest], Mapping[str, Secrets]]


class Member:
    """Made in every process that has users. `calls` and `keys` make prompts and keys from the manifest, on this host."""

    def __init__(self, runner: Any, calls: CallsOf, keys: Keys) -> None:
        self._runner, self._calls, self._keys = runner, calls, keys
        self._worker: Worker | None = None
        self._index = -1
        self._heard_at = 0.0
        self._reporting = BoundedSemaphore()
        messages.listen(runner, messages.SETUP, messages.Setup, self._obey(self._setup))
        messages.listen(runner, messages.OPEN, messages.Open, self._obey(self._open))
        messages.listen(runner, messages.CLOSE, messages.Order, self._obey(self._close))
        messages.listen(runner, messages.CUT, messages.Cut, self._obey(self._cut))
        messages.listen(runner, messages.FINISH, messages.Order, self._obey(self._finish))
        messages.listen(runner, messages.BEAT, messages.Beat, self._heard)
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
                self._say(messages.FAILED, messages.Failed(self._index, str(mistake), bug=False))
            except Exception as bug:
                log.exception("a worker failed")
                self._say(messages.FAILED, messages.Failed(self._index, repr(bug), bug=True))

        return guarded

    def _say_hello(self) -> None:
        while not self.is_set_up and self._index < 0:
            self._say(messages.HELLO, messages.Hello(getattr(self._runner, "client_id", None)))
            gevent.sleep(HELLO_S)

    def _setup(self, setup: messages.Setup) -> None:
        if self._index >= 0:
            return  # the answer to an earlier hello
        run = Path(setup.run)
        manifest = results.read_manifest(run)
        self._index = setup.index
        self._worker = Worker(run, manifest, self._calls(manifest), self._keys(manifest), setup.index, setup.count)
        self._worker.on_end = self._tell_locust
        self._worker.on_worked_off = lambda block: self._say(messages.DONE, messages.Done(setup.index, block.id))
        self._worker.on_full = lambda: gevent.spawn(self._report)  # at once: the others go on until the master knows
        ReplayUser.worker = self._worker
        gevent.spawn(self._report_for_ever)
        if isinstance(self._runner, WorkerRunner):
            gevent.spawn(self._watch_master)
        self._say(messages.READY, messages.Ready(setup.index))

    def _open(self, order: messages.Open) -> None:
        self._at_work.open(order.blocks)

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

    def _cut(self, cut: messages.Cut) -> None:
        self._at_work.cut(at_limit=cut.at_limit)

    def _finish(self, _: messages.Order) -> None:
        worker = self._at_work
        findings = worker.finish()
        self._report()
        invalid = tuple(finding.code for finding in findings if finding.invalid)
        self._say(messages.BYE, messages.Bye(self._index, worker.started, worker.ended, invalid))

    def _heard(self, _: messages.Beat) -> None:
        self._heard_at = time.monotonic()

    def _watch_master(self) -> None:
        """Load without a master is load that nobody stops: Locust's own time-out is a minute, ours three seconds."""
        self._heard_at = time.monotonic()
        while time.monotonic() - self._heard_at < ORPHAN_S:
            gevent.sleep(0.2)
        log.error("the master has been silent for %.0f s: this worker stops", ORPHAN_S)
        worker = self._at_work
        worker.close()
        worker.cut(at_limit=False)
        gevent.sleep(0.1)  # the cut exchanges' users put their end lines into the queue
        if not worker.closed:
            worker.finish()
        os._exit(ExitCode.INVALID)  # Locust's own way out would wait for the master

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
        pool = get_hub().threadpool
        while True:
            due = time.monotonic() + REPORT_S
            self._report()
            if not self._at_work.closed:
                failed = pool.apply(self._at_work.sync)  # fdatasync blocks for milliseconds: off the hub
                if failed is not None:
                    self._at_work.fail(failed)
            gevent.sleep(max(0.0, due - time.monotonic()))

    def _report(self) -> None:
        """One at a time: who says that all is told waits for the report that is being made."""
        with self._reporting:
            self._say_interval(self._at_work)

    def _say_interval(self, worker: Worker) -> None:
        """In steps of a millisecond or two, for sockets and arrivals do not wait."""
        worker.tell()
        counts = finished(worker.recorder.flushing(), _breathe)
        _breathe()
        health = worker.health()
        _breathe()
        interval = messages.Interval(
            index=self._index,
            counts=counts,
            in_flight=worker.in_flight,
            started=worker.started,
            ended=worker.ended,
            storage=worker.storage,
            health=health,
        )
        self._say(messages.INTERVAL, interval)

    @property
    def _at_work(self) -> Worker:
        assert self._worker is not None, "the master sets a worker up before anything else"
        return self._worker

    def _say(self, name: str, message: msgspec.Struct) -> None:
        messages.say(self._runner, name, message)


def _breathe() -> None:
    """Time for the drain, between two steps of a report."""
    gevent.sleep(BREATH_S)
