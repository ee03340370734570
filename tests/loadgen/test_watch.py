"""A load process watches itself: what a sample holds, and that nothing of it is lost or counted twice."""

import gc
import socket
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from harness.loadgen import health
from harness.loadgen.drain import READ, Drain
from harness.loadgen.health import MOST_LAGS, Watch

MS = 1_000_000


class Looked:
    """A drain that looked and read as a test says."""

    def __init__(self, gaps_ns: list[int], lags_ns: list[int]) -> None:
        self.lags, self.open_sockets = (array("q", gaps_ns), array("q", lags_ns)), 5

    def take_lags(self) -> "tuple[array[int], array[int]]":
        taken, self.lags = self.lags, (array("q"), array("q"))
        return taken

    def take_backlog(self) -> int:
        return 3


@pytest.fixture
def watch() -> Iterator[Callable[..., Watch]]:
    made = []

    def make(gaps_ns: list[int], lags_ns: list[int]) -> Watch:
        made.append(Watch(Looked(gaps_ns, lags_ns)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_sample_holds_what_the_drain_saw(watch: Callable[..., Watch]) -> None:
    """Gaps, lags, backlog and sockets, with exact maxima; the next sample begins with none of it."""
    one = watch([MS, MS, 40 * MS + 1], [0, 2 * MS])
    first, second = one.sample(in_flight=7), one.sample(in_flight=0)
    assert (3, 40 * MS + 1, 2, 2 * MS) == (
        sum(count for _, count in first.gaps),
        first.gap_max_ns,
        first.read_n,
        first.read_max_ns,
    )
    assert (3, 5, 7) == (first.backlog, first.open_fds, first.in_flight)
    assert ((), None, (), 0, None) == (second.gaps, second.gap_max_ns, second.reads, second.read_n, second.read_max_ns)
    assert second is one.newest


def test_samples_follow_each_other_without_a_hole(watch: Callable[..., Watch]) -> None:
    """An interval begins where the one before ended."""
    one = watch([], [])
    first, second = one.sample(0), one.sample(0)
    assert first.at_ns == second.at_ns - second.interval_ns


def test_many_reads_are_chosen_evenly(watch: Callable[..., Watch]) -> None:
    """Of 100,000 lags no more than the limit are spread out; number and maximum are of all, and the quantiles hold."""
    sample = watch([], [number * 1_000 for number in range(100_000)]).sample(0)
    chosen = sum(count for _, count in sample.reads)
    assert MOST_LAGS // 2 < chosen <= MOST_LAGS
    assert (100_000, 99_999_000) == (sample.read_n, sample.read_max_ns)
    half = sum(count for lag_ns, count in sample.reads if lag_ns <= 50 * MS)
    assert half == pytest.approx(chosen / 2, rel=0.05)


def test_processor_time_is_that_of_the_process(watch: Callable[..., Watch]) -> None:
    """Fifty milliseconds of computing are in the ratio, and sleeping is not."""
    one = watch([], [])
    until_ns = time.process_time_ns() + 50 * MS
    while time.process_time_ns() < until_ns:
        pass
    busy = one.sample(0)
    time.sleep(0.05)
    idle = one.sample(0)
    assert busy.cpu_ratio * busy.interval_ns >= 49.9 * MS
    assert idle.cpu_ratio < 0.5


def test_pauses_of_the_collector_are_counted(watch: Callable[..., Watch]) -> None:
    """Two collections, their time together and the longer one; after `close` the collector tells nobody."""
    one = watch([], [])
    gc.disable()
    try:
        gc.collect()
        gc.collect()
        sample = one.sample(0)
        before = len(gc.callbacks)
        one.close()
        one.close()
    finally:
        gc.enable()
    assert 2 == sample.gc_n
    assert sample.gc_max_ns <= sample.gc_ns <= 2 * sample.gc_max_ns
    assert sample.gc_ns > 0
    assert before - 1 == len(gc.callbacks)


@pytest.mark.parametrize(("text", "waited_ns"), [("700 500 3\n", 500), ("0 0 0\n", None), ("", None), (None, None)])
def test_waiting_is_unknown_where_the_kernel_does_not_say(
    text: str | None, waited_ns: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Second field of the scheduler's statistics; three zeros, an empty file or none are no answer, and not an answer of 0."""
    path = tmp_path / "schedstat"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(health, "_SCHEDSTAT", path)
    assert waited_ns == health._waited_ns()


def test_an_unknown_wait_stays_unknown(watch: Callable[..., Watch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ratio is made of it."""
    monkeypatch.setattr(health, "_SCHEDSTAT", tmp_path / "none")
    assert watch([], []).sample(0).wait_ratio is None


def test_a_sample_is_due_after_half_a_second(watch: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after one there is nothing to say yet."""
    one = watch([], [])
    one.sample(0)
    monkeypatch.setattr(health, "LEAST_NS", 10**15)
    early = one.due
    monkeypatch.setattr(health, "LEAST_NS", 0)
    assert (False, True) == (early, one.due)


class Quiet:
    """A socket that nothing is to be read from."""

    def on_ready(self, events: int, floor_ns: int) -> None:
        pytest.fail("nothing was sent")

    def on_bug(self, bug: BaseException) -> None:
        pytest.fail(repr(bug))


def test_the_drain_times_its_looks_while_a_socket_is_open() -> None:
    """The gaps add up to the time in between; the time without sockets is in none, however long it was."""
    drain = Drain()
    one, other = socket.socketpair()
    try:
        began_ns = time.monotonic_ns()
        drain.register(one.fileno(), Quiet(), READ)
        gevent.sleep(0.03)
        drain.unregister(one.fileno())
        gevent.sleep(0.05)  # the timer finds that nothing is left, and stops
        looked, _ = drain.take_lags()
        stopped_ns = time.monotonic_ns()
        drain.register(one.fileno(), Quiet(), READ)
        gevent.sleep(0.03)
        again, _ = drain.take_lags()
        drain.unregister(one.fileno())
        assert 0 < sum(looked) <= stopped_ns - began_ns
        assert 0 < sum(again) <= time.monotonic_ns() - stopped_ns
        assert [[], []] == [list(each) for each in drain.take_lags()]
    finally:
        drain.close()
        one.close()
        other.close()


def test_the_drain_remembers_its_longest_queue() -> None:
    """Three pieces of work waited at once; when they are done and told, none did."""
    drain = Drain()
    done: list[int] = []
    for number in range(3):
        drain.later(lambda number=number: done.append(number))
    gevent.sleep(0.03)
    assert [0, 1, 2] == done
    assert (3, 0) == (drain.take_backlog(), drain.take_backlog())
    drain.close()
