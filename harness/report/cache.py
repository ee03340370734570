"""What was read from a provider's prompt cache: the share by its own usage, and the doubt where it is our own doing.

The rule: a prompt repeats where an earlier request of the run at this endpoint, in whichever phase, had its example, nonce
and turn.
"""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from harness import sessions
from harness.journal_reader import Attempt
from harness.records import Finding, Phase
from harness.report import quota, wording
from harness.report.figures import Summary
from harness.report.join import OK
from harness.results import Run


class _Asked(NamedTuple):
    """Of an endpoint's measure phases, in the order of dispatch: what had been asked before, and what had not."""

    again: list[Attempt]
    first: list[Attempt]

    @property
    def n(self) -> int:
        return len(self.again) + len(self.first)


def sentence(summary: Summary) -> str:
    """The cached share of each endpoint's input at its highest level, with the answers that told it."""
    told = []
    for name, endpoint in summary.endpoints.items():
        tokens = endpoint.levels[endpoint.peak].tokens
        share = wording.percent(tokens.cached_ratio)
        told.append(f"{name} {share} (n = {tokens.cached_n:,})" if tokens.cached_n else f"{name} not told")
    return f"Input read from a prompt cache, by usage, at the highest load: {', '.join(told)}."


def findings(run: Run) -> Iterator[Finding]:
    """Repeated prompts that came from a cache, or may have.

    What `reuse_share` asked for is no doubt; nor is what a trace shares.
    """
    scenario = run.manifest.scenario
    if scenario.get("prompts", {}).get("nonce") == "attempt" or scenario.get("load", {}).get("prompts") == "trace":
        return
    aside = {each.start.id for each in run.aside}
    asked = {name: _asked(attempts, aside) for name, attempts in _by_endpoint(run).items()}
    found = [said for name, each in asked.items() if (said := _repeated(name, each))]
    if found:
        yield Finding(
            code="cached_repeats",
            what=f"prompts of this run came again and were read from a cache: {'; '.join(found)}",
            why="it costs less and is answered sooner: cost and TTFT are flattered where production repeats less",
            remedy="write `prompts.nonce: attempt`, with the `reuse_share` that production has, or use a larger data set",
        )
    silent = [name for name, each in asked.items() if any(map(_is_ok, each.again)) and _cached(each.again) is None]
    if silent:
        counts = ", ".join(f"{name} ({len(asked[name].again):,} of {asked[name].n:,} requests)" for name in silent)
        yield Finding(
            code="cache_untold",
            what=f"prompts of this run came again, and it cannot be told whether they were read from a cache: {counts}",
            why="no answer told how much of its input was; a cache makes TTFT and cost lower, where production repeats less",
            remedy="write `prompts.nonce: attempt`, use a larger data set, or have the endpoint tell its cached tokens",
        )


def reuse(run: Run) -> Iterator[str]:
    """The share of requests that repeated one, beside `reuse_share`: in a closed loop no user's first one has one before it."""
    share = run.manifest.scenario.get("prompts", {}).get("reuse_share")
    if not share:
        return
    told = []
    aside = {each.start.id for each in run.aside}
    for name, attempts in _by_endpoint(run).items():
        asked = _asked([each for each in attempts if not each.start.turn], aside)  # later turns have the nonce of the first
        levels = dict.fromkeys(each.start.level for each in (*asked.again, *asked.first))
        again, whole = (Counter(each.start.level for each in those) for those in (asked.again, (*asked.again, *asked.first)))
        told += [f"{name} at level {level} {again[level] / whole[level]:.3f} (n = {whole[level]:,})" for level in levels]
    if told:
        yield f"Requests that repeated an earlier one, where reuse_share asked for {share:g}: {', '.join(told)}."


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


def _asked(attempts: Sequence[Attempt], aside: Container[str]) -> _Asked:
    """aside: ids of attempts that were made and do not count."""
    asked: set[tuple[str, str | None, int | None]] = set()
    found = _Asked([], [])
    for each in attempts:
        prompt = (each.start.example, each.start.nonce, each.start.turn)
        if each.start.phase is Phase.MEASURE and each.start.id not in aside:
            (found.again if prompt in asked else found.first).append(each)
        asked.add(prompt)
    return found


def _repeated(name: str, asked: _Asked) -> str | None:
    """In words, how much of what repeats is from the cache, beside what is asked for the first time; None where nothing is."""
    share, other = _cached(asked.again), _cached(asked.first)
    if not share:
        return None
    new = "" if other is None else f", and {wording.percent(other)} where the prompt was new"
    return f"at {name} {len(asked.again):,} of {asked.n:,} requests, {wording.percent(share)} of their input{new}"


def _is_ok(attempt: Attempt) -> bool:
    return attempt.end is not None and attempt.end.kind == OK


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
