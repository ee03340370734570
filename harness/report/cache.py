"""What was read from a provider's prompt cache: the share by its own usage, and the doubt where it is our own doing.

The rule: a prompt repeats where an earlier request of the run at this endpoint, in whichever phase, had its example and nonce.
"""

from collections.abc import Container, Iterator, Sequence

from harness import sessions
from harness.journal_reader import Attempt
from harness.records import Finding, Phase
from harness.report import quota, wording
from harness.report.figures import Summary
from harness.results import Run


def sentence(summary: Summary) -> str:
    """The cached share of each endpoint's input at its highest level, with the answers that told it."""
    told = []
    for name, endpoint in summary.endpoints.items():
        tokens = endpoint.levels[endpoint.peak].tokens
        share = wording.percent(tokens.cached_ratio)
        told.append(f"{name} {share} (n = {tokens.cached_n:,})" if tokens.cached_n else f"{name} not told")
    return f"Input read from a prompt cache, by usage, at the highest load: {', '.join(told)}."


def findings(run: Run) -> Iterator[Finding]:
    """Repeated prompts that came from a cache. What `reuse_share` asked for is no doubt; nor is what a trace shares."""
    scenario = run.manifest.scenario
    if scenario.get("prompts", {}).get("nonce") == "attempt" or scenario.get("load", {}).get("prompts") == "trace":
        return
    aside = {each.start.id for each in run.aside}
    found = [said for name, attempts in _by_endpoint(run).items() if (said := _repeated(name, attempts, aside))]
    if found:
        yield Finding(
            code="cached_repeats",
            what=f"prompts of this run came again and were read from a cache: {'; '.join(found)}",
            why="it costs less and is answered sooner: cost and TTFT are flattered where production repeats less",
            remedy="write `prompts.nonce: attempt`, with the `reuse_share` that production has, or use a larger data set",
        )


def _by_endpoint(run: Run) -> dict[str, list[Attempt]]:
    """What was sent, in that order: by cell, and in it by the clock of its own worker, from when that began with the cell.

    What was set aside was asked, too: before what its cell was played again with.
    """
    sent = [each for each in (*run.aside, *run.attempts) if each.start.dispatched_ns is not None]
    begun_ns = quota.beginnings(sent, run.manifest.plan, run.marks)
    cells = {block.id: block.cell for block in run.manifest.plan}

    def order(each: Attempt) -> tuple[int, int, int]:
        cell, session = cells[each.start.block], sessions.of_worker(run.manifest.sessions, each.worker)
        return cell, session, each.begun_ns - begun_ns[cell, each.worker]

    found: dict[str, list[Attempt]] = {}
    for each in sorted(sent, key=order):
        found.setdefault(each.start.endpoint, []).append(each)
    return found


def _repeated(name: str, attempts: Sequence[Attempt], aside: Container[str]) -> str | None:
    """In words, how much of what repeats is from the cache, beside what is asked for the first time; None where nothing is.

    aside  ids of attempts that were made and do not count
    """
    asked: set[tuple[str, str | None]] = set()
    again: list[Attempt] = []
    first: list[Attempt] = []
    for each in attempts:
        prompt = (each.start.example, each.start.nonce)
        if each.start.phase is Phase.MEASURE and each.start.id not in aside:
            (again if prompt in asked else first).append(each)
        asked.add(prompt)
    share = _cached(again)
    if not share:
        return None
    other = _cached(first)
    new = "" if other is None else f", and {wording.percent(other)} where the prompt was new"
    return f"at {name} {len(again):,} of {len(again) + len(first):,} requests, {wording.percent(share)} of their input{new}"


def _cached(attempts: Sequence[Attempt]) -> float | None:
    """Cached tokens over input tokens, of those that told both."""
    usages = [each.end.usage for each in attempts if each.end is not None and each.end.usage is not None]
    both = [
        (each.cached_read_tokens, each.input_tokens)
        for each in usages
        if each.cached_read_tokens is not None and each.input_tokens is not None
    ]
    read = sum(of for _, of in both)
    return sum(cached for cached, _ in both) / read if read else None
