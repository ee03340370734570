"""The client's own rate limits: known answers, then what holds of any load (in whole numbers, without a clock)."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.loadgen.limiter import MINUTE_NS, NS, Limiter, Line
from harness.scenario import Limits

START_NS = 7 * NS
Went = list[tuple[int, int]]  # (when, how many tokens)

QUOTAS = st.integers(1, 10_000_000)
WORKERS = st.integers(1, 7)
BURSTS_S = st.sampled_from([0.001, 0.5, 1.0, 10.0])
LOADS = st.lists(st.tuples(st.integers(0, 3 * NS), st.integers(0, 5_000)), min_size=1, max_size=30)


def by_requests(per_minute: int, burst_s: float = 1.0, workers: int = 1) -> Limiter:
    return Limiter(Limits(requests_per_minute=per_minute, burst_s=burst_s), START_NS, workers)


def by_input(per_minute: int, burst_s: float = 1.0, workers: int = 1) -> Limiter:
    return Limiter(Limits(input_tokens_per_minute=per_minute, burst_s=burst_s), START_NS, workers)


def all_at_once(limiter: Limiter, sizes: list[int], now_ns: int = START_NS) -> list[int]:
    """When requests of so many input tokens go that all come now, in ns from the start."""
    went: list[int] = []
    line: Line[int] = Line(limiter)
    for number, size in enumerate(sizes):
        line.enter(number, size, 0)
    while (next_ns := line.next_ns(now_ns)) is not None:
        now_ns = next_ns
        went += [now_ns - START_NS for _ in line.go(now_ns)]
    return went


def as_they_come(limiter: Limiter, load: list[tuple[int, int]]) -> Went:
    """The same of requests with such gaps between them, which stand in one line; when each went, and its size."""
    went: Went = []
    line: Line[int] = Line(limiter)
    arrivals = list(zip(accumulate((gap_ns for gap_ns, _ in load), initial=START_NS), (size for _, size in load), strict=False))
    now_ns = START_NS
    while arrivals or len(line):
        while arrivals and arrivals[0][0] <= now_ns:
            line.enter(arrivals[0][1], arrivals.pop(0)[1], 0)
        went += [(now_ns, size) for size in line.go(now_ns)]
        looks = [at_ns for at_ns in (line.next_ns(now_ns), arrivals[0][0] if arrivals else None) if at_ns is not None]
        now_ns = min(looks, default=now_ns)
    return went


@pytest.mark.parametrize(
    ("per_minute", "burst_s", "workers", "expected_s"),
    [
        (60, 1.0, 1, [0, 1, 2, 3]),
        (6, 1.0, 1, [0, 10, 20, 30]),
        (180, 1.0, 1, [0, 0, 0, 1 / 3]),
        (60, 3.0, 1, [0, 0, 0, 1]),
        (180, 1.0, 3, [0, 1, 2, 3]),
        (60, 1.0, 2, [0, 2, 4, 6]),
    ],
)
def test_requests_per_minute(per_minute: int, burst_s: float, workers: int, expected_s: list[float]) -> None:
    """A second's worth at once, at least one; then each as its part of a minute has passed, of this worker's share."""
    expected = [-(-round(at_s * 3) * NS // 3) for at_s in expected_s]
    assert expected == all_at_once(by_requests(per_minute, burst_s, workers), [0] * 4)


def test_tokens_per_minute() -> None:
    """6,000 a minute are 100 a second: 100 go at once, 50 half a second later, 300 when it is full, which leaves a debt."""
    assert [0, NS // 2, NS * 3 // 2, NS * 9 // 2] == all_at_once(by_input(6_000), [100, 50, 300, 100])


def test_every_declared_limit_holds() -> None:
    """Requests, input and output each have a bucket, and the one that takes longest counts; what is not declared is free."""
    limits = Limits(requests_per_minute=60, input_tokens_per_minute=6_000, output_tokens_per_minute=600)
    limiter = Limiter(limits, START_NS)
    assert START_NS == limiter.take(START_NS, 10, 10)
    assert [START_NS + NS, START_NS + NS, START_NS + NS, START_NS + NS] == [
        limiter.earliest(START_NS, *tokens) for tokens in ((0, 0), (100, 0), (0, 10), (1_000_000, 1_000_000))
    ]
    limiter.settle(START_NS, 0, 20)
    assert [START_NS + 2 * NS, START_NS + 3 * NS] == [limiter.earliest(START_NS, 0, tokens) for tokens in (0, 10)]


def test_a_limit_of_all_tokens_counts_both() -> None:
    """6,000 a minute: 60 in and 40 out use up the second's worth that is there, and 30 more out cost 0.3 s."""
    limiter = Limiter(Limits(tokens_per_minute=6_000), START_NS)
    assert START_NS == limiter.take(START_NS, 60, 40)
    assert START_NS + NS // 2 == limiter.earliest(START_NS, 20, 30)
    limiter.settle(START_NS, 0, 30)
    assert START_NS + NS * 8 // 10 == limiter.earliest(START_NS, 20, 30)
    limiter.settle(START_NS, -60, -20)
    assert START_NS == limiter.earliest(START_NS, 20, 30)


