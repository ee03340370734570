"""What of a prompt is cached: the longest beginning that was met before, in whole blocks."""

from typing import Any

import httpx
import pytest

from harness.load import ClosedLoad
from harness.loadgen.schedule import Calls, Nonces
from harness.records import Block, Call, Message, Phase
from harness.simulator import tokens
from harness.simulator.knowledge import prompt_key
from harness.simulator.prefix_cache import BLOCK, PrefixCache


def words(n: int, first: int = 0) -> str:
    """So many tokens, each with its number in it."""
    return " ".join(f"w{first + each}" for each in range(n))


def prompt(system: str, user: str) -> list[Message]:
    return [Message("system", system), Message("user", user)]


def test_the_same_prompt_is_cached_in_whole_blocks() -> None:
    """Nothing the first time; of 39 tokens 32 the second time."""
    cache = PrefixCache()
    assert [0, 32] == [cache.meet([Message("user", words(39))]) for _ in range(2)]


@pytest.mark.parametrize(("common", "cached"), [(15, 0), (16, 16), (31, 16), (32, 32), (40, 32)])
def test_a_common_beginning_counts_up_to_the_block_where_they_part(common: int, cached: int) -> None:
    """What follows may be the same again: behind a difference nothing is cached."""
    cache = PrefixCache()
    cache.meet([Message("user", f"{words(common)} this {words(40, first=100)}")])
    assert cached == cache.meet([Message("user", f"{words(common)} that {words(40, first=100)}")])


def test_a_shared_system_prompt_is_cached_across_messages() -> None:
    """Blocks run on from message to message: 20 tokens and 4 equal ones of the user make one block, 12 make two."""
    cache = PrefixCache()
    cache.meet(prompt(words(20), words(30)))
    assert 16 == cache.meet(prompt(words(20), f"{words(4)} other"))
    assert 32 == cache.meet(prompt(words(20), f"{words(12)} other"))


def test_who_speaks_is_part_of_the_prompt() -> None:
    """The same words in another role, or cut into other messages, are another prompt."""
    cache = PrefixCache()
    cache.meet([Message("user", words(40))])
    assert 0 == cache.meet([Message("system", words(40))])
    assert 16 == cache.meet([Message("user", words(20)), Message("user", words(20, first=20))])


def test_memory_is_bounded_and_the_latest_stays() -> None:
    """With room for four blocks, of a prompt of six the first four stay, and go when four others come."""
    cache = PrefixCache(most_blocks=4)
    long, other = [Message("user", words(6 * BLOCK))], [Message("user", words(4 * BLOCK, first=500))]
    assert [0, 4 * BLOCK, 0, 4 * BLOCK, 0] == [cache.meet(asked) for asked in (long, long, other, other, long)]


def test_a_long_prompt_lets_due_sends_through() -> None:
    """A megabyte is cut, hashed and put down with many breaths, and found again to the last block."""
    breaths: list[int] = []
    asked = [Message("user", "word " * 200_000)]
    cache = PrefixCache()
    assert [0, 200_000] == [cache.meet(asked, lambda: breaths.append(1)) for _ in range(2)]
    assert 2 * (200_000 // BLOCK // 1_024 + 1_000_000 // tokens.SLICE) <= len(breaths)


@pytest.mark.parametrize("text", ["", "a", " ab  cd\n" * 9_000, "x" * 50_000, "é " * 20_000])
def test_parts_are_the_tokens(text: str) -> None:
    """Cut in parts or at once, the tokens are the same."""
    assert tokens.cut(text) == [token for part in tokens.parts(text) for token in part]


def test_usage_and_truth_report_what_is_cached(start: Any) -> None:
    """A second user's question after the same system prompt finds it, and a refused request leaves nothing behind."""
    simulator = start(filler_tokens=2, candidates=[{"name": "a", "model": "m", "prefix_cache": True}])
    asks = [("other", "first"), ("m", "first"), ("m", "second"), ("m", "second")]
    usages = []
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        for model, question in asks:
            messages = [{"role": "system", "content": words(64)}, {"role": "user", "content": f"{question} {words(15)}"}]
            usages.append(client.post("/chat/completions", json={"model": model, "messages": messages}).json().get("usage"))
    assert [0, 64, 80] == [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages[1:]]
    assert [0, 0, 64, 80] == [line["cached_tokens"] for line in simulator.stop()]


@pytest.mark.parametrize(("kind", "cached"), [("none", [0, 0, 64, 64]), ("attempt", [0, 0, 0, 0])])
def test_nonces_empty_the_cache_and_leave_the_answers(start: Any, kind: str, cached: list[int]) -> None:
    """Two prompts twice each: all their blocks come from the cache, or none with a nonce each; the answers stay right."""
    prompts = [Call(f"e{n}", (Message("user", words(64, first=100 * n)),)) for n in range(2)]
    known = [
        {"example": call.example, "prompt_sha256": prompt_key(call.messages), "right": f"it is {call.example}", "wrong": "no"}
        for call in prompts
    ]
    candidate = {"name": "a", "model": "m", "accuracy": 1.0, "prefix_cache": True}
    simulator = start(candidates=[candidate], knowledge=known)
    calls = Calls(ClosedLoad(levels=(1,)), prompts, nonces=Nonces(kind, "run"))
    block = Block(id=0, cell=0, endpoint="a", level="1", concurrency=1, phase=Phase.MEASURE, seconds=1)
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        for position in range(4):
            call = calls.at(block, position)
            messages = [{"role": each.role, "content": each.content} for each in call.messages]
            reply = client.post("/chat/completions", json={"model": "m", "messages": messages}).json()
            assert f"it is {call.example}" == reply["choices"][0]["message"]["content"]
    assert cached == [line["cached_tokens"] for line in simulator.stop()]
