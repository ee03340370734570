"""The steps of a search, against made-up levels of which it is known what they hold."""

import math

import pytest

from harness.errors import HarnessError
from harness.measure.blocks import Queue, Share
from harness.measure.level import LevelResult
from harness.measure.search import Search, Settings, Step, search

REFUSED = [{"requests": 0}, {"confidence": 1.5}, {"confidence": 0.5}, {"looks": 0}, {"requests": 10, "requests_most": 9}]
FAST = {"requests": 1_000, "requests_most": 8_000, "budget": 100_000}


def level(load: float, requests: int, missed: float, carried: float = 1.0) -> LevelResult:
    """Independent requests of which the same share missed in each of 40 blocks; the queue was seen by each."""
    n = (requests // 40,) * 40
    over = tuple(round(missed * each) for each in n)
    return LevelResult(
        load=load,
        requests=requests,
        length_s=requests / load,
        offered_per_s=load,
        achieved_per_s=load * carried,
        shares=(Share("ttft.p90 <= 1 s", 0.1, n, over),),
        errors=Share("errors", 0.02, n, (0,) * 40),
        lost=Share("ended", 0.02, n, (0,) * 40),
        queue=Queue(n, (0.0,) * 40, (0.0,) * 40),
    )


def up_to(limit: float) -> object:
    return lambda step: level(step.load, step.requests, 0.0 if step.load <= limit else 0.5)


def loads(found: object) -> list[float]:
    return [each.level.load for each in found.frontier]  # type: ignore[attr-defined]


def test_doubling_then_bisection_of_users() -> None:
    """1, 2, 4, ... 64 users; then between 32 and 64 until 37 held and 38 did not."""
    found = search(up_to(37), Settings(begin=1, most=500, whole=True, ratio=1.001, **FAST))  # type: ignore[arg-type]
    assert (37, 38, False, "resolved") == (found.load, found.above, found.at_least, found.end)
    assert {1, 2, 4, 8, 16, 32, 64} <= set(loads(found))
    assert sorted(loads(found)) == loads(found)


@pytest.mark.parametrize("limit", [1.0, 1.7, 9.99, 63.0])
def test_rates_are_found_to_the_ratio(limit: float) -> None:
    """What holds is at most the ratio below what does not, and the truth lies between them."""
    found = search(up_to(limit), Settings(begin=1, most=500, ratio=1.02, **FAST))  # type: ignore[arg-type]
    assert found.load is not None
    assert found.above is not None
    assert found.load <= limit < found.above <= 1.02 * found.load


def test_what_never_holds_has_no_answer() -> None:
    """The first load is the least, so nothing else is asked for."""
    found = search(up_to(0.5), Settings(begin=1, most=500, **FAST))  # type: ignore[arg-type]
    assert (None, 1, "none", [1]) == (found.load, found.above, found.end, loads(found))


def test_what_always_holds_is_an_at_least() -> None:
    """The last doubling is cut to the most that is asked for."""
    found = search(up_to(math.inf), Settings(begin=1, most=10, **FAST))  # type: ignore[arg-type]
    assert (10, None, True, "most", [1, 2, 4, 8, 10]) == (found.load, found.above, found.at_least, found.end, loads(found))


def test_the_end_of_the_budget_answers_what_was_shown() -> None:
    """Three loads may be run: of 1, 2 and 4 the last held, and nothing says that 8 does not."""
    found = search(up_to(math.inf), Settings(begin=1, most=100, **{**FAST, "budget": 3_500}))  # type: ignore[arg-type]
    assert (4, None, False, "budget", 3_000) == (found.load, found.above, found.at_least, found.end, found.spent)


def test_a_budget_below_one_run_asks_for_nothing() -> None:
    """And has no answer."""
    state = Search(Settings(begin=1, most=100, **{**FAST, "budget": 999}))  # type: ignore[arg-type]
    assert (None, None, "budget") == (state.next(), state.found().load, state.found().end)


def test_an_unclear_load_is_run_again_and_then_taken_for_not_held() -> None:
    """Just what is allowed cannot be told from it: 1,000 requests grow to 8,000, and the answer stays below."""
    state = Search(Settings(begin=1, most=2, ratio=2, confidence=0.999, **FAST))  # type: ignore[arg-type]
    assert "pass" == state.tell(1, level(1, 1_000, 0.0)).kind
    asked = []
    while (step := state.next()) is not None:
        asked.append(step)
        assert "unclear" == state.tell(step.load, level(step.load, step.requests, 0.1, 1.0)).kind
    assert {2} == {step.load for step in asked}
    assert 8_000 == sum(step.requests for step in asked)
    assert (1, 2, "resolved") == (state.found().load, state.found().above, state.found().end)


def test_fewer_answers_than_arrivals_do_not_pass() -> None:
    """97 % carried, and every latency far below its bound."""
    found = search(lambda step: level(step.load, step.requests, 0.0, 0.97), Settings(begin=1, most=2, **FAST))  # type: ignore[arg-type]
    assert (None, "97.0 % of the arrivals were answered, and 98 % are needed") == (found.load, found.frontier[0].verdict.reason)


def test_the_same_step_until_it_is_told_of() -> None:
    """And no other load can be told of."""
    state = Search(Settings(begin=1, most=2, **FAST))  # type: ignore[arg-type]
    assert Step(1, 1_000) == state.next() == state.next()
    with pytest.raises(ValueError, match="was not asked for"):
        state.tell(2, level(2, 1_000, 0.0))


@pytest.mark.parametrize("fields", [{"begin": 0}, {"begin": 20}, {"ratio": 1}, {"begin": 1.5, "whole": True}, *REFUSED])
def test_settings_that_cannot_be_searched(fields: dict[str, float]) -> None:
    """Nothing below the begin, no order, no resolution, half a user; no requests, no such confidence, no look."""
    with pytest.raises(HarnessError):
        Settings(**{"begin": 1, "most": 10, **fields})  # type: ignore[arg-type]


def test_the_rest_of_a_load_is_used() -> None:
    """546 of 1,000 requests leave fewer than a step has, and they may still tell; a tenth would not."""
    state = Search(Settings(begin=1, most=2, requests=500, requests_most=1_000))
    assert "unclear" == state.tell(1, level(1, 520, 0.1)).kind
    assert Step(1, 480) == state.next()
    state.tell(1, level(1, 400, 0.1))
    assert None is state.next()
