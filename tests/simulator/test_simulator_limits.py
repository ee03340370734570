"""Rate limits: exact buckets, honest headers, and 429s that the truth explains."""

import itertools
import math
from typing import Any

import httpx
import pytest

from harness.simulator.answer import RefusedError
from harness.simulator.limits import Bucket, Levels, Limiter, go_duration
from harness.simulator.profile import Limits

S = 1_000_000_000


def refusal(limiter: Limiter, now_ns: int, input_tokens: int = 0, output_tokens: int = 0) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        limiter.admit(now_ns, input_tokens, output_tokens)
    return refused.value


def test_a_bucket_fills_at_its_rate_and_no_higher() -> None:
    """60 a minute: three of five taken, one more each second, full after three; earlier times change nothing."""
    bucket = Bucket(60, burst_s=5)
    bucket.fill(100 * S)
    bucket.take(3)
    assert (2, 3 * S) == (bucket.tokens, bucket.full_in_ns)
    bucket.fill(101 * S)
    bucket.fill(99 * S)
    assert (3, 0, 1 * S, math.inf) == (bucket.tokens, bucket.wait_ns(3), bucket.wait_ns(4), bucket.wait_ns(6))
    bucket.fill(200 * S)
    assert (5, 0) == (bucket.tokens, bucket.full_in_ns)


@pytest.mark.parametrize("per_minute", [7, 61, 600_001])
def test_a_wait_is_exactly_long_enough(per_minute: int) -> None:
    """After it there is a token, and a nanosecond before it there is none."""
    waits = []
    for less in (1, 0):
        bucket = Bucket(per_minute, burst_s=60)
        bucket.take(per_minute)
        wait_ns = bucket.wait_ns(1)
        bucket.fill(int(wait_ns) - less)
        waits.append(bucket.wait_ns(1))
    assert [1, 0] == waits


def test_a_refused_request_takes_nothing() -> None:
    """Of 2 in a burst the third is refused for a second, however often it tries; then one passes."""
    limiter = Limiter(Limits(requests_per_minute=60, burst_s=2))
    for _ in range(2):
        limiter.admit(10 * S, 0, 0)
    for _ in range(5):
        refused = refusal(limiter, 10 * S + S // 2)
    assert ("requests", {"retry-after": "1", "retry-after-ms": "500"}) == (refused.limit, refused.headers)
    limiter.admit(11 * S, 0, 0)
    assert Levels(requests=0.0) == limiter.levels(11 * S)


def test_the_longest_wait_names_the_limit() -> None:
    """A request that needs tokens of two buckets takes from both or from none."""
    limiter = Limiter(Limits(requests_per_minute=60, input_tokens_per_minute=600, burst_s=10))
    limiter.admit(S, 90, 0)
    refused = refusal(limiter, S, 30)
    assert ("input_tokens", "2") == (refused.limit, refused.headers["retry-after"])
    assert str(refused).startswith("Rate limit reached for input tokens per minute: limit 600, remaining 10, requested 30.")
    assert Levels(requests=9.0, input_tokens=10.0) == limiter.levels(S)


def test_what_never_fits_is_told_so() -> None:
    """More than a full bucket: no time to wait is named."""
    refused = refusal(Limiter(Limits(input_tokens_per_minute=600, burst_s=10)), S, 101)
    assert ({}, "input_tokens") == (refused.headers, refused.limit)
    assert "too large" in str(refused)


def test_reserved_output_is_taken_when_the_request_comes() -> None:
    """max_tokens count, whatever is said in the end."""
    limiter = Limiter(Limits(output_tokens_per_minute=600, burst_s=10))
    limiter.admit(S, 0, 80)
    limiter.count(S, 3)
    assert Levels(output_tokens=20.0) == limiter.levels(S)
    assert "output_tokens" == refusal(limiter, S, 0, 21).limit


def test_counted_output_is_taken_when_it_was_sent() -> None:
    """A bucket that has a token admits any request; it may owe afterwards, and then lets none in until it has one again."""
    limiter = Limiter(Limits(output_tokens_per_minute=600, burst_s=10, output="counted"))
    for _ in range(2):
        limiter.admit(S, 0, 1_000)
    for _ in range(2):
        limiter.count(S, 60)
    assert Levels(output_tokens=-20.0) == limiter.levels(S)
    assert ("2100", "0") == (refusal(limiter, S).headers["retry-after-ms"], limiter.headers(S)["x-ratelimit-remaining-tokens"])
    limiter.admit(S + 2_100_000_000, 0, 1_000)
    assert Levels(output_tokens=1.0) == limiter.levels(S)


def test_headers_are_those_of_openai() -> None:
    """Limit, what is left in whole requests and tokens, and when the bucket is full; of two token buckets the scarcer one."""
    told = Limits(requests_per_minute=60, input_tokens_per_minute=6_000, output_tokens_per_minute=600, burst_s=60)
    limiter = Limiter(told)
    limiter.admit(S, 1_500, 50)
    assert {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "550",
        "x-ratelimit-reset-tokens": "5s",
    } == limiter.headers(S)
    assert {"requests"} == {name.rsplit("-", 1)[1] for name in Limiter(Limits(requests_per_minute=1)).headers(S)}


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0s"), (1, "1ms"), (12_000_000, "12ms"), (S, "1s"), (1_500_000_000, "1.5s"), (360 * S, "6m0s"), (3_661 * S, "1h1m1s")],
)
def test_durations_are_written_as_go_writes_them(ns: int, text: str) -> None:
    """Rounded up to a millisecond, so that who waits so long has waited long enough."""
    assert text == go_duration(ns)


