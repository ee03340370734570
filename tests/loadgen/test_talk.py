"""Conversations of a worker's users, first by themselves and then against the real simulator."""

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.hub import Waiter

from harness import assembly, results, scenario_file
from harness.errors import HarnessError
from harness.journal_reader import Attempt
from harness.loadgen import prepare, schedule
from harness.loadgen.gate import Turn
from harness.loadgen.talk import Place, Said, Waits, hold
from harness.loadgen.worker import Worker
from harness.records import Call, Message, Phase
from harness.results import Run
from harness.simulator import tokens
from harness.simulator.prefix_cache import BLOCK

MS = 1_000_000
SYSTEM = "You answer briefly and say nothing that nobody has asked you."
SCENARIO = """
name: talk
endpoints:
  one:
    model: sim
    simulated: {ttft: {median_s: 0.003}, itl: {median_s: 0}, accuracy: 1, prefix_cache: true}
prompts: {dataset: examples.jsonl, system: %s}
load: {levels: [1], warmup_s: 0, measure_s: 60, start_over_s: 0}
"""
CALL = Call("c", (Message("user", "one"),), later=("two", "three"))


def test_each_turn_is_asked_with_all_before_it_and_its_place() -> None:
    """The last answer is not waited for: nothing is said to it."""
    asked: list[tuple[Call, Place]] = []

    def ask(call: Call, place: Place) -> Said | None:
        asked.append((call, place))
        return None if place.is_last else Said("0-7", f"answer {place.turn}", 100 + place.turn)

    paused: list[tuple[int, int]] = []
    hold(CALL, ask, lambda turn, done_ns: paused.append((turn, done_ns)) is None)
    assert [Place(0, 3), Place(1, 3, "0-7"), Place(2, 3, "0-7")] == [place for _, place in asked]
    assert [1, 3, 5] == [len(call.messages) for call, _ in asked]
    assert ["one", "answer 0", "two", "answer 1", "three"] == [each.content for each in asked[-1][0].messages]
    assert [(1, 100), (2, 101)] == paused


@pytest.mark.parametrize(("answered", "open_"), [(False, True), (True, False)])
def test_a_conversation_ends_without_an_answer_or_a_block(answered: bool, open_: bool) -> None:
    """After the first turn, here."""
    places = []

    def ask(_: Call, place: Place) -> Said | None:
        places.append(place)
        return Said("0-7", "x", 1) if answered else None

    hold(CALL, ask, lambda turn, done_ns: open_)
    assert [Place(0, 3)] == places


def test_who_thinks_is_woken_in_time_or_by_an_interruption() -> None:
    """By the first tick at which the time has come, the earliest first; an interruption wakes all that are left."""
    woken: list[Waiter] = []
    waits = Waits(woken.append, lambda tick: None)
    later_ns = time.monotonic_ns() + 3_600_000 * MS
    done: list[int] = []
    users = [gevent.spawn(lambda n=n: (waits.think(later_ns + n * MS), done.append(n))) for n in (2, 0, 1)]

    def run() -> list[int]:
        gevent.sleep(0)
        for waiter in woken:
            gevent.get_hub().loop.run_callback(waiter.switch, None)
        woken.clear()
        gevent.sleep(0)
        gevent.sleep(0)
        return done

    run()
    assert waits.tick(later_ns - 1)
    assert [] == run()
    assert waits.tick(later_ns)
    assert [0] == run()
    waits.interrupt()
    assert [0, 2, 1] == run() or [0, 1, 2] == run()
    assert not waits.tick(later_ns + 10 * MS)
    gevent.joinall(users)


def rows(count: int, turns: int = 3) -> list[dict[str, Any]]:
    """Conversations that share nothing but the system prompt."""
    said = [
        [f"{n}-{turn} " + " ".join(f"w{n}x{turn}x{word}" for word in range(7 + turn)) for turn in range(turns)]
        for n in range(count)
    ]
    return [{"id": f"c{n}", "turns": each, "expected": f"answer {n}"} for n, each in enumerate(said)]


