"""How long an evaluation waits before it asks again, and after what."""

import statistics

import pytest

from harness.trial import TRANSIENT
from harness.wire import outcome
from harness.workload.backoff import Backoff

BACKOFF = Backoff(attempts_most=5, first_s=1.0, most_s=60.0)


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    """Neither what was answered, nor what the request, the key or the account is to blame for."""
    blamed = {
        *("ok", "refused", "blocked_input", "blocked_output", "empty_output", "empty_body", "stream_error"),
        *("http_bad_request", "http_auth", "http_forbidden", "http_not_found", "http_payment", "http_too_large"),
        *("http_unprocessable", "http_conflict", "http_redirect", "context_length", "model_not_found", "quota_exhausted"),
        *("tls", "oversize", "malformed_event", "http_protocol", "unexpected_content", "cancelled", "internal", "dropped"),
    }
    assert {False} == {BACKOFF.may_retry(kind, 1) for kind in blamed}
    assert {True} == {BACKOFF.may_retry(kind, 1) for kind in TRANSIENT}
    told = {*outcome._BY_ENDING.values(), *outcome._BY_STATUS.values(), outcome.status_kind(599)}
    assert {"stream_reset", "stream_truncated"} == TRANSIENT - told


def test_no_more_attempts_than_allowed() -> None:
    """The fifth is the last of five; of one there is no other."""
    assert [True] * 4 + [False] == [BACKOFF.may_retry("http_rate_limited", tried) for tried in range(1, 6)]
    assert not BACKOFF._replace(attempts_most=1).may_retry("http_rate_limited", 1)


def test_the_longest_wait_doubles_up_to_its_cap() -> None:
    """However often it is tried."""
    longest = [BACKOFF.longest_s(tried) for tried in (1, 2, 3, 6, 7, 8, 5_000)]
    assert [1.0, 2.0, 4.0, 32.0, 60.0, 60.0, 60.0] == longest


@pytest.mark.parametrize("tried", [1, 3])
def test_full_jitter_draws_evenly_from_nothing_to_the_longest(tried: int) -> None:
    """Of 4,000 draws each tenth has a tenth, within six standard deviations."""
    longest_s = BACKOFF.longest_s(tried)
    drawn = [BACKOFF.wait_s(tried, None, f"{seed}") for seed in range(4_000)]
    tenths = [sum(int(10 * wait_s / longest_s) == tenth for wait_s in drawn) for tenth in range(10)]
    assert all(abs(count - 400) < 6 * 19 for count in tenths)
    assert pytest.approx(longest_s / 2, rel=0.04) == statistics.fmean(drawn)


def test_the_same_seed_waits_the_same() -> None:
    """And each attempt has a draw of its own."""
    assert BACKOFF.wait_s(2, None, "1/0/7/0") == BACKOFF.wait_s(2, None, "1/0/7/0")
    assert BACKOFF.wait_s(2, None, "1/0/7/0") != BACKOFF.wait_s(2, None, "1/0/8/0")
    assert BACKOFF.wait_s(1, None, "1") != BACKOFF.wait_s(2, None, "1") / 2


def test_what_was_told_holds_where_it_is_longer() -> None:
    """Also beyond the cap; where it is shorter, the draw holds."""
    drawn_s = BACKOFF.wait_s(3, None, "x")
    assert [drawn_s, drawn_s, 7.5, 120.0] == [BACKOFF.wait_s(3, told_s, "x") for told_s in (0.0, drawn_s / 2, 7.5, 120.0)]


def test_without_a_backoff_only_what_was_told_is_waited() -> None:
    """first_s 0 is no wait at all."""
    at_once = BACKOFF._replace(first_s=0.0)
    assert [0.0, 2.0] == [at_once.wait_s(4, told_s, "x") for told_s in (None, 2.0)]
