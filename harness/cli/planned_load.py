"""The load that `signoff calibrate` is asked for: its own, or that of a scenario, as far as it sets what measuring costs.

The rule: of several endpoints the one counts that makes more work; what nobody says is as in `Plan`.
"""

import math
from collections.abc import Iterator
from statistics import fmean
from typing import Any, NamedTuple

from harness import scenario_file
from harness.errors import HarnessError
from harness.load import ClosedLoad, Load, OpenLoad, search_of
from harness.loadgen import prepare
from harness.scenario import Endpoint, Scenario
from harness.scenario_file import Loaded
from harness.simulated import Simulated
from harness.simulator import knowledge, tokens
from harness.simulator.config import FILLER_TOKENS
from harness.workload import nonce

MOST_USERS = 100_000
MOST_PROMPT_BYTES = 1_000_000
LONGEST_ANSWER_S = 120.0
LONG_ANSWER_S = 10.0  # of a scenario: a longer answer is the same load for longer
LIMITS = ("max_tokens", "max_completion_tokens")


class Plan(NamedTuple):
    """Answers of `tokens` chunks, `gap_s` apart, the first of them after `ttft_s`."""

    users: tuple[int, ...] = (50, 500)
    processes: int = 1
    prompt_bytes: int = 200
    tokens: int = 128
    ttft_s: float = 0.2
    gap_s: float = 0.02
    seconds: float = 10.0
    stream: bool = True
    tls: bool = False

    @property
    def answer_s(self) -> float:
        """About how long one answer takes."""
        return self.ttft_s + self.tokens * self.gap_s


def planned(scenario: str | None, **said: Any) -> Plan:
    """What is said wins over the scenario, and None is not said.

    Raises HarnessError for a load that means nothing, or would take hours.
    """
    shape = Plan() if scenario is None else of_scenario(scenario_file.load(scenario))
    plan = shape._replace(**{name: value for name, value in said.items() if value is not None})
    users, sizes = f"whole numbers from 1 to {MOST_USERS:,}", f"1 to {MOST_PROMPT_BYTES:,} bytes"
    gap_ms = round(1000 * plan.gap_s, 6)
    _check(all(1 <= each <= MOST_USERS for each in plan.users), "--users", plan.users, users)
    _check(1 <= plan.prompt_bytes <= MOST_PROMPT_BYTES, "--prompt-bytes", plan.prompt_bytes, sizes)
    _check(plan.tokens >= 2, "--tokens", plan.tokens, "2 or more: an answer of one token has no gap")
    _check(math.isfinite(gap_ms) and gap_ms >= 0, "--gap-ms", gap_ms, "milliseconds, for example 20")
    _check(math.isfinite(plan.seconds) and plan.seconds > 0, "--seconds", plan.seconds, "a time to measure, for example 10")
    _check(
        plan.answer_s <= LONGEST_ANSWER_S,
        "--tokens and --gap-ms",
        f"{plan.tokens} tokens, {gap_ms:g} ms apart, make an answer of {plan.answer_s:.0f} s",
        f"at most {LONGEST_ANSWER_S:.0f} s: fewer tokens at the same gap are the same load",
    )
    return plan._replace(users=tuple(sorted(set(plan.users))))


