"""The plan of a search in virtual time: endpoints whose capacity is known write journals, and the blocks follow from these."""

import math
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from harness.journal_log import LineLog
from harness.load import OpenLoad
from harness.loadgen import schedule
from harness.loadgen.journals import Journals
from harness.loadgen.plan import Fixed, build
from harness.loadgen.searching import Searching
from harness.records import SCHEMA_VERSION, AttemptEnd, AttemptStart, Block, BlockMark, JournalHead, Phase
from harness.scenario import Scenario
from harness.searched import Searched

OPEN = {"kind": "open", "users": 50, "warmup_s": 2, "drain_s": 5, "arrivals": {"process": "constant"}}
CLOSED = {"kind": "closed", "warmup_s": 2, "drain_s": 5}
SEARCH = {"begin": 4, "most": 1_000, "ratio": 1.05, "requests": 800, "requests_most": 1_600}
NS = 1_000_000_000


def scenario(load: dict[str, Any], slo: str, names: str = "a", **search: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "t",
            "endpoints": {name: {"model": "m", "simulated": {}} for name in names},
            "prompts": {"dataset": "d.jsonl"},
            "load": {**load, "search": {**SEARCH, **search}},
            "slo": [slo],
        }
    )


class Endpoint:
    """Works on `servers` requests at once, each for `service_s`; its run has one worker, and time passes when told."""

    def __init__(self, folder: Path, of: Scenario, servers: int, service_s: float) -> None:
        self.log = LineLog(folder / "journal-000.jsonl")
        self.log.write(JournalHead(v=SCHEMA_VERSION, run="r", worker=0, pid=1, host="h", monotonic_ns=0, wall_ns=0))
        self.of, self.servers, self.service_s = of, servers, service_s
        self.now_ns, self.n = 0, 0
        self.free_ns: list[int] = []
        self.coming: list[tuple[int, int, AttemptEnd]] = []  # ends, by when they are
        self.played: list[tuple[Block, float]] = []  # with the seconds that they took
        self.plan = Searching(of, Journals(folder, lambda: None), lambda: self.now_ns / NS)

    def play(self, cells: int = 1_000) -> "Endpoint":
        for blocks in islice(self.plan.cells(), cells):
            self.free_ns = [self.now_ns] * self.servers
            for block in blocks:
                self.block(block)
            self.pass_time(max((at_ns for at_ns, _, _ in self.coming), default=self.now_ns))  # the drain
        return self

    def block(self, block: Block) -> None:
        opened_ns, elapsed_s = self.now_ns, 0.0
        self.log.write(BlockMark(block=block.id, edge="open", at_ns=opened_ns, users=block.concurrency))
        arrivals = self.arrivals_s(block)
        at_s = next(arrivals, block.seconds)
        while elapsed_s < block.seconds and not self.plan.is_over(block, elapsed_s):
            elapsed_s = min(elapsed_s + 1, block.seconds)
            while at_s < elapsed_s:
                self.arrive(block, opened_ns + round(at_s * NS))
                at_s = next(arrivals, block.seconds)
            self.pass_time(opened_ns + round(elapsed_s * NS))
        self.log.write(BlockMark(block=block.id, edge="close", at_ns=self.now_ns, users=0))
        self.played.append((block, elapsed_s))

    def arrivals_s(self, block: Block) -> Iterator[float]:
        """Those of users as even as they come when a loop has run for long."""
        if isinstance(self.of.load, OpenLoad):
            return schedule.due(self.of.load, block)
        stay_s = self.service_s * max(1, block.concurrency / self.servers)
        return (n * stay_s / block.concurrency for n in range(math.ceil(block.seconds * block.concurrency / stay_s)))

    def arrive(self, block: Block, at_ns: int) -> None:
        self.n += 1
        id_ = f"0-{self.n}"
        scheduled_ns = at_ns if isinstance(self.of.load, OpenLoad) else None
        told = {"endpoint": block.endpoint, "level": block.level, "phase": block.phase, "block": block.id}
        self.log.write(
            AttemptStart(id=id_, example="q", user=0, dispatched_ns=at_ns, scheduled_ns=scheduled_ns, **told)  # type: ignore[arg-type]
        )
        if scheduled_ns is None:
            done_ns = at_ns + round(NS * self.service_s * max(1, block.concurrency / self.servers))
        else:
            done_ns = max(at_ns, heappop(self.free_ns)) + round(NS * self.service_s)
            heappush(self.free_ns, done_ns)
        ended = AttemptEnd(
            id=id_, kind="ok", sent_ns=at_ns, first_token_ns=done_ns, last_token_ns=done_ns, done_ns=done_ns, chunks=1
        )
        heappush(self.coming, (done_ns, self.n, ended))

    def pass_time(self, until_ns: int) -> None:
        while self.coming and self.coming[0][0] <= until_ns:
            self.log.write(heappop(self.coming)[2])
        self.now_ns = until_ns

    @property
    def found(self) -> Searched:
        return self.plan.searched[0]


