"""An endpoint's rate limits as the load met them: what went when the first 429 came, and what the headers told.

The rule: what was sent is counted, not what was planned; tokens that nobody counted make the figure a least one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.journal_reader import Attempt
from harness.quota import Allowance
from harness.records import AttemptEnd, Block, BlockMark
from harness.report import wording

NS = 1_000_000_000
REFUSED = 429
WAIT_NS = 1_000_000  # less is no wait but a look at the line
WINDOW_S = 60.0  # most limits are of a minute
LEAST_S = 1.0  # a rate of less time is no rate
KINDS = {"requests": "requests", "tokens": "tokens", "input_tokens": "input tokens", "output_tokens": "output tokens"}


@dataclass(frozen=True)
class FirstRefusal:
    """The first 429 of an endpoint, and the load that met it.

    after_s            since the load began that it was part of (`words`: 8 users)
    sent               requests up to then, itself included, of the minute before it or since that beginning
    requests_per_s     of these, None within the first second; tokens_per_min of input and output, None where none are known
    uncounted          of these, accepted or failed, without a count of tokens: tokens_per_min is then too low
    """

    words: str
    after_s: float
    sent: int
    requests_per_s: float | None
    tokens_per_min: float | None
    uncounted: int


@dataclass(frozen=True)
class Found:
    """Of one endpoint.

    told            answers whose headers told anything of limits
    least           by kind of limit, the allowance with the least remaining of all that were told
    longest_wait_s  the longest Retry-After of a 429
    unreadable      header, and how many answers had it with a value that is none
    waits_s         of those that waited for our own share of the declared quota, sent in the end or not
    """

    endpoint: str
    sent: int
    refused: int
    first: FirstRefusal | None
    told: int
    least: Mapping[str, Allowance]
    longest_wait_s: float | None
    unreadable: Mapping[str, int]
    waits_s: Sequence[float] = ()


def found(attempts: Iterable[Attempt], plan: Sequence[Block], marks: Iterable[tuple[int, BlockMark]]) -> list[Found]:
    """One for each endpoint that was sent anything, in the order of the plan; marks come with the number of their worker.

    Warm-ups count: limits make no difference. What was never sent has but its wait for the declared quota.
    """
    attempts = list(attempts)
    waits_s: dict[str, list[float]] = defaultdict(list)
    for each in attempts:
        if each.end is not None and (each.end.limited_ns or 0) > WAIT_NS:
            waits_s[each.start.endpoint].append((each.end.limited_ns or 0) / NS)
    sent = [each for each in attempts if each.end is not None and each.end.sent_ns is not None]
    begun_ns = beginnings(sent, plan, marks)
    by_endpoint = {block.endpoint: [each for each in sent if each.start.endpoint == block.endpoint] for block in plan}
    told = [_found(name, mine, plan, begun_ns) for name, mine in by_endpoint.items() if mine]
    return [replace(each, waits_s=tuple(sorted(waits_s[each.endpoint]))) for each in told]


def sentences(endpoints: Iterable[Found]) -> list[str]:
    """What a reader is told; nothing of an endpoint that refused nothing and told nothing."""
    return [said for each in endpoints for said in _sentences(each)]


def _found(name: str, sent: list[Attempt], plan: Sequence[Block], begun_ns: Mapping[tuple[int, int], int]) -> Found:
    ends = [each.end for each in sent if each.end is not None]
    quotas = [end.quota for end in ends if end.quota is not None]
    refusals = [end for end in ends if end.http_status == REFUSED]
    waits_s = [end.quota.retry_after_s for end in refusals if end.quota is not None and end.quota.retry_after_s is not None]
    unreadable = [header for quota in quotas for header in quota.unreadable]
    return Found(
        endpoint=name,
        sent=len(sent),
        refused=len(refusals),
        first=_first(sent, plan, begun_ns),
        told=len(quotas),
        least={kind: least for kind in KINDS if (least := _least(ends, kind)) is not None},
        longest_wait_s=max(waits_s, default=None),
        unreadable={header: unreadable.count(header) for header in sorted(set(unreadable))},
    )


def beginnings(
    sent: Iterable[Attempt], plan: Sequence[Block], marks: Iterable[tuple[int, BlockMark]]
) -> dict[tuple[int, int], int]:
    """When each worker began with each cell. Stamps of two workers may be of two hosts, so each is held against its own."""
    cells = {block.id: block.cell for block in plan}
    begun_ns: dict[tuple[int, int], int] = {}
    opened = [((cells[mark.block], worker), mark.at_ns) for worker, mark in marks if mark.edge == "open"]
    for key, at_ns in (*opened, *(((cells[each.start.block], each.worker), each.begun_ns) for each in sent)):
        begun_ns[key] = min(at_ns, begun_ns.get(key, at_ns))
    return begun_ns


def _first(sent: Iterable[Attempt], plan: Sequence[Block], begun_ns: Mapping[tuple[int, int], int]) -> FirstRefusal | None:
    """In the first cell, by the plan, that met one."""
    blocks = {block.id: block for block in plan}
    by_cell: dict[int, list[tuple[float, AttemptEnd]]] = {}
    for each in sent:
        cell = blocks[each.start.block].cell
        if each.end is not None and each.end.sent_ns is not None:
            after_s = (each.end.sent_ns - begun_ns[cell, each.worker]) / NS
            by_cell.setdefault(cell, []).append((after_s, each.end))
    for block in plan:
        met = [after_s for after_s, end in by_cell.get(block.cell, ()) if end.http_status == REFUSED]
        if met:
            return _refusal(block.words, min(met), by_cell[block.cell])
    return None


def _refusal(words: str, after_s: float, cell: Iterable[tuple[float, AttemptEnd]]) -> FirstRefusal:
    window_s = min(WINDOW_S, after_s)
    ends = [end for at_s, end in cell if after_s - window_s <= at_s <= after_s]
    counts = [_tokens(end) for end in ends if end.http_status != REFUSED]
    known = [count for count in counts if count is not None]
    is_rate = window_s >= LEAST_S
    return FirstRefusal(
        words=words,
        after_s=after_s,
        sent=len(ends),
        requests_per_s=len(ends) / window_s if is_rate else None,
        tokens_per_min=sum(known) / window_s * 60 if is_rate and known else None,
        uncounted=len(counts) - len(known),
    )


def _tokens(end: AttemptEnd) -> int | None:
    usage = end.usage
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return usage.input_tokens + usage.output_tokens


def _least(ends: Iterable[AttemptEnd], kind: str) -> Allowance | None:
    known: Iterator[Allowance | None] = (getattr(end.quota, kind) for end in ends if end.quota is not None)
    told = [(each.remaining, each) for each in known if each is not None and each.remaining is not None]
    return min(told, key=lambda pair: pair[0])[1] if told else None


def _sentences(of: Found) -> Iterator[str]:
    if of.waits_s:
        middle, longest = (wording.seconds(of.waits_s[place]) for place in (len(of.waits_s) // 2, -1))
        yield (
            f"{of.endpoint}: {_counted(len(of.waits_s), 'request')} waited for the declared quota, {middle} (median) and up to "
            f"{longest}: so the quota set the load. Scheduled latency holds this wait, service latency does not."
        )
    if of.first is not None:
        share = f"refused {wording.count(of.refused)} of {_counted(of.sent, 'request')}"
        yield f"{of.endpoint}: first 429 at {_load(of.first)}; {share}{_wait(of)}."
    elif of.told:
        yield f"{of.endpoint}: no 429 in {_counted(of.sent, 'request')}."
    if of.least:
        left = [_left(kind, allowance) for kind, allowance in of.least.items()]
        yield f"{of.endpoint}: least remaining by header {wording.joined(left)}, as told with {_counted(of.told, 'answer')}."
    if of.unreadable:
        names = [f"{name} ({_counted(n, 'answer')})" for name, n in of.unreadable.items()]
        yield f"{of.endpoint}: rate-limit headers that could not be read: {wording.joined(names)}."


def _load(first: FirstRefusal) -> str:
    where = f"after {wording.seconds(first.after_s)} of {first.words}"
    if first.requests_per_s is None:
        return f"request {wording.count(first.sent)}, {where}"
    rates = [f"{wording.number(first.requests_per_s)} requests/s"]
    if first.tokens_per_min is not None:
        least = "at least " if first.uncounted else ""
        rates.append(f"{least}{wording.number(first.tokens_per_min)} tokens/min")
    return ", ".join([*rates, where])


def _wait(of: Found) -> str:
    return "" if of.longest_wait_s is None else f", with a Retry-After of up to {wording.seconds(of.longest_wait_s)}"


def _left(kind: str, allowance: Allowance) -> str:
    whole = "" if allowance.limit is None else f" of {wording.count(allowance.limit)}"
    return f"{wording.count(allowance.remaining)}{whole} {KINDS[kind]}"


def _counted(number: int, what: str) -> str:
    return f"{wording.count(number)} {what}{'' if number == 1 else 's'}"
