"""`signoff estimate SCENARIO`: requests, tokens, US dollars and minutes before anything is sent.

The rule: every assumption is printed with the answer, and each can be replaced by what a short run has shown.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from statistics import fmean
from typing import Annotated, NamedTuple

import msgspec
import typer

from harness import assembly, scenario_file
from harness.cli import planned_answers, planned_load, planned_quota, planned_turns
from harness.cli.planned_answers import Taken
from harness.cli.planned_quota import Quota
from harness.cli.planned_turns import Turns
from harness.errors import ExitCode
from harness.load import ClosedLoad, EvaluationLoad, Load, OpenLoad, ReplayLoad, search_of
from harness.loadgen import plan, prepare, schedule
from harness.loadgen.prepare import Replayed
from harness.loadgen.ration import CHARS_PER_TOKEN
from harness.price.cost import cost
from harness.rates import Rates
from harness.records import Block, Phase, Usage
from harness.scenario import Budget
from harness.scenario_file import Loaded
from harness.search_for import SearchFor
from harness.workload.trace_row import Traced


class Answer(NamedTuple):
    """What one request is taken to be: `seconds` from the sending to the last token, `turns` those of conversations.

    before  tokens of an answer that is not the last of a conversation; `quota`: what the endpoint's declared limits let through
    """

    input_tokens: int
    output_tokens: int
    seconds: float
    before: int
    turns: Turns | None = None
    quota: Quota | None = None


class Estimate(msgspec.Struct, frozen=True):
    """Of one endpoint; `usd` is None without a price."""

    endpoint: str
    requests: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None


class Evaluated(Estimate, frozen=True):
    """Of one that an evaluation asks: `requests` and the rest if nothing fails, these if all of it does."""

    max_requests: int
    max_usd: Decimal | None


class Estimated(msgspec.Struct, frozen=True):
    scenario: str
    endpoints: tuple[Estimate, ...]
    usd: Decimal | None
    min_minutes: float
    max_minutes: float
    assumed: tuple[str, ...]
    warnings: tuple[str, ...]
    over_budget: tuple[str, ...]


def estimate(
    scenario: Annotated[str, typer.Argument(help="Scenario file or folder, or the name of a bundled one.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="KEY.PATH=VALUE over the file's; may be repeated.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Of an answer; else of the data set's right ones.")] = None,
    ttft_ms: Annotated[float | None, typer.Option(min=0, help="Time to first token; 200 if nobody knows.")] = None,
    gap_ms: Annotated[float | None, typer.Option(min=0, help="Between tokens; 20 if nobody knows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Say what a run would take. Sends nothing. Exit code 5 where it would break the scenario's budget."""
    loaded = scenario_file.load(scenario, overrides or ())
    found = estimated(loaded, tokens, ttft_ms, gap_ms)
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(_lines(found)))
    return ExitCode.GUARD if found.over_budget else ExitCode.OK


def estimated(loaded: Loaded, tokens: int | None, ttft_ms: float | None, gap_ms: float | None) -> Estimated:
    scenario = loaded.scenario
    replayed = prepare.replayed_of(scenario.load, loaded.folder)
    traced = replayed.requests
    blocks = plan.build(scenario, traced)
    rates = assembly.rates(scenario, datetime.now(UTC))
    answers = {name: _answer(_only(loaded, name), traced, tokens, ttft_ms, gap_ms) for name in scenario.endpoints}
    evaluated = _taken(loaded, answers)
    endpoints = tuple(
        _evaluated(name, each, evaluated[name], rates[name])
        if evaluated
        else _of(name, scenario.load, blocks, traced, each, rates[name])
        for name, each in answers.items()
    )
    amounts = [each.usd for each in endpoints if each.usd is not None]
    usd = sum(amounts, Decimal(0)) if amounts else None
    least_s, search = plan.seconds([block for block in blocks if block.requests is None]), search_of(scenario.load)
    most_s = plan.seconds(blocks) + plan.drains(blocks) * scenario.load.drain_s
    if search is not None:  # it may be over after one step
        most_s = 60 * search.minutes * len(scenario.endpoints)
    if evaluated:
        least_s, most_s = sum(each.min_s for each in evaluated.values()), sum(each.max_s for each in evaluated.values())
    return Estimated(
        scenario=scenario.name,
        endpoints=endpoints,
        usd=usd,
        min_minutes=least_s / 60,
        max_minutes=most_s / 60,
        assumed=tuple(_assumed(scenario.load, answers, replayed)),
        warnings=tuple(_beyond(scenario.load, blocks, traced, answers)),
        over_budget=tuple(_over(scenario.budget, usd, least_s / 60)),
    )


def _over(budget: Budget, usd: Decimal | None, minutes: float) -> Iterator[str]:
    if budget.usd is not None and usd is not None and usd > Decimal(budget.usd):
        yield f"{float(usd):.4g} USD is more than budget.usd, {budget.usd}: the run would be stopped there"
    if budget.minutes is not None and minutes > budget.minutes:
        yield f"{minutes:.1f} minutes is more than budget.minutes, {budget.minutes:g}: the run would be stopped there"


