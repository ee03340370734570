"""What one load-making process holds: prebuilt requests, journals, counters. Its users share it; it serves no HTTP.

Everything about an attempt that can wait (decoding, classification, the journal's end line, histograms) is done in the drain's
slices, after the user has sent its next request.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from harness.credentials import Secrets
from harness.health import Health
from harness.last_word import LastWord
from harness.load import ClosedLoad, EvaluationLoad
from harness.loadgen import attempt, collector, schedule, unsent
from harness.loadgen.attempt import Asked, Finished, Window
from harness.loadgen.ceiling import Ceiling
from harness.loadgen.dispatcher import Arrival
from harness.loadgen.drain import Drain
from harness.loadgen.exchange import STEP_BYTES, Exchange
from harness.loadgen.gate import Turn
from harness.loadgen.health import Watch, findings
from harness.loadgen.lanes import Lanes, Rank
from harness.loadgen.limiter import Limiter
from harness.loadgen.port import Port
from harness.loadgen.ration import Ration
from harness.loadgen.resolver import Resolver
from harness.loadgen.retrying import Retrying, Tried
from harness.loadgen.schedule import Calls
from harness.loadgen.seat import Seat
from harness.loadgen.storing import Storing
from harness.loadgen.talk import Place, Said, Sent, Waits, first_of, hold, said
from harness.measure.histogram import Values
from harness.measure.recorder import Recorder
from harness.records import (
    AttemptEnd,
    AttemptStart,
    Block,
    BlockMark,
    Call,
    Ending,
    Finding,
    Manifest,
    Phase,
)
from harness.scenario import Scenario
from harness.sessions import attempt_id, current
from harness.trial import Trial
from harness.wire.transcript import Transcript

ANSWERED = frozenset({"ok", "refused", "blocked_input", "blocked_output"})
BACKOFF_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
TOLD_TOGETHER = 32  # attempts: 0.3 ms


class Worker:
    """`index` of `count` workers; `calls` say what is asked."""

    def __init__(
        self, run: Path, manifest: Manifest, calls: Calls, keys: Mapping[str, Secrets], index: int, count: int
    ) -> None:
        scenario = Scenario.model_validate(manifest.scenario)
        self.drain = Drain()
        self.recorder = Recorder()
        self.in_flight = self.started = self.ended = self.sent = 0
        self.by_kind: Counter[str] = Counter()
        self.on_end: Callable[[AttemptStart, AttemptEnd], None] | None = None
        self.on_worked_off: Callable[[Block], object] = lambda _: None
        self.on_full: Callable[[], object] = lambda: None
        self.on_ceiling: Callable[[], object] = lambda: None
        self.ceiling = Ceiling()
        self.closed = self._is_full = False
        self._index, self._rank, self._session = index, Rank(index, count), current(manifest.sessions)
        self._load, self._plan = scenario.load, manifest.plan
        self._lanes = Lanes(scenario.load, manifest.plan, self.drain, self._refuse, self._tell_worked_off)
        self._calls, folder = calls, Path(manifest.dataset["folder"])
        self._ports = {
            name: Port(name, config, manifest.urls[name], keys[name], folder) for name, config in scenario.endpoints.items()
        }
        self._waits = Waits(self.drain.wake, self.drain.each_tick)
        self._asking = self._ask
        if isinstance(self._load, EvaluationLoad):
            self._asking = Retrying(self._load, self._try, self._waits, self._goes_on).ask
        self._first = (self._load.requests or 0) if isinstance(self._load, ClosedLoad) else 0  # that no number stands for
        self._limits = {name: config.limits for name, config in scenario.endpoints.items() if config.limits is not None}
        self._rations = {name: Ration(self._limiter(name), self.drain.wake, self.drain.each_tick) for name in self._limits}
        self._finished: list[tuple[AttemptStart, AttemptEnd, Values]] = []
        self._resolver = Resolver(self._note)
        self._windows: dict[int, Window] = {}
        self._blocks: tuple[Block, ...] = ()
        self.storing = Storing(run, manifest, index, self._stop)
        self._watch = Watch(self.drain)

    # blocks ----------------------------------------------------------------------------------------------------------

    def open(self, blocks: tuple[Block, ...], rank: Rank | None = None) -> None:
        """Enter the blocks of a step: this worker's share of their users, or of their arrivals, by its rank from now on."""
        self.close()
        self._take(rank or self._rank)
        for ration in self._rations.values():
            ration.resume()
        collector.calm()
        self._blocks = blocks
        self._plan = (*self._plan, *(block for block in blocks if block not in self._plan))  # that of a search grows
        users = [self._rank.share(block.concurrency) for block in blocks]
        now_ns = self._mark("open", zip(blocks, users, strict=True))
        for block in blocks:
            if block.phase is Phase.MEASURE:
                self._windows[block.cell] = Window(now_ns, None)
            self._lanes.open(block, now_ns, self._rank, self._plan, self._calls)

    def _take(self, rank: Rank) -> None:
        """Where there are fewer workers each has a larger part of a declared quota."""
        if rank != self._rank:
            self._rank = rank
            for name, ration in self._rations.items():
                ration.share(self._limiter(name))

    def _limiter(self, name: str) -> Limiter:
        return Limiter(self._limits[name], time.monotonic_ns(), self._rank.of)

    def _tell_worked_off(self, block: Block) -> None:
        self.on_worked_off(block)

    def close(self) -> None:
        """Leave the blocks: nobody starts another request, but for those that an open loop had due."""
        blocks, self._blocks = self._blocks, ()
        self._close_turns()
        if not blocks:
            return
        now_ns = self._mark("close", [(block, 0) for block in blocks])
        for block in blocks:
            if block.phase is Phase.MEASURE:
                self._windows[block.cell] = Window(self._windows[block.cell].open_ns, now_ns)

    def _close_turns(self) -> None:
        self._lanes.close(time.monotonic_ns())
        self._waits.interrupt()

    def cut(self, *, at_limit: bool) -> None:
        """What is still in flight ends as cancelled, with what was seen; at the drain limit it counts against the endpoint.

        Arrivals that still wait for a user are dropped.
        """
        self.drop_waiting(unsent.NO_USER if at_limit else unsent.STOPPED)
        for ration in self._rations.values():
            ration.cut()
        for exchange in list(self.drain.exchanges):
            exchange.end(Ending.CANCELLED, time.monotonic_ns(), attempt.DRAIN_LIMIT if at_limit else "cut by the user")

    def drop_waiting(self, why: str) -> None:
        for arrival in self._lanes.drop():
            self._drop(arrival, why)

    def _refuse(self, arrival: Arrival) -> None:
        self._drop(arrival, unsent.LINE_FULL)

    def _mark(self, edge: Literal["open", "close"], users: Iterable[tuple[Block, int]]) -> int:
        """Samples of this process end exactly where blocks do; blocks of one step begin and end together."""
        sample = self._watch.sample(self.in_flight)
        self._note(sample)
        for block, of_it in users:
            self._note(BlockMark(block=block.id, edge=edge, at_ns=sample.at_ns, users=of_it))
        return sample.at_ns

    # attempts --------------------------------------------------------------------------------------------------------

    def seat(self) -> Seat:
        return self._lanes.seat()

    def leave(self, seat: Seat) -> None:
        for transport in seat.transports.values():
            transport.close()

    def attempt(self, seat: Seat, turn: Turn) -> float:
        """One request of this user, or a whole conversation; returns seconds to pause before the next.

        The pause is not latency: it keeps a user whose endpoint fails at once from hammering it. What the last answer came to
        is known one request later, when it has been decoded. An open loop has its schedule, and no pauses.
        """
        position = turn.number
        if position is None:
            position = self._first + seat.next_position(turn.block, self._rank.user(seat.number))
        call = unsent.call_at(self._calls, turn.block, position, self.drain.bugs)
        if call.later is None:
            self._asking(seat, turn, call)
        else:
            hold(call, partial(self._asking, seat, turn), partial(self._has_thought, turn.block, position))
        return BACKOFF_S[min(seat.failures, len(BACKOFF_S) - 1)] if isinstance(self._load, ClosedLoad) else 0.0

    def _ask(self, seat: Seat, turn: Turn, call: Call, place: Place | None = None) -> Said | None:
        """From dispatch to the end of the response; of a turn that has a next one, until it has been decoded."""
        sent = self._send(seat, turn, call, place, None)
        return None if place is None or place.is_last else said(sent, self._waits.end(sent.start.id))

    def _try(self, seat: Seat, turn: Turn, call: Call, place: Place | None, trial: Trial) -> Tried:
        """The same in an evaluation: always until it has been decoded."""
        sent = self._send(seat, turn, call, place, trial)
        end = self._waits.end(sent.start.id)
        return Tried(sent.start, end, said(sent, end))

    def _send(self, seat: Seat, turn: Turn, call: Call, place: Place | None, trial: Trial | None) -> Sent:
        """One attempt, from dispatch to the end of the response."""
        block = turn.block
        port = self._ports[block.endpoint]
        transcript = Transcript(port.asked.dialect)
        now_ns = time.monotonic_ns()
        start = self._start(turn, call, self._rank.user(seat.number), now_ns, place, trial)
        self.in_flight, self.sent = self.in_flight + 1, self.sent + 1
        exchange = Exchange(transcript, port.deadlines, now_ns)
        try:
            unsent.check(call)
            request = port.request(call)
            if self._may_go(port, start, call, exchange):
                seat.transport(port, self.drain, self._resolver).perform(request, exchange)
            else:
                exchange.end(Ending.UNSENT, time.monotonic_ns(), unsent.NO_QUOTA)
        except Exception as bug:  # noqa: BLE001 - Locust would log it, and the arrival would be gone
            self.drain.bugs.append(bug)
            exchange.crash(bug, time.monotonic_ns())
        finally:
            self.in_flight -= 1  # who waits to be decoded has ended
            if exchange.ending is None:
                exchange.end(Ending.CANCELLED, time.monotonic_ns(), "the user was stopped")
            rest = (seat, start, exchange, transcript, port.asked, block.cell)
            short = exchange.received <= STEP_BYTES
            self.drain.later(partial(self._finish, *rest) if short else partial(next, self._finish_long(*rest), None))
        return Sent(start, exchange, transcript, port.asked)

    def _has_thought(self, block: Block, position: int, turn: int, done_ns: int) -> bool:
        """After thinking: whether the block is still open."""
        if self._is_open(block):
            self._waits.think(done_ns + schedule.think_ns(self._load, block, position, turn))
        return self._goes_on(block)

    def _goes_on(self, block: Block) -> bool:
        self.wait_for_room()
        return self._is_open(block)

    def wait_for_room(self) -> None:
        """Until more attempts may be begun than have been: nearly always at once."""
        while self.sent >= self.ceiling.most and not self.closed:
            self.on_ceiling()

    def _is_open(self, block: Block) -> bool:
        return self.storing.failed is None and any(each.id == block.id for each in self._blocks)

    def _start(
        self, turn: Turn, call: Call, user: int, begun_ns: int | None, place: Place | None = None, trial: Trial | None = None
    ) -> AttemptStart:
        """Its first line in the journal."""
        block, scheduled = turn.block, place is None or place.turn == 0
        id_ = attempt_id(self._session, self._index, self.started)
        start = AttemptStart(
            id=id_,
            endpoint=block.endpoint,
            level=block.level,
            phase=block.phase,
            block=block.id,
            example=call.example,
            user=user,
            dispatched_ns=begun_ns,
            scheduled_ns=turn.scheduled_ns if scheduled else None,
            waited_ns=turn.waited_ns if scheduled else 0,
            nonce=call.nonce,
            turn=place and place.turn,
            turns=place and place.turns,
            conversation=place and (place.conversation or id_),
            trial=trial and (trial if trial.first else Trial(trial.number, id_)),
        )
        self.started += 1
        self._note(start)
        return start

    def _may_go(self, port: Port, start: AttemptStart, call: Call, exchange: Exchange) -> bool:
        """Wait for the endpoint's declared quota, which uses up no deadline; False where the load was cut meanwhile."""
        ration = self._rations.get(port.name)
        if ration is None:
            return True
        may_go = ration.wait(start.id, call, port.most_tokens)
        now_ns = time.monotonic_ns()
        exchange.limited_ns = now_ns - exchange.begun_ns
        exchange.begun_ns = exchange.turn_ns = now_ns
        return may_go

    def _drop(self, arrival: Arrival, why: str) -> None:
        """It was due and nobody sent it: part of what was offered, so it has its two lines; on a full disk it only counts."""
        if self.storing.failed is not None:
            self.started, self.ended = self.started + 1, self.ended + 1
            return
        call = unsent.call_at(self._calls, arrival.block, arrival.number, self.drain.bugs)
        start = self._start(arrival.turn(time.monotonic_ns()), call, unsent.NOBODY, None, first_of(call))
        end = AttemptEnd(id=start.id, kind="dropped", error=why)
        self.ended += 1
        self._note(end)
        self._finished.append((start, end, ()))

    def _finish(
        self, seat: Seat, start: AttemptStart, exchange: Exchange, transcript: Transcript, asked: Asked, cell: int
    ) -> None:
        """In one step: the machinery of several would be a tenth of what a short answer costs."""
        done = attempt.finish(start, exchange, transcript, asked, self._windows.get(cell))
        if done.answer is not None:
            self.storing.write(self.storing.answers, done.answer)
        self._end(seat, start, done)

    def _finish_long(
        self, seat: Seat, start: AttemptStart, exchange: Exchange, transcript: Transcript, asked: Asked, cell: int
    ) -> Iterator[bool]:
        """In as many steps as fit between two drains each."""
        window, storing = partial(self._windows.get, cell), self.storing
        answers = storing.answers if storing.failed is None else None  # what room is left is for the ends of attempts
        done = yield from attempt.steps(start, exchange, transcript, asked, window, answers, storing.fail)
        self._end(seat, start, done)

    def _end(self, seat: Seat, start: AttemptStart, done: Finished) -> None:
        seat.failures = 0 if done.end.kind in ANSWERED else seat.failures + 1
        self._note(done.end)
        self._waits.ended(done.end)
        if start.endpoint in self._rations:
            self._rations[start.endpoint].settle(done.end, time.monotonic_ns())
        self.ended += 1
        self._finished.append((start, done.end, done.icl_ns))
        if len(self._finished) >= TOLD_TOGETHER:
            self.tell()

    def tell(self) -> None:
        """Count the attempts that have finished since the last call, for the terminal, Prometheus and Locust.

        Together, because code that runs once in a while is several times as slow as code that has just run.
        """
        finished, self._finished = self._finished, []
        for start, end, icl_ns in finished:
            self.by_kind[end.kind] += 1
            self.recorder.observe(start, end, icl_ns)
            if self.on_end is not None:
                self.on_end(start, end)

    def _note(self, record: msgspec.Struct) -> None:
        """A line of the journal."""
        self.storing.write(self.storing.journal, record)

    def _stop(self) -> None:
        """What is in flight ends, and what waits is dropped: nothing new is begun that could not be written down."""
        self._close_turns()
        if not self._is_full:
            self._is_full = True
            self.drop_waiting(unsent.STOPPED)
            self.on_full()

    @property
    def is_idle(self) -> bool:
        """Nothing is in flight or waits to be decoded, and nothing waits to be sent."""
        return self.started == self.ended and self._lanes.is_idle

    # how it is ---------------------------------------------------------------------------------------------------------

    def health(self) -> Health | None:
        """The newest sample of this process; call it once a second. Each one is in the journal, too."""
        if self._watch.due and not self.closed:
            self._note(self._watch.sample(self.in_flight))
        return self._watch.newest

    # the end ---------------------------------------------------------------------------------------------------------

    def finish(self, noticed: Iterable[Finding] = ()) -> list[Finding]:
        """Everything has ended: write the findings of this process, and what else was noticed in it, and close its files."""
        self.drain.run_backlog()
        self.tell()
        found = [*findings(self.drain), *noticed]
        for finding in found:
            self._note(finding)
        self._note(LastWord(self.started, self.ended, self.storing.journal.lines))
        failed = self.storing.sync()
        if failed is not None:
            self.storing.fail(failed)
        self.closed = True
        self._watch.close()
        self.storing.close()
        return found