def test_who_may_not_go_takes_nothing() -> None:
    """To ask and to be turned away costs nothing."""
    limiter = by_requests(60)
    assert START_NS == limiter.take(START_NS, 0, 0)
    assert [START_NS + NS] * 3 == [limiter.take(START_NS, 0, 0) for _ in range(3)]
    assert START_NS + NS == limiter.take(START_NS + NS, 0, 0)


def test_an_idle_bucket_holds_no_more_than_the_burst() -> None:
    """After an hour without requests there is one second's worth, not an hour's."""
    limiter = by_requests(180)
    later_ns = START_NS + 3_600 * NS
    assert [later_ns] * 3 + [later_ns + -(-NS // 3)] == [limiter.take(later_ns, 0, 0) for _ in range(4)]


def test_an_estimate_is_corrected() -> None:
    """100 tokens were taken for: where 40 were used 60 come back, where 150 were used 50 more are to be waited for."""
    for more, expected_ns in ((-60, NS * 4 // 10), (0, NS), (50, NS * 3 // 2)):
        limiter = by_input(6_000)
        limiter.take(START_NS, 100, 0)
        limiter.settle(START_NS, more, 0)
        assert START_NS + expected_ns == limiter.earliest(START_NS, 100, 0)


def test_what_comes_back_does_not_make_a_larger_burst() -> None:
    """A bucket that was refilled meanwhile stays a full one."""
    limiter = by_input(6_000)
    limiter.take(START_NS, 100, 0)
    limiter.settle(START_NS + NS, -100, 0)
    assert START_NS + NS == limiter.take(START_NS + NS, 100, 0)
    assert START_NS + 2 * NS == limiter.earliest(START_NS + NS, 100, 0)


def test_a_frozen_bucket_thaws_empty() -> None:
    """After 5 s of Retry-After the first request needs its second to be filled, as at no other time."""
    limiter = by_requests(60)
    limiter.freeze(START_NS + 5 * NS)
    assert START_NS + 6 * NS == limiter.earliest(START_NS + NS, 0, 0)


def test_a_frozen_bucket_thaws_with_what_the_headers_say() -> None:
    """Three requests are left of the account's whole quota: one for each of three workers."""
    limiter = by_requests(180, workers=3)
    limiter.freeze(START_NS + 5 * NS, requests=3)
    assert START_NS + 5 * NS == limiter.earliest(START_NS + NS, 0, 0)


def test_the_longest_freeze_holds() -> None:
    """A second refusal that asks for less does not shorten the first, and a debt is not forgiven by either."""
    limiter = by_input(6_000)
    limiter.take(START_NS, 1_000, 0)  # leaves a debt of 9 s
    limiter.freeze(START_NS + 5 * NS)
    limiter.freeze(START_NS + 2 * NS)
    assert START_NS + 10 * NS == limiter.earliest(START_NS, 100, 0)


def test_an_answer_during_a_freeze_fills_nothing() -> None:
    """Tokens that come back while the endpoint asks for rest are not there when it thaws; they only pay a debt."""
    limiter = by_input(6_000)
    limiter.freeze(START_NS + 5 * NS)
    limiter.settle(START_NS + NS, -1_000, 0)
    assert START_NS + 6 * NS == limiter.earliest(START_NS + NS, 100, 0)


def test_large_requests_are_not_overtaken() -> None:
    """A small one that could go now waits behind a large one that came first."""
    line: Line[str] = Line(by_input(6_000))
    for who, tokens in (("first", 90), ("large", 80), ("small", 5)):
        line.enter(who, tokens, 0)
    assert ["first"] == list(line.go(START_NS))
    assert START_NS + NS * 7 // 10 == line.next_ns(START_NS)
    assert [] == list(line.go(START_NS + NS * 7 // 10 - 1))
    assert ["large"] == list(line.go(START_NS + NS * 7 // 10))
    assert ["small"] == list(line.go(START_NS + NS))


def test_who_leaves_the_line_takes_nothing() -> None:
    """The run ended for one that waits: the next goes in its time."""
    line: Line[str] = Line(by_requests(60))
    for who in ("first", "gone", "last"):
        line.enter(who, 0, 0)
    assert ["first"] == list(line.go(START_NS))
    line.leave("gone")
    line.leave("first")
    assert ["last"] == list(line.go(START_NS + NS))
    assert (0, None) == (len(line), line.next_ns(START_NS + NS))


@given(QUOTAS, BURSTS_S, WORKERS, LOADS)
def test_never_more_than_the_quota(per_minute: int, burst_s: float, workers: int, load: list[tuple[int, int]]) -> None:
    """Between any two requests went at most quota x time and the burst, or the last request where that is more."""
    went = as_they_come(by_input(per_minute, burst_s, workers), load)
    assert len(load) == len(went)
    burst = per_minute * round(burst_s * NS)
    for first, (since_ns, _) in enumerate(went):
        total = 0
        for at_ns, tokens in went[first:]:
            price = MINUTE_NS * workers
            total += tokens * price
            assert total <= per_minute * (at_ns - since_ns) + max(burst, tokens * price)


@given(QUOTAS, BURSTS_S, WORKERS, LOADS)
def test_nobody_waits_without_a_reason(per_minute: int, burst_s: float, workers: int, load: list[tuple[int, int]]) -> None:
    """Each goes when it comes, or with the one before it, or a nanosecond earlier there was not enough in the bucket."""
    came_ns = accumulate((gap_ns for gap_ns, _ in load), initial=START_NS)
    price, most = MINUTE_NS * workers, per_minute * round(burst_s * NS)
    level, last_ns = most, START_NS
    for came, (at_ns, tokens) in zip(came_ns, as_they_come(by_input(per_minute, burst_s, workers), load), strict=False):
        if at_ns > max(came, last_ns):
            assert min(most, level + per_minute * (at_ns - 1 - last_ns)) < min(most, tokens * price)
        level = min(most, level + per_minute * (at_ns - last_ns)) - tokens * price
        last_ns = at_ns


@given(QUOTAS, WORKERS, st.lists(st.integers(1, 99), min_size=1, max_size=30))  # a full bucket loses a part of a nanosecond
def test_a_line_that_never_empties_goes_at_the_quota(per_minute: int, workers: int, parts: list[int]) -> None:
    """Requests that are each smaller than the burst go when their sum, less the burst, has come in: to the nanosecond."""
    burst = per_minute * NS
    price = MINUTE_NS * workers
    sizes = [part * burst // (100 * price) for part in parts]
    expected = [max(0, -(-(total * price - burst) // per_minute)) for total in accumulate(sizes)]
    assert expected == all_at_once(by_input(per_minute, workers=workers), sizes)


@given(st.integers(1, 10_000), WORKERS, st.integers(1, 12))
def test_shares_add_up_to_the_quota(per_minute: int, workers: int, rounds: int) -> None:
    """At each request of a worker all of them together have sent as many as one with the whole quota has by then."""
    ours = all_at_once(by_requests(per_minute, 0.001, workers), [0] * rounds)
    alone = all_at_once(by_requests(per_minute, 0.001), [0] * (rounds * workers))
    assert pytest.approx(alone[::workers], abs=rounds * workers) == ours  # each may be rounded up by 1 ns


@given(QUOTAS, BURSTS_S, LOADS, st.integers(0, 20 * NS), st.integers(0, 60 * NS))
def test_a_freeze_is_kept(per_minute: int, burst_s: float, load: list[tuple[int, int]], from_ns: int, for_ns: int) -> None:
    """Nothing goes while it lasts, and after it no more than comes in from then on, but for one request."""
    limiter = by_input(per_minute, burst_s)
    for gap_ns, tokens in load:
        limiter.take(START_NS + gap_ns, tokens, 0)
    at_ns = START_NS + 3 * NS + from_ns
    thaw_ns = at_ns + for_ns
    limiter.freeze(thaw_ns)
    sizes = [tokens for _, tokens in load if tokens]
    went = [at + START_NS for at in all_at_once(limiter, sizes, at_ns)]
    assert all(each >= thaw_ns for each in went)
    most = per_minute * round(burst_s * NS)
    total = 0
    for each, tokens in zip(went, sizes, strict=True):
        assert total * MINUTE_NS + min(tokens * MINUTE_NS, most) <= per_minute * (each - thaw_ns)
        total += tokens


@given(LOADS, st.lists(st.integers(-5_000, 5_000), min_size=30, max_size=30))
def test_corrections_keep_to_the_quota(load: list[tuple[int, int]], corrections: list[int]) -> None:
    """What was taken and corrected between any two requests fits quota x time and the burst, however wrong estimates were."""
    limiter = by_input(60_000)
    now_ns, steps = START_NS, []
    for (gap_ns, estimate), more in zip(load, corrections, strict=False):
        now_ns = limiter.earliest(now_ns + gap_ns, estimate, 0)
        assert now_ns == limiter.take(now_ns, estimate, 0)
        limiter.settle(now_ns, more, 0)
        steps.append((now_ns, estimate, more))
    for first, (since_ns, _, _) in enumerate(steps):
        total = 0
        for at_ns, estimate, more in steps[first:]:
            total += estimate
            assert total * MINUTE_NS <= 60_000 * (at_ns - since_ns) + max(60_000 * NS, estimate * MINUTE_NS)
            total += more
