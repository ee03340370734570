"""Each rule about the client at its limit: silent on one side, a finding with place and value on the other."""

import pytest

from harness.health import Health, Spread
from harness.measure import health
from harness.measure.health import Watched, findings
from harness.records import AttemptEnd, Finding, LateJoin, Usage

MS, SECOND = 1_000_000, 1_000_000_000
CALM = ((MS, 1_000),)  # a look every millisecond, for a second


def sample(*, gaps: Spread = CALM, interval_ns: int = SECOND, cpu_ratio: float = 0.3, **fields: object) -> Health:
    return Health(at_ns=0, interval_ns=interval_ns, cpu_ratio=cpu_ratio, gaps=gaps, **fields)  # type: ignore[arg-type]


def end(**fields: object) -> AttemptEnd:
    return AttemptEnd(id="0", kind="ok", **fields)  # type: ignore[arg-type]


def found(*windows: list[Health], ends: tuple[AttemptEnd, ...] = ()) -> list[Finding]:
    return list(findings([Watched("a at 8 users", windows, ends)]))


def codes(*windows: list[Health], ends: tuple[AttemptEnd, ...] = ()) -> list[tuple[str, bool]]:
    return [(finding.code, finding.invalid) for finding in found(*windows, ends=ends)]


LIMITED = [("client_limited", True)]


def test_a_client_that_does_well_is_not_mentioned() -> None:
    """Thirty calm seconds and a thousand answers: no finding."""
    assert [] == found([sample()] * 30, ends=(end(chunks=40, first_token_ns=1),) * 1_000)


# looking late --------------------------------------------------------------------------------------------------------


def stalled(gap_ms: int, times: int, seconds: int = 10) -> list[Health]:
    """A window of so many seconds in which some gaps were longer than a millisecond."""
    rest = seconds * 1_000 - gap_ms * times
    return [sample(gaps=((MS, rest), (gap_ms * MS, times)), interval_ns=seconds * SECOND)]


def test_waiting_more_than_twenty_milliseconds_one_percent_of_the_time_is_too_late() -> None:
    """Beyond 20 ms lie 100 ms of ten seconds: just 1 %; one more gap is more."""
    assert [] == codes(stalled(40, 5))
    assert LIMITED == codes(stalled(40, 6))


def test_a_stall_of_a_third_of_a_second_is_seen() -> None:
    """A process that was stopped for 300 ms of five seconds says so, with the p99 of the wait."""
    (finding,) = found(stalled(300, 1, seconds=5))
    assert "signoff looked at its sockets late, p99: a at 8 users 250 ms (limit: 20 ms)" == finding.what


def test_a_short_stall_in_a_short_window_is_an_accident() -> None:
    """Of one second 69 ms are a lot, but no evidence of a client that is too slow; 70 ms are."""
    assert [] == codes(stalled(69, 1, seconds=1))
    assert LIMITED == codes(stalled(70, 1, seconds=1))


def test_the_worst_process_speaks_for_all() -> None:
    """A late process is not hidden by one that is not, and its own value is told."""
    (finding,) = found(stalled(1, 0), stalled(100, 10))
    assert "a at 8 users 90 ms" in finding.what


def test_seconds_of_a_window_are_judged_together() -> None:
    """A bad second among twenty good ones: 1.5 % of all of the time was late."""
    bad = sample(gaps=((MS, 660), (340 * MS, 1)))
    assert LIMITED == codes([sample()] * 20 + [bad])
    assert [] == codes([sample()] * 40 + [bad])


# a core without slack ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpu_ratio", "wait_ratio", "limited"),
    [(0.85, None, False), (0.851, None, True), (0.5, 0.35, False), (0.5, 0.36, True), (0.1, 0.8, True)],
)
def test_a_core_has_slack_up_to_85_percent(cpu_ratio: float, wait_ratio: float | None, limited: bool) -> None:
    """Time on the core and time spent waiting for it count together; an unknown wait counts as none."""
    seen = codes([sample(cpu_ratio=cpu_ratio, wait_ratio=wait_ratio)] * 10)
    assert limited == (("client_limited", True) in seen)


@pytest.mark.parametrize(("busy", "of", "limited"), [(1, 4, False), (2, 4, True), (2, 40, False), (3, 40, True)])
def test_one_busy_second_is_a_start(busy: int, of: int, limited: bool) -> None:
    """It takes two seconds, and more than 5 % of the window."""
    assert (LIMITED if limited else []) == codes([sample(cpu_ratio=0.9)] * busy + [sample()] * (of - busy))