class Load:
    """A worker with so many users at a simulator of its own, for as long as a test wants."""

    def __init__(self, folder: Path, data: list[dict[str, Any]], *changes: str) -> None:
        (folder / "scenario.yaml").write_text(SCENARIO % json.dumps(SYSTEM))
        (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
        self.loaded = scenario_file.load(folder, list(changes))
        self.opened = assembly.open_run(self.loaded, folder / "runs", datetime.now(UTC))
        manifest = results.read_manifest(self.opened.run)
        self.worker = Worker(self.opened.run, manifest, prepare.calls(manifest), prepare.keys(manifest), 0, 1)
        self.blocks = [each for each in manifest.plan if each.phase is Phase.MEASURE]
        self.block = self.blocks[0]
        self._users = [gevent.spawn(self._replay) for _ in range(self.block.concurrency)]
        gevent.sleep(0)

    def _replay(self) -> None:
        seat = self.worker.seat()
        try:
            while True:
                turn: Turn | None = seat.turns.turn(seat.number)
                if turn is None:
                    seat.turns.wait(seat.number)
                    continue
                self.worker.attempt(seat, turn)
        finally:
            self.worker.leave(seat)

    def until(self, holds: Callable[[Worker], bool]) -> None:
        with gevent.Timeout(30):
            while not holds(self.worker):
                gevent.sleep(0.002)

    def run(self, until: Callable[[Worker], bool]) -> Run:
        """Load until this holds, and what it came to."""
        try:
            self.worker.open((self.block,))
            self.until(until)
            self.worker.close()
            self.until(lambda worker: worker.is_idle)
            gevent.sleep(0.01)
            assert not self.worker.in_flight
            self.worker.finish()
            assert [] == self.worker.drain.bugs
        finally:
            gevent.killall(self._users)
            self.worker.drain.close()
            self.opened.close()
        return results.read_run(self.opened.run)


def conversations(run: Run) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for each in run.attempts:
        assert each.start.conversation is not None
        found[each.start.conversation].append(each)
    return {name: sorted(each, key=lambda one: one.start.turn or 0) for name, each in found.items()}


@pytest.mark.parametrize("changes", [(), ("endpoints.one.parameters={max_tokens: 1500}",)])
def test_the_endpoint_sees_the_context_grow(tmp_path: Path, changes: tuple[str, ...]) -> None:
    """Prompt tokens of each turn are those of all that was said before, and cached are the whole blocks of the turn before.

    Also where answers are so long that they are decoded in many steps.
    """
    data = rows(400)
    run = Load(tmp_path, data, *changes).run(lambda worker: worker.ended >= 14)
    truth = [json.loads(line) for line in (run.path / assembly.TRUTH).read_text().splitlines()]
    answers = {each.id: each.text for each in results.read_answers(run.path)}
    said = {row["id"]: row["turns"] for row in data}
    whole = [each for each in conversations(run).values() if len(each) == 3]
    assert len(whole) >= 4
    assert len(truth) == len(run.attempts)
    for number, attempts in enumerate(conversations(run).values()):
        size = tokens.count(SYSTEM)
        cached = size // BLOCK * BLOCK if number else 0
        for each in attempts:
            start, usage = each.start, each.end and each.end.usage
            assert usage is not None
            assert (start.turns, start.user) == (3, 0)
            size += tokens.count(said[start.example][start.turn])
            assert (size, cached) == (usage.input_tokens, usage.cached_read_tokens)
            cached = size // BLOCK * BLOCK
            size += tokens.count(answers[start.id])
    last = {attempts[-1].start.example: answers[attempts[-1].start.id] for attempts in whole}
    assert {f"c{name[1:]}": f"answer {name[1:]}" for name in last} == last
    reused = [each.end.reused for attempts in whole for each in attempts[1:] if each.end]
    assert all(reused)


def test_an_open_loop_begins_conversations_on_schedule(tmp_path: Path) -> None:
    """Every arrival is a first turn, sent or dropped; later turns have no schedule, the same user, and come after thinking."""
    made = Load(
        tmp_path,
        rows(50),
        "load={kind: open, levels: [40], users: 3, warmup_s: 0, measure_s: 0.8, drain_s: 1, arrivals: {process: constant}}",
        "load.think_s={median_s: 0.04}",
    )
    due = len(list(schedule.due(made.loaded.scenario.load, made.block)))  # type: ignore[arg-type]
    opened_ns = time.monotonic_ns()
    run = made.run(lambda worker: time.monotonic_ns() > opened_ns + 900 * MS)
    firsts = [each.start for each in run.attempts if each.start.turn == 0]
    assert due == len(firsts) == len({each.scheduled_ns for each in firsts} - {None})
    later = [each.start for each in run.attempts if each.start.turn]
    assert later
    assert {(None, 0)} == {(each.scheduled_ns, each.waited_ns) for each in later}
    for attempts in conversations(run).values():
        assert 1 == len({each.start.user for each in attempts})
        for before, after in itertools.pairwise(attempts):
            assert before.end is not None
            assert (after.start.dispatched_ns or 0) - (before.end.done_ns or 0) >= 40 * MS


def test_who_thinks_when_the_block_closes_says_no_more(tmp_path: Path) -> None:
    """And is free for the next block at once, however long the thought."""
    made = Load(tmp_path, rows(5), "load.think_s={median_s: 3600}", "load.repetitions=2")
    made.worker.open((made.blocks[0],))
    made.until(lambda worker: worker.ended == 1)
    made.block = made.blocks[1]
    run = made.run(lambda worker: worker.ended == 2)
    assert [[0], [0]] == [[each.start.turn for each in attempts] for attempts in conversations(run).values()]


def test_an_error_ends_the_conversation(tmp_path: Path) -> None:
    """Its later turns have no attempt; how many there were to be is in each start line."""
    run = Load(tmp_path, rows(5), "endpoints.one.simulated.error_rate=1").run(lambda worker: worker.ended >= 3)
    assert {(0, 3)} == {(each.start.turn, each.start.turns) for each in run.attempts}


@pytest.mark.parametrize(
    ("load", "data", "said"),
    [
        ("{kind: replay, trace: t.jsonl}", rows(1), "a replay, and example 'c0' is a conversation"),
        ("{levels: [1], think_s: {median_s: 1}}", [{"id": "a", "prompt": "x"}], "no example is a conversation"),
    ],
)
def test_a_load_that_does_not_fit_the_data_is_refused(tmp_path: Path, load: str, data: list[dict[str, Any]], said: str) -> None:
    """Before any request."""
    (tmp_path / "scenario.yaml").write_text(SCENARIO % json.dumps(SYSTEM))
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    (tmp_path / "t.jsonl").touch()
    loaded = scenario_file.load(tmp_path, [f"load={load}"])
    with pytest.raises(HarnessError, match=said):
        assembly.check(loaded.scenario, prepare.sampled(loaded))
