"""The share of input from a prompt cache, and the doubt where the run's own repeats put it there."""

from pathlib import Path

import msgspec
import pytest

from harness.journal_reader import Attempt
from harness.records import AttemptEnd, AttemptStart, Block, Manifest, Phase, Usage
from harness.report import cache
from harness.report.build import Built
from harness.report.doubts import doubts
from harness.results import Run

PLAN = (
    Block(0, 0, "a", "10", 10, Phase.WARMUP, 1.0),
    Block(1, 0, "a", "10", 10, Phase.MEASURE, 1.0),
    Block(2, 1, "b", "10", 10, Phase.MEASURE, 1.0),
)


def asked(at: int, example: str, cached: int | None, *, nonce: str | None = None, block: int = 1, told: bool = True) -> Attempt:
    """At this moment, 100 tokens of input, so many of them cached."""
    start = AttemptStart(str(at), PLAN[block].endpoint, "10", PLAN[block].phase, block, example, 0, at, nonce=nonce)
    usage = Usage(input_tokens=100, cached_read_tokens=cached) if told else None
    return Attempt(start, AttemptEnd(id=start.id, kind="ok", usage=usage), 0)


def run(*attempts: Attempt, **scenario: object) -> Run:
    manifest = Manifest(
        v=1, run_id="r", signoff="0", created_utc="2026-01-01T00:00:00+00:00", state="complete", scenario=scenario,
        scenario_sha256="", dataset={}, clusters={}, seed=1, plan=PLAN, rates={}, urls={}, host={}, versions={},
    )  # fmt: skip
    return Run(Path(), manifest, list(attempts), [], [])


def test_repeats_from_a_cache_are_a_doubt_with_their_share() -> None:
    """Two of three requests at a repeat, 75 % of their input is cached; at b nothing repeats. The figures can be used."""
    b = [asked(9 + n, f"q{n}", 90, block=2) for n in range(2)]
    [finding] = doubts(run(asked(3, "q", 90), asked(1, "q", 0), asked(2, "q", 60), *b))
    assert ("cached_repeats", False) == (finding.code, finding.invalid)
    assert "cache: at a 2 of 3 requests, 75.0 % of their input, and 0 % where the prompt was new" in finding.what
    assert "cost and TTFT are flattered" in finding.why
    assert "`prompts.nonce: attempt`" in finding.remedy
    assert "a larger data set" in finding.remedy


def test_a_warm_up_fills_the_cache_too() -> None:
    """What was asked in the warm-up and comes again in the measure phase repeats; the warm-up's own repeats do not count."""
    [finding] = doubts(run(asked(1, "q", 0, block=0), asked(2, "q", 80, block=0), asked(3, "q", 80), asked(4, "p", 20)))
    assert "at a 1 of 2 requests, 80.0 % of their input, and 20.0 % where the prompt was new" in finding.what


NO_DOUBT = {
    "nothing repeats": [asked(1, "q", 90), asked(2, "p", 90)],
    "nothing was cached": [asked(1, "q", 0), asked(2, "q", 0)],
    "only the first was cached": [asked(1, "q", 90), asked(2, "q", 0)],
    "nobody told": [asked(1, "q", None), asked(2, "q", None), asked(3, "q", 0, told=False)],
    "each endpoint asked once": [asked(1, "q", 90), asked(2, "q", 90, block=2)],
    "another nonce each": [asked(1, "q", 90, nonce="x"), asked(2, "q", 90, nonce="y")],
}


@pytest.mark.parametrize("attempts", NO_DOUBT.values(), ids=NO_DOUBT)
def test_no_doubt(attempts: list[Attempt]) -> None:
    """No repeats, or none that came from a cache as far as anybody told."""
    assert [] == doubts(run(*attempts))


def test_what_was_never_sent_asks_nothing() -> None:
    """A dropped arrival fills no cache."""
    sent = asked(1, "q", 90)
    dropped = Attempt(msgspec.structs.replace(sent.start, id="0", dispatched_ns=None), AttemptEnd(id="0", kind="dropped"), 0)
    assert [] == doubts(run(dropped, sent))


def test_wanted_repeats_are_no_doubt() -> None:
    """`reuse_share` repeats whole prompts, nonce and all; filler of a trace has the same number for other texts."""
    repeats = (asked(1, "q", 0, nonce="x"), asked(2, "q", 90, nonce="x"))
    assert [] == doubts(run(*repeats, prompts={"nonce": "attempt", "reuse_share": 0.5}))
    assert [] == doubts(run(*repeats, load={"kind": "replay", "prompts": "trace"}))
    assert ["cached_repeats"] == [each.code for each in doubts(run(*repeats, prompts={"nonce": "run"}))]


def test_the_share_has_its_n_or_is_not_told(troubled: Built) -> None:
    """One third of the input at every endpoint of the fabricated run; one that told nothing is called so, and not 0 %."""
    summary = troubled.summary
    told = cache.sentence(summary)
    peak = summary.endpoints["alpha"].levels[summary.endpoints["alpha"].peak].tokens
    assert peak.cached_n > 100
    assert f"alpha 33.3 % (n = {peak.cached_n:,})" in told
    silent = {
        level: msgspec.structs.replace(
            each, tokens=msgspec.structs.replace(each.tokens, cached_read=None, cached_ratio=None, cached_n=0)
        )
        for level, each in summary.endpoints["alpha"].levels.items()
    }
    alpha = msgspec.structs.replace(summary.endpoints["alpha"], levels=silent)
    other = msgspec.structs.replace(summary, endpoints={**summary.endpoints, "alpha": alpha})
    assert "alpha not told" in cache.sentence(other)
