"""What a run found out of an endpoint's rate limits, from attempts made by hand in a load that begins at 1 s."""

from collections.abc import Iterable
from typing import Any

import handmade
import msgspec
import pytest
from handmade import MS, PLAN

from harness.journal_reader import Attempt
from harness.quota import Allowance, Quota
from harness.records import Block, BlockMark, Phase
from harness.report.quota import FirstRefusal, Found, found, sentences

MARKS = [
    (0, BlockMark(block=0, edge="open", at_ns=1_000 * MS, users=2)),
    (0, BlockMark(block=0, edge="close", at_ns=2_000 * MS, users=0)),
    (0, BlockMark(block=1, edge="open", at_ns=2_000 * MS, users=2)),
]


def refused(number: int, *, at: int, **fields: Any) -> Attempt:
    """A request that was sent 1 ms after `at` and met a 429."""
    return handmade.failed(number, "http_rate_limited", at=at, http_status=429, **fields)


def of(attempts: Iterable[Attempt], marks: Iterable[tuple[int, BlockMark]] = MARKS) -> Found:
    (only,) = found(attempts, PLAN, marks)
    return only


def ten_seconds() -> list[Attempt]:
    """Forty answers of 155 tokens, four a second from 1 s on, then a refusal that is sent 10 s after the beginning."""
    return [handmade.ok(number, at=1_000 + 250 * number, tokens=55) for number in range(40)] + [refused(40, at=10_999)]


def test_the_first_refusal_and_the_load_that_met_it() -> None:
    """41 requests in 10 s, of which 40 were of 155 tokens: 4.1 requests/s, 37,200 tokens/min."""
    expected = FirstRefusal("2 users", 10.0, 41, pytest.approx(4.1), pytest.approx(37_200), 0)
    assert expected == of(ten_seconds()).first


def test_what_comes_after_the_first_refusal_does_not_count() -> None:
    """Neither the requests behind it nor a later refusal change the figures; refusals are counted all the same."""
    later = [handmade.ok(41, at=11_000), refused(42, at=11_001)]
    both = of([*later, *ten_seconds()])
    assert (of(ten_seconds()).first, 43, 2) == (both.first, both.sent, both.refused)


def test_a_minute_at_most_is_looked_back() -> None:
    """Of two requests a second for 90 s, those of the last minute, for a quota is of a minute."""
    attempts = [handmade.ok(number, at=1_000 + 500 * number, tokens=None) for number in range(180)]
    first = of([*attempts, refused(180, at=90_999)]).first
    assert (90.0, 121, pytest.approx(121 / 60), None, 120) == (
        first.after_s,
        first.sent,
        first.requests_per_s,
        first.tokens_per_min,
        first.uncounted,
    )


def test_tokens_that_nobody_counted_make_it_a_least_figure() -> None:
    """An answer without usage, and one whose usage has no output, are left out of the sum and are told."""
    attempts = ten_seconds()
    attempts[3] = handmade.ok(3, at=1_750, tokens=None)
    attempts[5] = handmade.failed(5, "http_server_error", at=2_250, http_status=500)
    found_of = of(attempts)
    assert (pytest.approx(38 * 155 * 6), 2) == (found_of.first.tokens_per_min, found_of.first.uncounted)
    assert "a: first 429 at 4.10 requests/s, at least 35,300 tokens/min, after 10.0 s of 2 users" in sentences([found_of])[0]


def test_within_the_first_second_there_is_no_rate() -> None:
    """The third request was refused after half a second: it is told as such, not as six a second."""
    few = of([handmade.ok(0, at=1_000), handmade.ok(1, at=1_100), refused(2, at=1_499)])
    assert (3, None, None) == (few.first.sent, few.first.requests_per_s, few.first.tokens_per_min)
    assert ["a: first 429 at request 3, after 500 ms of 2 users; refused 1 of 3 requests."] == sentences([few])


def test_each_worker_has_its_own_clock() -> None:
    """Two workers on hosts whose clocks are an hour apart: the first refusal is the one sooner after its own beginning."""
    hour = 3_600_000
    marks = [*MARKS, (1, BlockMark(block=0, edge="open", at_ns=(1_000 + hour) * MS, users=2))]
    far = [
        handmade.ok(50, at=1_500 + hour, worker=1),
        handmade.failed(51, "http_rate_limited", at=4_999 + hour, worker=1, http_status=429),
    ]
    first = of([*ten_seconds(), *far], marks).first
    assert (4.0, pytest.approx(18 / 4)) == (first.after_s, first.requests_per_s)  # 16 near, 2 far


