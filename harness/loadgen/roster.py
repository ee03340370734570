"""Who makes load in this run: which workers there are, what each has said, and what is owed by those that are gone.

The rule: a worker that is gone does not come back. What it says afterwards is still counted, for it happened.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from harness.loadgen import messages
from harness.loss import Loss
from harness.measure.recorder import kinds_of
from harness.records import Finding

SILENT_S = 4.0  # a report is due each second: then it is three late
LOOK_S = 1.0  # who looks more seldom has not looked


@dataclass
class _Member:
    """One worker, as the master knows it."""

    client: str | None
    pid: int
    host: str
    heard_s: float = 0.0
    is_ready: bool = False
    newest: messages.Interval | None = None
    reports: int = 0
    is_whole: bool = True
    by_kind: Counter[str] = field(default_factory=Counter)
    idle: int = 0
    worked_off: set[int] = field(default_factory=set)
    bye: messages.Bye | None = None
    gone: str | None = None
    is_owing: bool = False
    cells: tuple[int, ...] = ()


class Roster:
    """`workers` are expected; `members` are those that are there, by their numbers.

    now_s      any clock that rises
    has_ended  whether a process, by its number and where that means something, is known to be gone
    """

    def __init__(
        self, workers: int, now_s: Callable[[], float], has_ended: Callable[[int, str], bool] = lambda *_: False
    ) -> None:
        self._workers, self._now_s, self._has_ended = workers, now_s, has_ended
        self._numbers: dict[str | None, int] = {}
        self._all: dict[int, _Member] = {}
        self._looked_s = now_s()
        self._failed: set[int] = set()

    # who there is ----------------------------------------------------------------------------------------------------

    def enter(self, hello: messages.Hello) -> int | None:
        """The number of this worker, the same each time it asks; None where nobody expects it."""
        index = self._numbers.setdefault(hello.client, len(self._numbers))
        if index >= self._workers:
            return None
        self._all.setdefault(index, _Member(hello.client, hello.pid, hello.host))
        return index

    def ready(self, index: int) -> None:
        self._all[index].is_ready = True
        self._all[index].heard_s = self._now_s()

    @property
    def is_ready(self) -> bool:
        """All that are expected have been ready."""
        return len(self._all) == self._workers and all(each.is_ready for each in self._all.values())

    @property
    def members(self) -> tuple[int, ...]:
        """Without those that are gone; who has not come yet is one of them."""
        gone = {index for index, each in self._all.items() if each.gone is not None} | self._failed
        return tuple(index for index in range(self._workers) if index not in gone)

    def client(self, index: int) -> str | None:
        return self._all[index].client

    def process(self, index: int) -> tuple[int, str]:
        """Its number, and where that means something."""
        return self._all[index].pid, self._all[index].host

    # what they say ---------------------------------------------------------------------------------------------------

    def report(self, interval: messages.Interval) -> None:
        """Reports are numbered, so that one that did not come is missed."""
        member = self._all[interval.index]
        member.heard_s = self._now_s()
        member.is_whole = member.is_whole and interval.number == member.reports
        member.reports += 1
        member.newest = interval
        member.by_kind += kinds_of(interval.counts)

    def opened(self) -> None:
        """A block was opened: from now on each may have something in flight."""
        for index in self.members:
            self._all[index].is_owing = True

    def idle(self, index: int, step: int, current: int) -> None:
        member = self._all[index]
        member.idle = step
        member.is_owing = member.is_owing and step != current

    def all_idle(self, step: int) -> bool:
        """All that are there have nothing in flight since this step, or have said their last word."""
        return all(self._all[index].idle == step or self._all[index].bye is not None for index in self.members)

    def worked_off(self, index: int, block: int) -> None:
        self._all[index].worked_off.add(block)

    def all_worked_off(self, blocks: Iterable[int]) -> bool:
        return all(self._all[index].worked_off.issuperset(blocks) for index in self.members)

    def bye(self, bye: messages.Bye) -> None:
        self._all[bye.index].bye = bye
        self._all[bye.index].is_owing = False

    @property
    def all_said_bye(self) -> bool:
        return all(self._all[index].bye is not None for index in self.members)

    @property
    def reports(self) -> list[messages.Interval]:
        """The newest of each worker, also of those that are gone."""
        return [each.newest for each in self._all.values() if each.newest is not None]

    # who is gone -----------------------------------------------------------------------------------------------------

    def missing(self, clients: Iterable[str | None]) -> Iterator[tuple[int, str]]:
        """Who is not there any more, and how that is known. `clients` are those that Locust has; it does not count a silence.

        Subtle: where we did not look for a while nobody was silent: what they said meanwhile waits to be read.
        """
        now_s, present = self._now_s(), set(clients)
        if now_s - self._looked_s > LOOK_S:
            for each in self._all.values():
                each.heard_s += now_s - self._looked_s
        self._looked_s = now_s
        for index in self.members:
            member = self._all.get(index)
            if member is None or member.bye is not None:
                continue
            if member.client not in present or self._has_ended(member.pid, member.host):
                yield index, "ended before its last word"
            elif member.is_ready and now_s - member.heard_s > SILENT_S:
                yield index, f"has been silent for {SILENT_S:.0f} s"

    def owes(self, index: int) -> bool:
        """Whether it may have something in flight."""
        return index in self._all and self._all[index].is_owing

    def lose(self, index: int, why: str, cells: tuple[int, ...] = ()) -> bool:
        """False where that is known, or it had said all. `cells` are given up."""
        if index not in self.members or (index in self._all and self._all[index].bye is not None):
            return False
        member = self._all.setdefault(index, _Member(None, 0, ""))
        member.gone, member.cells = why, cells
        return True

    def fail(self, index: int) -> None:
        """It cannot make load and has said why."""
        self._failed.add(index)

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(
            Loss(index, member.gone, _at_most(member), member.cells)
            for index, member in sorted(self._all.items())
            if member.gone is not None
        )

    def findings(self) -> list[Finding]:
        return [_lost(loss, len(self.members)) for loss in self.losses]

    def unflushed(self, merged: Counter[str]) -> Finding | None:
        """Whether what the workers said at the end is what was `merged` of their reports, by kind; None where it is."""
        said = Counter[str]()
        doubts = []
        for index, member in sorted(self._all.items()):
            said += member.by_kind if member.bye is None else Counter(member.bye.by_kind)
            if member.bye is not None and not _is_flushed(member, member.bye):
                doubts.append(
                    f"worker {index} made {member.bye.reports} reports of {member.bye.ended} attempts, "
                    f"and {member.reports} of {member.by_kind.total()} came"
                )
        if not doubts and said == merged:
            return None
        return Finding(
            code="flush_incomplete",
            what="; ".join(doubts) or f"the workers ended {said.total()} attempts, and {merged.total()} were counted",
            why="what was shown live and to Prometheus lacks them; the report is of the journals, which each worker kept whole",
            remedy="look for a network that loses messages between master and workers",
            invalid=True,
        )


def _is_flushed(member: _Member, bye: messages.Bye) -> bool:
    """Reports that come after the last word hold nothing."""
    newest = member.newest
    same = newest is not None and (newest.started, newest.ended) == (bye.started, bye.ended)
    return same and member.is_whole and member.reports >= bye.reports and member.by_kind == Counter(bye.by_kind)


def _at_most(member: _Member) -> int:
    if not member.is_owing or member.newest is None:
        return 0
    return max(member.newest.ceiling, member.newest.started) - member.newest.ended


def _lost(loss: Loss, left: int) -> Finding:
    owed = f"at most {loss.at_most:,} of its requests have no end" if loss.at_most else "all of its requests have their end"
    then = "what was being measured was given up, to be measured again by the others" if loss.cells else "nobody measured then"
    return Finding(
        code="worker_lost",
        what=f"worker {loss.worker} {loss.why}; {owed}",
        why=then if left else "nobody was left to make load",
        remedy="look for what ended it (memory? a scheduler?), free memory or processor time and run again",
        invalid=True,
    )