def test_a_window_shorter_than_that_is_judged_as_a_whole() -> None:
    """1.2 seconds: limited where all of it was busy, and not where a part of it was."""
    full, calm = (sample(cpu_ratio=ratio, interval_ns=SECOND * 6 // 10) for ratio in (0.95, 0.3))
    assert LIMITED == codes([full, full])
    assert [] == codes([full, calm])


def test_slivers_count_for_as_long_as_they_last() -> None:
    """A hundred full samples of a millisecond are a tenth of a second."""
    assert [] == codes([sample(cpu_ratio=1.0, interval_ns=MS)] * 100 + [sample()])


def test_the_busiest_window_is_told() -> None:
    """How long, and of how much."""
    (finding,) = found([sample()] * 8, [sample(cpu_ratio=0.9)] * 4 + [sample()] * 4)
    assert finding.what.endswith("more than 85 % of the time: a at 8 users in 4.0 of 8.0 s (limit: 5 % of the measure window)")


# what was read late --------------------------------------------------------------------------------------------------


def test_late_chunks_may_be_one_percent() -> None:
    """100 of 10,000 are not more than 1 %; 101 are."""
    assert [] == codes([sample()], ends=(end(chunks=10_000, coalesced=500, late_coalesced=100),))
    assert LIMITED == codes([sample()], ends=(end(chunks=10_000, coalesced=500, late_coalesced=101),))


def test_a_few_late_chunks_prove_nothing() -> None:
    """49 of 100 are below the evidence that is asked for, 50 are not."""
    assert [] == codes([sample()], ends=(end(chunks=100, late_coalesced=49),))
    assert LIMITED == codes([sample()], ends=(end(chunks=100, late_coalesced=50),))


def test_chunks_of_all_attempts_are_counted() -> None:
    """Failures stream, too, and the share is told."""
    ends = (end(chunks=900), AttemptEnd(id="1", kind="stream_reset", chunks=100, late_coalesced=60))
    (finding,) = found([sample()], ends=ends)
    assert "a at 8 users 6.0 % (limit: 1 % of the chunks)" in finding.what


@pytest.mark.parametrize(("late", "of", "limited"), [(10, 1_000, False), (11, 1_000, True), (4, 100, False), (5, 100, True)])
def test_late_first_tokens_may_be_one_percent(late: int, of: int, limited: bool) -> None:
    """More than 1 % of the answers, and at least five of them."""
    ends = (end(first_token_ns=1, flags=("late_first_token",)),) * late + (end(first_token_ns=1),) * (of - late)
    assert (LIMITED if limited else []) == codes([sample()], ends=ends)


def test_only_what_was_streamed_can_start_late() -> None:
    """Attempts without a first token are not in the share."""
    ends = (end(first_token_ns=1, flags=("late_first_token",)),) * 5 + (end(),) * 10_000
    assert LIMITED == codes([sample()], ends=ends)


def test_percentiles_that_late_reads_leave_open_are_named() -> None:
    """Most of the answers begin with a read that is 3 ms wide: TTFT and TPOT may be off by more than is allowed."""
    joined, alone = (
        end(first_token_ns=100 * MS, sent_ns=0, last_token_ns=400 * MS, usage=Usage(output_tokens=4), late_joins=joins)
        for joins in ((LateJoin(None, 3 * MS, 1),), ())
    )
    (finding,) = found([sample()], ends=(joined, alone) * 10 + (joined,))
    assert ("client_limited", True) == (finding.code, finding.invalid)
    said = "a at 8 users TTFT p50 97.00 to 100.00 ms and TPOT p50 100.00 to 101.00 ms (limit: 0.3 ms or 0.5 %)"
    assert finding.what.endswith(said)
    assert [] == found([sample()], ends=(alone,) * 20)


# notes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "fine", "doubtful", "said"),
    [
        ("core_shared", {"wait_ratio": 0.10}, {"wait_ratio": 0.11}, "11 % of the time"),
        ("gc_pause", {"gc_max_ns": 20 * MS}, {"gc_max_ns": 21 * MS}, "21 ms"),
        ("decoding_behind", {"backlog": 1_000}, {"backlog": 1_001}, "1,001"),
    ],
)
def test_notes_have_a_limit_and_leave_the_run_valid(code: str, fine: dict, doubtful: dict, said: str) -> None:
    """At the limit nothing is said; above it the place and the worst value are."""
    assert [] == found([sample(**fine)] * 10)
    (finding,) = found([sample()] * 10, [sample(**doubtful)] * 10)
    assert (code, False) == (finding.code, finding.invalid)
    assert f": a at 8 users {said} (limit: " in finding.what


def test_waiting_is_a_mean_over_the_window() -> None:
    """One second of waiting in ten is 10 %; what the kernel does not say is not taken for none."""
    assert [] == found([sample(wait_ratio=0.8)] + [sample(wait_ratio=0.02)] * 9)
    assert [("core_shared", False)] == codes([sample(wait_ratio=0.8)] + [sample(wait_ratio=None)] * 9)


def test_a_window_that_nobody_watched_is_named() -> None:
    """No sample is no proof of a client that did well."""
    assert [("client_unwatched", False)] == codes([sample()], [])


def test_every_place_is_named_with_its_value() -> None:
    """One finding for a rule, however many cells break it, in their order."""
    cells = [Watched(f"{name} at 8 users", [stalled(gap_ms, 10)], ()) for name, gap_ms in (("a", 100), ("b", 1), ("c", 200))]
    (finding,) = findings(cells)
    assert "signoff looked at its sockets late, p99: a at 8 users 90 ms, c at 8 users 190 ms (limit: 20 ms)" == finding.what


def test_every_rule_says_why_and_what_to_do() -> None:
    """No finding without a reason and a remedy; only client_limited discards a run."""
    assert all(rule.why and rule.remedy and rule.limit for rule in health.RULES)
    assert {"client_limited"} == {rule.code for rule in health.RULES if rule.invalid}
