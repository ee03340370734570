"""The plan: which blocks, in which order, and who wakes how many users."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.load import OpenLoad
from harness.loadgen import plan, schedule
from harness.records import Phase
from harness.scenario import Scenario
from harness.workload.trace_row import Traced


def scenario(**load: object) -> Scenario:
    fields = {"levels": (1, 4), "warmup_s": 1, "measure_s": 2, "repetitions": 3, **load}
    endpoints = {name: {"model": "m", "simulated": {}} for name in "abc"}
    return Scenario.model_validate({"name": "t", "endpoints": endpoints, "prompts": {"dataset": "d.jsonl"}, "load": fields})


def test_every_repetition_holds_every_cell_once() -> None:
    """Randomised blocks: within a repetition each endpoint meets each level once, in an order that the seed decides."""
    blocks = plan.build(scenario(seed=1))
    cells = [(block.repetition, block.endpoint, block.level) for block in blocks if block.phase is Phase.MEASURE]
    assert sorted(cells) == sorted((r, e, level) for r in range(3) for e in "abc" for level in ("1", "4"))
    assert [r for r, _, _ in cells] == sorted(r for r, _, _ in cells)
    assert blocks == plan.build(scenario(seed=1))
    assert blocks != plan.build(scenario(seed=2))


def test_warm_up_belongs_to_its_cell() -> None:
    """Each cell is a warm-up followed by its measure block; without warm-up seconds there is none."""
    blocks = plan.build(scenario())
    assert all(
        (warm.cell, warm.endpoint, warm.phase, hot.phase) == (hot.cell, hot.endpoint, Phase.WARMUP, Phase.MEASURE)
        for warm, hot in zip(blocks[::2], blocks[1::2], strict=True)
    )
    assert {Phase.MEASURE} == {block.phase for block in plan.build(scenario(warmup_s=0))}


def test_sequential_goes_endpoint_by_endpoint() -> None:
    """The alternative design: one endpoint after the other, levels ascending."""
    blocks = plan.build(scenario(design="sequential", warmup_s=0, repetitions=1))
    assert [("a", "1"), ("a", "4"), ("b", "1"), ("b", "4"), ("c", "1"), ("c", "4")] == [(b.endpoint, b.level) for b in blocks]
    assert 12.0 == plan.seconds(blocks)


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_shares_add_up(users: int, workers: int) -> None:
    """All workers together wake exactly the users asked for, and no two differ by more than one."""
    shares = [plan.share(users, worker, workers) for worker in range(workers)]
    assert users == sum(shares)
    assert max(shares) - min(shares) <= 1


def test_parallel_runs_every_endpoint_at_once() -> None:
    """One step for each phase of each level, with a block and a cell for each endpoint; a step takes as long as one block."""
    blocks = plan.build(scenario(design="parallel"))
    steps = plan.steps(blocks)
    assert list(range(len(blocks))) == [block.id for block in blocks]
    assert [["a", "b", "c"]] * 12 == [[block.endpoint for block in step] for step in steps]
    assert [1] * 12 == [len({(block.level, block.phase, block.repetition) for block in step}) for step in steps]
    assert [[block.cell for block in step] for step in steps[::2]] == [[block.cell for block in step] for step in steps[1::2]]
    assert (18, 18.0, 6) == (len({block.cell for block in blocks}), plan.seconds(blocks), plan.drains(blocks))


def test_endpoints_at_once_have_lanes_of_their_own() -> None:
    """Each lane has as many users on each worker as the highest level may need there; one at a time need no lanes."""
    blocks = plan.build(scenario(design="parallel"))
    assert (("a", "b", "c"), 18) == (plan.lanes(blocks), plan.population(4, 3, 3))
    assert ("",) == plan.lanes(plan.build(scenario()))
    assert all(len(step) == 1 for step in plan.steps(plan.build(scenario())))


def played(source: plan.Fixed, disturbed: set[int]) -> list[list[int]]:
    """The cells of each drain, where those of these drains are given up."""
    found = []
    for number, blocks in enumerate(source.cells()):
        found.append(sorted({block.cell for block in blocks}))
        if number in disturbed:
            source.give_up()
    return found


def test_what_is_given_up_comes_again_at_the_end() -> None:
    """As a cell of its own, warm-up and all, and once more where it is disturbed again."""
    blocks = plan.build(scenario(design="sequential", levels=(1,), repetitions=1))
    source = plan.Fixed(blocks)
    upcoming = source.cells()
    first = next(upcoming)
    repeated = source.give_up()
    assert [(6, 3), (7, 3)] == [(block.id, block.cell) for block in repeated]
    same = [msgspec.structs.replace(block, id=0, cell=0) for block in first]
    assert same == [msgspec.structs.replace(block, id=0, cell=0) for block in repeated]
    assert [[1], [2], [3]] == [sorted({block.cell for block in each}) for each in upcoming]
    assert [[0], [1], [2], [3], [4]] == played(plan.Fixed(blocks), {0, 3})
    assert [[0], [1], [2]] == played(plan.Fixed(blocks), set())


def test_what_ran_at_once_comes_again_at_once() -> None:
    """With steps of its own."""
    blocks = plan.build(scenario(design="parallel", levels=(2,), repetitions=1))
    source = plan.Fixed(blocks)
    next(source.cells())
    repeated = source.give_up()
    assert [3, 4, 5] * 2 == [block.cell for block in repeated]
    assert [2, 2, 2, 3, 3, 3] == [block.step for block in repeated]
    assert list(range(6, 12)) == [block.id for block in repeated]
    assert 4 == len(plan.steps((*blocks, *repeated)))


def test_a_level_that_ends_by_its_requests_has_a_warm_up_by_time() -> None:
    """The number is that of the measure window."""
    blocks = plan.build(scenario(requests=400))
    assert {(Phase.WARMUP, None), (Phase.MEASURE, 400)} == {(block.phase, block.requests) for block in blocks}


def test_an_open_loop_needs_a_user_for_each_process() -> None:
    """Each has its part of the arrivals, and somebody to send them; a closed loop may leave processes idle."""
    opened = scenario(kind="open", levels=(10,), users=2)
    plan.check_hands(opened.load, 2)
    with pytest.raises(HarnessError, match="2 users of an open loop at 3 processes"):
        plan.check_hands(opened.load, 3)
    plan.check_hands(scenario().load, 30)


@given(
    at=st.lists(st.integers(0, 10**12), min_size=1, max_size=30).map(sorted),
    speed=st.floats(0.001, 1_000),
    warmup_s=st.floats(0.1, 5),
)
def test_a_replay_is_over_before_its_block(at: list[int], speed: float, warmup_s: float) -> None:
    """At any speed each request of the trace is due, in order and before the end; so is what warms up."""
    traced = [Traced((ns - at[0]) / 1e9, 1, 1) for ns in at]
    load = {"kind": "replay", "trace": "t.csv", "levels": [speed], "repetitions": 1, "warmup_s": warmup_s}
    endpoints = {"a": {"model": "m", "simulated": {}}}
    whole = {"name": "t", "endpoints": endpoints, "prompts": {"dataset": "d.jsonl"}, "load": load}
    replay = Scenario.model_validate(whole)
    warm, hot = plan.build(replay, traced)
    found = list(schedule.due(replay.load, hot, traced))
    assert len(at) == len(found)
    for due, block in ((found, hot), (list(itertools.islice(schedule.due(replay.load, warm, traced), 1_000)), warm)):
        assert sorted(due) == due
        assert all(0 <= at_s < block.seconds for at_s in due)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ({"levels": [23.7841]}, "23.7841rps"),
        ({"search": {"begin": 1, "most": 64}}, "23.78rps"),
        ({"search": {"begin": 1, "most": 64, "ratio": 1.001}}, "23.7841rps"),
    ],
)
def test_a_rate_that_was_searched_has_the_digits_that_are_printed(load: dict[str, object], expected: str) -> None:
    """But one that somebody wrote is called as it was written, and no two steps of a search are called the same."""
    assert expected == plan.opened(OpenLoad.model_validate({"kind": "open", **load}), 23.7841, 1.0).name