def test_the_truth_explains_every_429(start: Any) -> None:
    """Buckets that are reckoned from the lines alone hold what each line says, and refuse what was refused."""
    told = {"requests_per_minute": 600, "input_tokens_per_minute": 6_000, "burst_s": 1}
    profile = {"ttft": {"median_s": 0}, "itl": {"median_s": 0}, "limits": told}
    simulator = start(filler_tokens=2, candidates=[{"name": "a", "model": "m", **profile}])
    body = {"model": "m", "messages": [{"role": "user", "content": "word " * 4}]}  # five tokens
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        answers = [client.post("/chat/completions", json=body) for _ in range(40)]
    lines = simulator.stop()
    assert [answer.status_code for answer in answers] == [line["status"] for line in lines]
    assert {200, 429} == {answer.status_code for answer in answers}
    held, at_ns = 10.0, lines[0]["received_ns"]
    for line, answer in zip(lines, answers, strict=True):
        held, at_ns = min(10.0, held + (line["received_ns"] - at_ns) * 10 / S), line["received_ns"]
        passes = held >= 1
        assert (passes, None if passes else "requests") == (line["status"] == 200, line["limits"].get("refused_by"))
        held -= passes
        assert line["limits"]["requests"] == pytest.approx(held, abs=1e-6)
        headers = answer.headers
        assert str(math.floor(line["limits"]["requests"])) == headers["x-ratelimit-remaining-requests"]
        assert ("6000", not passes) == (headers["x-ratelimit-limit-tokens"], "retry-after" in headers)
    assert {"rate_limit_exceeded"} == {answer.json()["error"]["code"] for answer in answers if answer.status_code == 429}
    assert all(before["n"] + 1 == after["n"] for before, after in itertools.pairwise(lines))


def test_every_kind_of_response_tells_the_limits(start: Any) -> None:
    """A stream, and a request that fails for another reason, which takes nothing."""
    limits = {"output_tokens_per_minute": 600, "burst_s": 60}
    simulator = start(filler_tokens=2, candidates=[{"name": "a", "model": "m", "limits": limits}])
    messages = [{"role": "user", "content": "Hi"}]
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        wrong = client.post("/chat/completions", json={"model": "other", "messages": messages})
        right = client.post("/chat/completions", json={"model": "m", "stream": True, "max_tokens": 100, "messages": messages})
    left = [answer.headers["x-ratelimit-remaining-tokens"] for answer in (wrong, right)]
    assert [(404, "600"), (200, "500")] == list(zip([wrong.status_code, right.status_code], left, strict=True))
    assert [600.0, 500.0] == [line["limits"]["output_tokens"] for line in simulator.stop()]
