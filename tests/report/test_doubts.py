"""What the journals say against the numbers: each doubt at its threshold, and silence below it."""

from pathlib import Path

import pytest

from harness.journal_reader import Attempt
from harness.measure.histogram import bucket_counts
from harness.records import Apart, AttemptEnd, AttemptStart, Block, BlockMark, Manifest, Phase, Usage
from harness.report.doubts import doubts
from harness.results import Run

PLAN = (
    Block(0, 0, "a", "10", 10, Phase.WARMUP, 1.0),
    Block(1, 0, "a", "10", 10, Phase.MEASURE, 1.0),
)


def run(*ends: AttemptEnd, block: int = 1) -> Run:
    manifest = Manifest(
        v=1, run_id="r", signoff="0", created_utc="2026-01-01T00:00:00+00:00", state="complete", scenario={},
        scenario_sha256="", dataset={}, clusters={}, seed=1, plan=PLAN, rates={}, urls={}, host={}, versions={},
    )  # fmt: skip
    attempts = [Attempt(AttemptStart(end.id, "a", "10", PLAN[block].phase, block, "q", 0, 0), end, 0) for end in ends]
    marks = [(0, BlockMark(each.id, "open", 0, 10)) for each in PLAN]
    return Run(Path(), manifest, attempts, marks, [])


def end(number: int = 0, **fields: object) -> AttemptEnd:
    return AttemptEnd(id=str(number), kind="ok", **fields)


CASES = {
    "coalesced": (end(chunks=100, coalesced=1), end(chunks=100, coalesced=2), False),
    "read_lag": (end(lag_max_ns=20_000_000), end(lag_max_ns=20_000_001), False),
    "no_kernel_stamps": (end(), end(unstamped=1), False),
    "stale_retry": (end(), end(stale_retry=True), False),
    "hidden_reasoning": (
        end(usage=Usage(output_tokens=4, reasoning_tokens=3)),
        end(flags=("hidden_reasoning",), usage=Usage(output_tokens=4, reasoning_tokens=3)),
        False,
    ),
    "lossy_network": (end(retransmits=0, out_of_order=0), end(retransmits=0, out_of_order=1), False),
    "cut_in_flight": (end(flags=("length",)), end(flags=("drain_limit",)), True),
}


@pytest.mark.parametrize(("code", "fine", "doubtful", "invalid"), [(code, *case) for code, case in CASES.items()], ids=CASES)
def test_each_doubt_has_its_threshold(code: str, fine: AttemptEnd, doubtful: AttemptEnd, invalid: bool) -> None:
    """Below the threshold nothing is said; above it the doubt is named, and whether the figures can be used."""
    assert [] == doubts(run(fine))
    assert [(code, invalid)] == [(finding.code, finding.invalid) for finding in doubts(run(doubtful))]


def test_what_was_sent_again_may_have_been_billed() -> None:
    """The finding claims no more than is known: when the connection was closed, and that the first request may count."""
    [finding] = doubts(run(end(0), end(1, stale_retry=True)))
    assert "1 of 2 requests were sent again because an idle connection was closed as they were sent" == finding.what
    assert "it may have seen, and billed, the first one too" in finding.why


def test_a_loss_in_a_hundred_attempts_is_no_doubt() -> None:
    """The share is of the attempts that know; more than one in a hundred is named, with the endpoint."""
    clean, ours = [end(number, retransmits=0) for number in range(99)], end(99, retransmits=2, out_of_order=0)
    unknown = [end(number) for number in range(200, 400)]
    assert [] == doubts(run(*clean, ours))
    [finding] = doubts(run(*clean[:98], ours, *unknown))
    assert "segments were lost or overtaken on the way in 1 % of the attempts at a" == finding.what


def test_chunks_that_come_closer_than_looks_are_told_with_their_bounds() -> None:
    """Fifty answers of reads of two chunks a millisecond apart: the gaps are 0 to 1 ms; with one such read each, nothing."""
    whole = {"sent_ns": 0, "first_token_ns": 50, "last_token_ns": 60, "icl": bucket_counts([1_000_000] * 200)}
    all_joined, one = Apart(bucket_counts([1_000_000] * 200), 200, 1_000_000), Apart(bucket_counts([1_000_000]), 1, 300_000)
    [finding] = doubts(run(*[end(number, apart=all_joined, **whole) for number in range(50)]))
    assert ("close_chunks", False) == (finding.code, finding.invalid)
    assert "a at 10 users ICL p50 0.00 to 1.00 ms" in finding.what
    assert [] == doubts(run(*[end(number, apart=one, **whole) for number in range(50)]))


def test_hidden_reasoning_has_its_share_of_answers_and_of_tokens() -> None:
    """One answer of two, and 300 of 400 tokens."""
    shown, hidden = Usage(output_tokens=80, reasoning_tokens=70), Usage(output_tokens=320, reasoning_tokens=300)
    [finding] = doubts(run(end(usage=shown), end(1, flags=("hidden_reasoning",), usage=hidden)))
    assert finding.what.startswith("1 of 2 answers")
    assert finding.what.endswith(" 75 % of all output tokens")


def test_one_stuck_user_in_many_is_no_reason_to_discard() -> None:
    """Cut requests are named always; the level was not held only where more than 5 % of its users were stuck."""
    crowd = Block(1, 0, "a", "100", 100, Phase.MEASURE, 1.0)
    few = run(end(flags=("drain_limit",)))
    plan = (PLAN[0], crowd)
    found = doubts(Run(few.path, type(few.manifest)(**{**_fields(few.manifest), "plan": plan}), few.attempts, few.marks, []))
    assert [("cut_in_flight", False)] == [(finding.code, finding.invalid) for finding in found]


def _fields(manifest: Manifest) -> dict[str, object]:
    return {name: getattr(manifest, name) for name in manifest.__struct_fields__}


def test_a_measure_phase_without_requests_is_invalid() -> None:
    """All users stuck in warm-up: there is nothing to report, and it is not valid."""
    assert [("no_attempts", True)] == [(finding.code, finding.invalid) for finding in doubts(run(end(), block=0))]