def of_scenario(loaded: Loaded) -> Plan:
    """Its levels, the mean size of its prompts and answers, whether it streams and over TLS; its pace where it is simulated.

    A right answer's length is that of the reference or the expected value, and `max_tokens` where the data set has neither.
    In the parallel design a level is of all endpoints together.
    """
    endpoints = list(loaded.scenario.endpoints.values())
    calls = prepare.calls_of(loaded.scenario, prepare.sampled(loaded))
    answer = _answer_tokens(loaded, Plan().tokens)
    pace = min((each.simulated or Simulated() for each in endpoints), key=lambda each: _gap_s(each, answer))
    chunks = math.ceil((answer + pace.reasoning_tokens) / pace.tokens_per_chunk)
    ttft_s, gap_s = _ttft_s(pace), _gap_s(pace, answer)
    plan = Plan(
        prompt_bytes=_nonce_bytes(loaded.scenario)
        + math.ceil(fmean(sum(len(each.content.encode()) for each in call.messages) for call in calls)),
        tokens=max(2, min(chunks, int(LONG_ANSWER_S / gap_s) if gap_s else chunks)),
        ttft_s=ttft_s,
        gap_s=gap_s,
        stream=any(each.stream for each in endpoints),
        tls=any((each.base_url or "").startswith("https:") for each in endpoints),
    )
    at_once = len(endpoints) if loaded.scenario.load.design == "parallel" else 1
    return plan._replace(users=tuple(at_once * users for users in _users(loaded.scenario.load, plan.answer_s)))


def answer_tokens(loaded: Loaded, endpoint: Endpoint) -> tuple[int, int]:
    """Of an answer at this endpoint, and of one before the last of a conversation; reasoning is among them.

    The simulator has no right answer for the turns before the last, and says its filler; of others nobody knows better than
    that all are alike.
    """
    limit = max(_limits(endpoint), default=None)
    pace = endpoint.simulated
    if pace is None:
        return (said := _answer_tokens(loaded, Plan().tokens)), said
    sizes = (_answer_tokens(loaded, FILLER_TOKENS), limit or FILLER_TOKENS)
    last, before = (min(size + pace.reasoning_tokens, limit or math.inf) for size in sizes)
    return int(last), int(before)


def _answer_tokens(loaded: Loaded, unknown: int) -> int:
    """The mean of the right answers, as far as `max_tokens` lets them be said; `unknown` where the data set has none."""
    examples = prepare.sampled(loaded)
    calls = prepare.calls_of(loaded.scenario, examples)
    known = knowledge.build({each.id: (each, call) for each, call in zip(examples, calls, strict=True)}, seed=0)
    limit = max((limit for each in loaded.scenario.endpoints.values() for limit in _limits(each)), default=None)
    said = math.ceil(fmean(tokens.count(each.right) for each in known)) if known else limit or unknown
    return min(said, limit or said)


def _nonce_bytes(scenario: Scenario) -> int:
    return 0 if scenario.prompts.nonce == "none" else len(nonce.word("") + nonce.AFTER)


def _users(load: Load, answer_s: float) -> tuple[int, ...]:
    """In flight at each level: of an open loop by Little's law, L = lambda W, and no more than it has users."""
    search = search_of(load)
    if isinstance(load, ClosedLoad):
        return load.levels if search is None else (int(search.most),)
    if isinstance(load, OpenLoad):
        rates = load.levels if search is None else (search.most,)
        return tuple(min(load.users, max(1, math.ceil(rate * answer_s))) for rate in rates)
    return (load.users,)


def _limits(endpoint: Endpoint) -> Iterator[int]:
    for asked in (endpoint.parameters, endpoint.extra_body):
        yield from (asked[name] for name in LIMITS if isinstance(asked.get(name), int))


def _ttft_s(pace: Simulated) -> float:
    return pace.ttft.median_s if pace.service is None else pace.service.mean_s * pace.service.first_ratio


def _gap_s(pace: Simulated, answer: int) -> float:
    """Between two chunks, where the answer has so many tokens."""
    if pace.service is None:
        return pace.itl.median_s * pace.tokens_per_chunk
    later = max(1, answer + pace.reasoning_tokens - pace.tokens_per_chunk)
    return pace.service.mean_s * (1 - pace.service.first_ratio) * pace.tokens_per_chunk / later


def _check(holds: bool, where: str, value: object, remedy: str) -> None:
    if not holds:
        what = value if isinstance(value, str) else f"{value!r} cannot be calibrated for"
        raise HarnessError(str(what), where=where, remedy=remedy)