def measured(endpoint: Endpoint) -> list[tuple[str, str]]:
    return [(block.endpoint, block.level) for block, _ in endpoint.played if block.phase is Phase.MEASURE]


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """Four servers, 100 ms each: 40 requests a second are served as they come, and of more the queue grows."""
    return Endpoint(tmp_path_factory.mktemp("run"), scenario(OPEN, "e2e.p50 <= 150 ms"), 4, 0.1).play()


def test_the_rate_that_is_served_is_found(rates: Endpoint) -> None:
    """4, 8, 16 and 32 a second hold, 64 does not, then the middles, to within the ratio; unclear is not held."""
    found = rates.found
    assert ("resolved", False, "requests/s") == (found.end, found.at_least, found.unit)
    assert found.load is not None
    assert found.above is not None
    assert 0.9 * 40 <= found.load <= 40
    assert found.load < found.above <= 1.05 * found.load
    assert [("a", "4rps"), ("a", "8rps"), ("a", "16rps"), ("a", "32rps"), ("a", "64rps")] == measured(rates)[:5]
    assert [each.load for each in found.judged] == sorted(each.load for each in found.judged)


def test_a_step_is_as_long_as_its_requests_need(rates: Endpoint) -> None:
    """800 at 4 a second take 200 s; each has its warm-up, and a number and a cell of its own."""
    blocks = [block for block, _ in rates.played]
    assert [(Phase.WARMUP, 2.0), (Phase.MEASURE, 200.0)] == [(block.phase, block.seconds) for block in blocks[:2]]
    assert list(range(len(blocks))) == [block.id for block in blocks]
    assert [n // 2 for n in range(len(blocks))] == [block.cell for block in blocks]


def test_a_hopeless_step_is_cut_short_and_its_requests_count(rates: Endpoint) -> None:
    """64 a second where 40 are served: seen within seconds of the 12.5 that it would take; and it is known what was sent."""
    (cut,) = [each for each in rates.found.judged if each.load == 64]
    (seconds,) = [seconds for block, seconds in rates.played if block.rate == 64 and block.phase is Phase.MEASURE]
    assert (True, "fail") == (cut.cut_short, cut.verdict)
    assert "queue grows" in cut.reason
    assert 3 <= seconds < 12
    assert 64 * seconds == pytest.approx(cut.requests, abs=1)
    assert rates.n == rates.found.requests


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """Eight servers, 100 ms each: 12 users wait 150 ms for an answer, and 13 longer."""
    of = scenario(CLOSED, "e2e.p50 <= 155 ms", begin=1, most=100, ratio=1.001)
    return Endpoint(tmp_path_factory.mktemp("run"), of, 8, 0.1).play()


def test_the_number_of_users_is_found(users: Endpoint) -> None:
    """To the last one; the population is the most that may be asked for."""
    assert (12.0, 13.0, "resolved", "users") == (users.found.load, users.found.above, users.found.end, users.found.unit)
    assert 100 == users.plan.users


def test_users_are_done_when_their_requests_are(users: Endpoint) -> None:
    """Nobody knows how fast the first user is, who gets all the time there is and needs 80 s of it; then it is expected."""
    first, second = [(block.seconds, seconds) for block, seconds in users.played if block.phase is Phase.MEASURE][:2]
    assert (3600 - 2 - 5, 80) == first
    assert 3 * 40 == pytest.approx(second[0], rel=0.05)
    assert 40 == second[1]


def test_endpoints_take_turns(tmp_path: Path) -> None:
    """Unless one is to follow the other; each has its own search."""
    slo = "e2e.p50 <= 150 ms"
    fast = {"begin": 10, "most": 20}
    turns = Endpoint(tmp_path, scenario({**OPEN, "warmup_s": 0}, slo, "ab", **fast), 4, 0.1).play()
    assert [("a", "10rps"), ("b", "10rps"), ("a", "20rps"), ("b", "20rps")] == measured(turns)
    assert [("a", 20.0, True, "most"), ("b", 20.0, True, "most")] == [
        (each.endpoint, each.load, each.at_least, each.end) for each in turns.plan.searched
    ]
    (tmp_path / "second").mkdir()
    rest = {**OPEN, "warmup_s": 0, "design": "sequential"}
    after = Endpoint(tmp_path / "second", scenario(rest, slo, "ab", **fast), 4, 0.1).play()
    assert [("a", "10rps"), ("a", "20rps"), ("b", "10rps"), ("b", "20rps")] == measured(after)


@pytest.mark.parametrize(
    ("limit", "end"),
    [
        ({"budget": 2_400}, "budget"),  # 808 and 816 are sent, and 832 more are too many
        ({"minutes": (202 + 102 + 2 + 50 + 5 - 1) / 60}, "time"),  # warm-up, step and drain do not fit into what is left
    ],
)
def test_what_it_may_cost_ends_it(tmp_path: Path, limit: dict[str, float], end: str) -> None:
    """Before the step that would cost more; the answer is what was shown by then, and nothing says that more does not hold."""
    found = Endpoint(tmp_path, scenario(OPEN, "e2e.p50 <= 150 ms", **limit), 4, 0.1).play().found
    assert (end, [4, 8], 8.0, None) == (found.end, [each.load for each in found.judged], found.load, found.above)
    assert 1_624 == found.requests
    assert 304 == pytest.approx(found.seconds, abs=0.5)


def test_a_run_that_stops_keeps_what_was_shown(tmp_path: Path) -> None:
    """Two steps were judged; the third one, which was under way, was not, but its requests were sent."""
    endpoint = Endpoint(tmp_path, scenario(OPEN, "e2e.p50 <= 150 ms"), 4, 0.1).play(cells=3)
    endpoint.plan.stop()
    assert endpoint.n == endpoint.found.requests == 3 * 800 + 2 * (4 + 8 + 16)
    assert ("stopped", 8.0, [4, 8]) == (endpoint.found.end, endpoint.found.load, [each.load for each in endpoint.found.judged])


def test_a_plan_that_is_known_has_one_cell_after_the_other() -> None:
    """Warm-up and measure block together; none of them ends early."""
    fields = {"levels": [1, 4], "warmup_s": 1, "measure_s": 2}
    of = Scenario.model_validate({**scenario(OPEN, "errors <= 1 %").model_dump(mode="json"), "load": fields, "slo": []})
    plan = Fixed(build(of))
    assert [2, 2] == [len(blocks) for blocks in plan.cells()]
    assert (4, False) == (plan.users, plan.is_over(build(of)[0], 1.0))


def test_a_step_that_was_disturbed_comes_again(tmp_path: Path) -> None:
    """It is not judged, and it is no second run of its level; but it was paid."""
    endpoint = Endpoint(tmp_path, scenario(OPEN, "e2e.p99 <= 1 s"), 8, 0.1)
    cells = endpoint.plan.cells()

    def play() -> Block:
        endpoint.free_ns = [endpoint.now_ns] * endpoint.servers
        blocks = next(cells)
        for block in blocks:
            endpoint.block(block)
        endpoint.pass_time(max((at_ns for at_ns, _, _ in endpoint.coming), default=endpoint.now_ns))
        return blocks[-1]

    first = play()
    assert () == endpoint.plan.give_up()
    second = play()
    third = play()
    assert (first.rate, first.repetition, first.seconds) == (second.rate, second.repetition, second.seconds)
    assert (first.id, first.cell) < (second.id, second.cell)
    assert third.rate != second.rate
    (found,) = endpoint.plan.searched
    assert [(4.0, 1)] == [(judged.load, judged.runs) for judged in found.judged]
    assert found.requests > 2 * first.seconds * (first.rate or 0)