def _taken(loaded: Loaded, answers: Mapping[str, Answer]) -> dict[str, Taken]:
    """By endpoint; nothing of a load."""
    load = loaded.scenario.load
    if not isinstance(load, EvaluationLoad):
        return {}
    examples = len(prepare.sampled(loaded))
    found = {}
    for name, answer in answers.items():
        each, think_s = (1.0, 0.0) if answer.turns is None else (answer.turns.per_example, answer.turns.think_s)
        found[name] = planned_answers.taken(load, examples, each, answer.seconds, think_s)
    return found


def _only(loaded: Loaded, endpoint: str) -> Loaded:
    only = {endpoint: loaded.scenario.endpoints[endpoint]}
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"endpoints": only}))


def _answer(
    loaded: Loaded, traced: tuple[Traced, ...], tokens: int | None, ttft_ms: float | None, gap_ms: float | None
) -> Answer:
    """Of the only endpoint of this scenario: as simulated, as said, or as nobody knows better."""
    [endpoint] = loaded.scenario.endpoints.values()
    pace, load = planned_load.of_scenario(loaded), loaded.scenario.load
    last, before = planned_load.answer_tokens(loaded, endpoint) if tokens is None else (tokens, tokens)
    turns = planned_turns.of(prepare.calls_of(loaded.scenario, prepare.sampled(loaded)), last, before, load)
    said = last if turns is None else turns.output_tokens
    chunks = said / (1 if endpoint.simulated is None else endpoint.simulated.tokens_per_chunk)
    ttft_s = pace.ttft_s if ttft_ms is None else ttft_ms / 1000
    gap_s = pace.gap_s if gap_ms is None else gap_ms / 1000
    asked = math.ceil(pace.prompt_bytes / CHARS_PER_TOKEN) if turns is None else turns.input_tokens
    answer = Answer(asked, math.ceil(said), ttft_s + chunks * gap_s, before, turns)
    if isinstance(load, ReplayLoad) and load.prompts == "trace":
        answer = _mean(traced, answer)
    return answer._replace(quota=planned_quota.of(endpoint.limits, answer.input_tokens, answer.output_tokens))


def _mean(traced: tuple[Traced, ...], answer: Answer) -> Answer:
    """Of the requests of the trace, all of which have their lengths: one without them was refused."""
    asked = [each.input_tokens for each in traced if each.input_tokens is not None]
    said = [each.output_tokens for each in traced if each.output_tokens is not None]
    return answer._replace(input_tokens=math.ceil(fmean(asked)), output_tokens=math.ceil(fmean(said)))


def _of(
    name: str, load: Load, blocks: tuple[Block, ...], traced: tuple[Traced, ...], answer: Answer, rates: Rates | None
) -> Estimate:
    search, own = search_of(load), [block for block in blocks if block.endpoint == name]
    cells = [list(cell) for _, cell in groupby(sorted(own, key=_cell), key=_cell)]
    requests = (
        _searched(load, search)
        if search is not None
        else math.ceil(sum(_requests(load, cell, traced, answer) for cell in cells) - 1e-9)
    )
    usd = _usd(answer, rates)
    return Estimate(
        name, requests, requests * answer.input_tokens, requests * answer.output_tokens, None if usd is None else usd * requests
    )


def _evaluated(name: str, answer: Answer, taken: Taken, rates: Rates | None) -> Evaluated:
    usd, requests = _usd(answer, rates), taken.requests
    return Evaluated(
        name,
        requests,
        requests * answer.input_tokens,
        requests * answer.output_tokens,
        None if usd is None else usd * requests,
        taken.max_requests,
        None if usd is None else usd * taken.max_requests,
    )


def _usd(answer: Answer, rates: Rates | None) -> Decimal | None:
    """Of one request."""
    usage = Usage(
        input_tokens=answer.input_tokens,
        cached_read_tokens=0,
        cache_write_tokens=0,
        output_tokens=answer.output_tokens,
        reasoning_tokens=0,
    )
    return None if rates is None else cost(usage, rates).total_usd


def _searched(load: Load, search: SearchFor) -> int:
    """The most that it may ask: an open loop sends no more than its highest rate in the time that there is."""
    return min(search.budget, math.ceil(search.most * 60 * search.minutes)) if isinstance(load, OpenLoad) else search.budget


def _cell(block: Block) -> int:
    return block.cell


