"""What a cell asks, with and without nonces, and how much of it a prefix cache knows."""

import msgspec
import pytest

from harness.load import ClosedLoad, Load, OpenLoad, ReplayLoad
from harness.loadgen.schedule import Calls, Nonces
from harness.records import Block, Call, Message, Phase
from harness.simulator.prefix_cache import PrefixCache
from harness.workload.trace_row import Traced

USERS, WORDS, EXAMPLES = 4, 64, 10  # a prompt has four blocks of the cache's
ASKED = 200
BLOCK = Block(id=1, cell=0, endpoint="a", level="4", concurrency=USERS, phase=Phase.MEASURE, seconds=1)
CLOSED, OPEN = ClosedLoad(levels=(USERS,)), OpenLoad(kind="open", levels=(4.0,))
PROMPTS = [Call(f"e{n}", (Message("user", " ".join(f"w{n}x{word}" for word in range(WORDS))),)) for n in range(EXAMPLES)]


def calls(kind: str, load: Load = CLOSED, run: str = "r", share: float = 0.0) -> Calls:
    return Calls(load, PROMPTS, nonces=Nonces(kind, run, share))


def cached(made: Calls, cache: PrefixCache, block: Block = BLOCK) -> list[int]:
    return [cache.meet(made.at(block, position).messages) for position in range(ASKED)]


def test_without_nonces_all_but_the_first_of_each_is_cached() -> None:
    """Of 200 requests for ten prompts, 190 find all their 64 tokens: 95 % of the input."""
    found = cached(calls("none"), PrefixCache())
    assert ([0] * EXAMPLES, [WORDS] * (ASKED - EXAMPLES)) == (found[:EXAMPLES], found[EXAMPLES:])


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_with_a_nonce_each_nothing_is_cached(load: Load) -> None:
    """Not one token, in this cell, in another, or in another run, and the same examples are asked."""
    cache = PrefixCache()
    other = msgspec.structs.replace(BLOCK, cell=1)
    asked = ((calls("attempt", load), BLOCK), (calls("attempt", load), other), (calls("attempt", load, "s"), BLOCK))
    for made, block in asked:
        assert [0] * ASKED == cached(made, cache, block)
    plain, made = calls("none", load), calls("attempt", load)
    assert [plain.at(BLOCK, n).example for n in range(ASKED)] == [made.at(BLOCK, n).example for n in range(ASKED)]


def test_a_nonce_of_the_run_keeps_other_runs_out() -> None:
    """The run finds its own prompts as ever, and nothing of the run before."""
    cache = PrefixCache()
    found = [cached(calls("run", run=run), cache) for run in ("r", "s")]
    assert found[0] == found[1]
    assert (0, 64) == (found[0][0], found[0][-1])
    assert 1 == len({calls("run").at(BLOCK, n).nonce for n in range(ASKED)})


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_what_is_cached_is_what_repeats(load: Load) -> None:
    """A request is found whole where nonce and example were asked before, and not at all where they were not."""
    made, cache, known = calls("attempt", load, share=0.6), PrefixCache(), set()
    for position in range(ASKED):
        call = made.at(BLOCK, position)
        key = (call.example, call.nonce)
        assert (WORDS if key in known else 0) == cache.meet(call.messages)
        known.add(key)
    assert 0.5 < 1 - len(known) / ASKED < 0.7


def test_endpoints_repeat_at_the_same_places_with_nonces_of_their_own() -> None:
    """Compared by example they were asked alike, and none finds what another left at a shared provider."""
    made = calls("attempt", share=0.5)
    here = [made.at(BLOCK, position) for position in range(ASKED)]
    there = [made.at(msgspec.structs.replace(BLOCK, cell=1, endpoint="b"), position) for position in range(ASKED)]
    assert [call.example for call in here] == [call.example for call in there]
    assert set() == {call.nonce for call in here} & {call.nonce for call in there}


def test_a_request_is_made_again_from_the_manifest() -> None:
    """Another worker, and another day, makes the same bytes; a warm-up goes on where the measure phase begins."""
    first, again = calls("attempt", share=0.3), calls("attempt", share=0.3)
    warm = msgspec.structs.replace(BLOCK, id=0, phase=Phase.WARMUP)
    assert [first.at(BLOCK, n) for n in range(50)] == [again.at(warm, n) for n in reversed(range(50))][::-1]


def test_a_replay_begins_again_in_each_block_and_finds_nothing_there() -> None:
    """Its positions start anew in the measure phase; its nonces do not repeat."""
    made = calls("attempt", ReplayLoad(kind="replay", trace="t.csv"))
    warm = msgspec.structs.replace(BLOCK, id=0, phase=Phase.WARMUP)
    assert set() == {made.at(warm, n).nonce for n in range(50)} & {made.at(BLOCK, n).nonce for n in range(50)}


def test_filler_of_a_trace_can_have_the_nonce_of_the_run() -> None:
    """It shares what the trace shares, and nothing with another run of the same scenario."""
    load = ReplayLoad(kind="replay", trace="t.csv", prompts="trace")
    traced, cache = (Traced(at_s=0.0, input_tokens=100, output_tokens=5, number=1),), PrefixCache()
    found = [cache.meet(Calls(load, PROMPTS, traced, Nonces("run", run)).at(BLOCK, 0).messages) for run in ("r", "s", "r")]
    assert [0, 0] == found[:2]
    assert found[2] > 80


def test_a_cell_that_is_played_again_meets_no_cache() -> None:
    """What an interrupted session asked is in the provider's cache; the next one asks the same examples with other nonces."""
    cache = PrefixCache()
    again = Calls(CLOSED, PROMPTS, nonces=Nonces("attempt", "r", 0.0, session=1))
    assert [0] * ASKED == cached(calls("attempt"), cache)
    assert [0] * ASKED == cached(again, cache)
    assert [calls("attempt").at(BLOCK, n).example for n in range(ASKED)] == [again.at(BLOCK, n).example for n in range(ASKED)]