def test_without_a_mark_a_worker_began_with_its_first_attempt() -> None:
    """A torn journal: the time is then from the first request."""
    assert 10.0 == of(ten_seconds(), []).first.after_s


def test_the_first_cell_of_the_plan_that_met_one() -> None:
    """A level that came later met its own sooner after its beginning, and is still not the first."""
    plan = (*PLAN, Block(id=2, cell=1, endpoint="a", level="8", concurrency=8, phase=Phase.MEASURE, seconds=10))
    later = refused(60, at=30_000)
    moved = Attempt(msgspec.structs.replace(later.start, block=2), later.end, 0)
    (only,) = found([moved, *ten_seconds()], plan, MARKS)
    assert ("2 users", 10.0, 2) == (only.first.words, only.first.after_s, only.refused)


def test_the_least_that_headers_told() -> None:
    """By kind, with its limit; a later response that tells more does not matter, nor one that tells no rest."""
    attempts = [
        handmade.ok(0, quota=Quota(requests=Allowance(500, 3), tokens=Allowance(30_000, 1_200, 4.0))),
        handmade.ok(1, quota=Quota(requests=Allowance(500, 499), tokens=Allowance(30_000, None))),
        handmade.ok(2, quota=Quota(output_tokens=Allowance(None, 0))),
        handmade.ok(3),
    ]
    least = of(attempts)
    assert {"requests": (500, 3), "tokens": (30_000, 1_200), "output_tokens": (None, 0)} == {
        kind: (each.limit, each.remaining) for kind, each in least.least.items()
    }
    assert [
        "a: no 429 in 4 requests.",
        "a: least remaining by header 3 of 500 requests, 1,200 of 30,000 tokens and 0 output tokens, as told with 3 answers.",
    ] == sentences([least])


def test_how_long_refusals_asked_to_wait() -> None:
    """The longest Retry-After of a 429; what an unavailable server asks for is not about limits."""
    attempts = [
        *ten_seconds(),
        refused(41, at=11_500, quota=Quota(retry_after_s=20.0)),
        refused(42, at=11_600, quota=Quota(retry_after_s=7.5)),
        handmade.failed(43, "http_unavailable", at=11_700, http_status=503, quota=Quota(retry_after_s=600.0)),
    ]
    said = "a: first 429 at 4.10 requests/s, 37,200 tokens/min, after 10.0 s of 2 users; refused 3 of 44 requests, "
    assert [said + "with a Retry-After of up to 20.0 s."] == sentences([of(attempts)])


def test_headers_that_could_not_be_read_are_told() -> None:
    """Which, and in how many answers."""
    names = ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens")
    attempts = [handmade.ok(0, quota=Quota(unreadable=names)), handmade.ok(1, quota=Quota(unreadable=names[1:]))]
    said = "a: rate-limit headers that could not be read: "
    assert said + f"{names[0]} (1 answer) and {names[1]} (2 answers)." == sentences([of(attempts)])[-1]


def test_who_tells_nothing_gets_no_sentence() -> None:
    """No 429 and no header; attempts that were lost or never sent are none."""
    assert [] == sentences([of([handmade.ok(0), handmade.lost(1)])])
    assert [] == found([handmade.lost(1), handmade.attempt(2, at=2_000, example=None, kind="dns")], PLAN, MARKS)


def test_what_waited_for_the_declared_quota_is_told() -> None:
    """Median and longest of those that waited, sent in the end or not; a look at the line is no wait."""
    waits = {1: 500_000, 2: 2_000 * MS, 3: 4_000 * MS}
    held = handmade.attempt(4, at=2_000, example=None, kind="dropped", limited_ns=9_000 * MS)
    found_of = of([*(handmade.ok(number, limited_ns=wait_ns) for number, wait_ns in waits.items()), held])
    assert (2.0, 4.0, 9.0) == found_of.waits_s
    said = "a: 3 requests waited for the declared quota, 4.00 s (median) and up to 9.00 s: "
    assert sentences([found_of])[0].startswith(said)