def _requests(load: Load, cell: Sequence[Block], traced: tuple[Traced, ...], answer: Answer) -> float:
    """Of an open loop exactly; in a closed one each user asks again as soon as it is answered and the declared limits let it,
    up to what it is to ask.

    Who waits for them when a cell is over goes on waiting while it is drained.
    """
    turns = answer.turns
    if isinstance(load, OpenLoad | ReplayLoad):
        return sum(_arrivals(load, block, traced, answer) for block in cell)
    assert isinstance(load, ClosedLoad), "what an evaluation takes is `_taken`"
    each_s = answer.seconds + (0.0 if turns is None else turns.think_s)
    per_call, users = 1.0 if turns is None else turns.per_example, cell[0].concurrency
    wanted = sum(
        min(users * block.seconds / each_s, math.inf if block.requests is None else block.requests * per_call) for block in cell
    )
    if answer.quota is None:
        return wanted
    seconds = sum(block.seconds for block in cell)
    return min(wanted, answer.quota.through(seconds) + users, answer.quota.through(seconds + load.drain_s))


def _arrivals(load: OpenLoad | ReplayLoad, block: Block, traced: tuple[Traced, ...], answer: Answer) -> float:
    """With all their turns, where they begin conversations."""
    return sum(1 for _ in schedule.due(load, block, traced)) * (1.0 if answer.turns is None else answer.turns.per_example)


def _beyond(load: Load, blocks: tuple[Block, ...], traced: tuple[Traced, ...], answers: Mapping[str, Answer]) -> Iterator[str]:
    """Where more arrives than the declared limits let through, at each endpoint the worst of its windows."""
    if not isinstance(load, OpenLoad | ReplayLoad) or search_of(load) is not None:
        return
    for name, answer in answers.items():
        own = [block for block in blocks if block.endpoint == name and block.phase is Phase.MEASURE]
        per_s, level = max((_arrivals(load, block, traced, answer) / block.seconds, block.level) for block in own)
        if answer.quota is not None and per_s > answer.quota.per_s:
            yield (
                f"at {name} ({level}) {60 * per_s:.4g} requests a minute arrive, and its declared limits let "
                f"{60 * answer.quota.per_s:.4g} go: {per_s / answer.quota.per_s:.3g} times as many. The others wait, and those "
                "that wait past drain_s are cut; tokens and USD are of all arrivals"
            )


def _assumed(load: Load, answers: Mapping[str, Answer], replayed: Replayed) -> Iterator[str]:
    first = next(iter(answers.values()))
    yield f"a prompt has {first.input_tokens} tokens, one for {CHARS_PER_TOKEN} characters"
    yield f"an answer has {first.output_tokens} tokens, counted as the simulator does (--tokens)"
    if first.turns is not None:
        yield f"an example is {first.turns.per_example:.3g} requests, as no conversation is cut; its user thinks between turns"
        each = ", ".join(f"{answer.before} at {name}" for name, answer in answers.items())
        yield (
            f"tokens of an answer before the last of a conversation: {each}; a simulated endpoint says filler there, at any "
            "other it is taken to be as long as the right last answer (--tokens)"
        )
    if replayed.left_out:
        yield replayed.words
    limited = [name for name, answer in answers.items() if answer.quota is not None]
    if limited and isinstance(load, ClosedLoad):
        yield f"{', '.join(limited)} gets no more than its declared limits let through, the drain included"
    if isinstance(load, ClosedLoad):
        each = ", ".join(f"{name} {answer.seconds:.2f} s" for name, answer in answers.items())
        yield f"it takes {each} (--ttft-ms, --gap-ms); a faster endpoint is asked more often, and costs more"
    if isinstance(load, EvaluationLoad):
        each = ", ".join(f"{name} {answer.seconds:.2f} s" for name, answer in answers.items())
        yield f"it takes {each} (--ttft-ms, --gap-ms), and {load.users} are asked at once"
        yield f"at most: all {load.attempts_most} attempts fail, take as long and are billed; a Retry-After may make it longer"
        yield "nothing is read from a cache"
        return
    search = search_of(load)
    if search is not None:
        yield f"at these settings an answer is {search.worth}"
        yield "a search is over when it knows the load, so this is the most that it may take: its budget and its minutes"
    yield "nothing is read from a cache, nothing fails, nothing is refused; warm-up is asked and paid like the rest"


def _lines(found: Estimated) -> Iterator[str]:
    for each in found.endpoints:
        money = "no price" if each.usd is None else f"{float(each.usd):.4g} USD"
        tokens = f"{each.input_tokens:,} tokens in, {each.output_tokens:,} out"
        again = f" ({each.max_requests:,} if every attempt fails)" if isinstance(each, Evaluated) else ""
        yield f"{each.endpoint}: {each.requests:,} requests{again}, {tokens}, {money}"
    total = "no endpoint has a price" if found.usd is None else f"{float(found.usd):.4g} USD"
    yield f"together: {total}, {found.min_minutes:.1f} to {found.max_minutes:.1f} minutes"
    yield from (f"over budget: {each}" for each in found.over_budget)
    yield from (f"warning: {each}" for each in found.warnings)
    yield from (f"assumed: {each}" for each in found.assumed)
