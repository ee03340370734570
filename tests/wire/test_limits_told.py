"""Rate-limit headers: the documented formats on known answers, and whatever else a server may write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.quota import Allowance, Quota
from harness.wire import limits_told
from harness.wire.limits_told import told

NOW_S = 1_767_323_045.0  # 2026-01-02T03:04:05Z


def test_openai_tells_requests_and_tokens() -> None:
    """Limits and rests are counts, resets are durations as Go writes them."""
    headers = {
        "content-type": "text/event-stream",
        "x-ratelimit-limit-requests": "5000",
        "x-ratelimit-remaining-requests": "4999",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-limit-tokens": "160000",
        "x-ratelimit-remaining-tokens": "159976",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-limit-tokens_usage_based": "160000",
    }
    expected = Quota(requests=Allowance(5_000, 4_999, 0.012), tokens=Allowance(160_000, 159_976, 360.0))
    assert expected == told(headers, 200, NOW_S)


def test_anthropic_tells_input_and_output_apart() -> None:
    """Four kinds of limit, whose resets are moments, and Retry-After in seconds."""
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-01-02T03:04:35Z",
        "anthropic-ratelimit-tokens-remaining": "9000",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-reset": "2026-01-02T04:05:05.5+01:00",
        "anthropic-ratelimit-output-tokens-remaining": "7000",
        "retry-after": "20",
    }
    expected = Quota(
        requests=Allowance(50, 0, 30.0),
        tokens=Allowance(None, 9_000),
        input_tokens=Allowance(40_000, None, 60.5),
        output_tokens=Allowance(None, 7_000),
        retry_after_s=20.0,
    )
    assert expected == told(headers, 429, NOW_S)


@pytest.mark.parametrize("requests", ["req", "requests"])
def test_limits_that_name_their_minute(requests: str) -> None:
    """Mistral and Cerebras say in the header's name that it is of a minute."""
    headers = {f"x-ratelimit-remaining-{requests}-minute": "717", "x-ratelimit-remaining-tokens-minute": "4999911"}
    assert Quota(requests=Allowance(None, 717), tokens=Allowance(None, 4_999_911)) == told(headers, 200, NOW_S)


def test_prompt_and_generated_tokens() -> None:
    """Fireworks' words for input and output."""
    headers = {"x-ratelimit-remaining-tokens-prompt": "60000", "x-ratelimit-limit-tokens-generated": "6000"}
    expected = Quota(input_tokens=Allowance(None, 60_000), output_tokens=Allowance(6_000))
    assert expected == told(headers, 200, NOW_S)


def test_of_two_spellings_the_one_that_leaves_less_counts() -> None:
    """A gateway may pass both on."""
    headers = {
        "x-ratelimit-remaining-tokens": "9",
        "x-ratelimit-remaining-tokens-minute": "4",
        "x-ratelimit-reset-tokens": "1s",
        "x-ratelimit-reset-tokens-minute": "2.5",
    }
    assert Quota(tokens=Allowance(None, 4, 2.5)) == told(headers, 200, NOW_S)


def test_azure_that_does_not_know_tells_nothing() -> None:
    """Its -1 is no count, and a reset of 0 is one; the headers that say nothing are named."""
    names = ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens")
    headers = dict.fromkeys(names, "-1") | {"x-ratelimit-reset-tokens": "0"}
    assert Quota(tokens=Allowance(reset_s=0.0), unreadable=names) == told(headers, 200, NOW_S)


@pytest.mark.parametrize("headers", [{}, {"date": "Fri, 02 Jan 2026 03:04:05 GMT", "x-request-id": "7"}])
def test_most_servers_tell_nothing(headers: dict[str, str]) -> None:
    """Without any header of limits there is no quota, not an empty one."""
    assert told(headers, 429, NOW_S) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1m12.5s", 72.5),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("500ms", 0.5),
        ("250us", 250e-6),
        ("250\u00b5s", 250e-6),
        ("250\u00c2\u00b5s", 250e-6),
        ("80ns", 80e-9),
        ("1h30m", 5_400.0),
        ("23h59m59s", 86_399.0),
        ("0s", 0.0),
        (" 37 ", 37.0),
        ("33.011382", 33.011382),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Every unit of Go's, fractions, and seconds without a unit."""
    assert Quota(tokens=Allowance(reset_s=pytest.approx(seconds))) == told({"x-ratelimit-reset-tokens": text}, 200, NOW_S)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("x-ratelimit-reset-tokens", text) for text in ("", "-1s", "+1s", "s", "1 s", "1d", "1.s", ".5s", "1s1", "nan")),
        *(("x-ratelimit-reset-tokens", text) for text in ("inf", "1e3", "1_0", "\u0661s", "25h", "1767323045", "9" * 400)),
        *(("x-ratelimit-remaining-tokens", text) for text in ("", "-1", "+1", "1.0", "1e3", "1,000", "unlimited", "\u0661")),
        *(("anthropic-ratelimit-tokens-reset", text) for text in ("", "30", "soon", "2026-01-02", "2026-01-02T03:04:35")),
        *(("anthropic-ratelimit-tokens-reset", text) for text in ("2026-02-30T00:00:00Z", "2026-01-02T03:02:05Z")),
        *(("anthropic-ratelimit-tokens-reset", text) for text in ("0001-01-01T00:00:00Z", "2026-01-04T00:00:00Z")),
        *(("retry-after", text) for text in ("", "-1", "nan", "inf", "1e9", "86401", "1s", "soon", "20, 30", "1_0")),
        *(("retry-after", text) for text in ("Fri, 32 Jan 2026 03:04:25 GMT", "Fri, 02 Jan 2026 03:04:25", "Fri")),
        *(("retry-after", text) for text in ("Fri, 02 Jan 2026 02:04:25 GMT", "Sat, 03 Jan 2026 05:04:25 GMT")),
        *(("retry-after-ms", text) for text in ("", "-1", "1s", "86400001", "nan")),
        ("x-ms-retry-after-ms", "00:00:00.033"),
    ],
)
def test_what_is_no_value_is_named_and_not_guessed(name: str, text: str) -> None:
    """Empty, negative, not finite, another format, long gone or too far away: no number, and the header is told."""
    assert Quota(unreadable=(name,)) == told({name: text}, 429, NOW_S)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:25 GMT"}, 20.0),
        ({"retry-after": "Friday, 02-Jan-26 03:04:25 GMT"}, 20.0),
        ({"retry-after": "Fri Jan  2 03:04:25 2026"}, 20.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:04 GMT"}, 0.0),
        ({"retry-after-ms": "1250", "retry-after": "2"}, 1.25),
        ({"x-ms-retry-after-ms": "100"}, 0.1),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    """Seconds or one of three dates; in milliseconds where Azure gives both; a date just gone is now."""
    assert Quota(retry_after_s=seconds) == told(headers, 429, NOW_S)


def test_an_unreadable_wait_leaves_the_other() -> None:
    """The one that cannot be read is named."""
    expected = Quota(retry_after_s=2.0, unreadable=("retry-after-ms",))
    assert expected == told({"retry-after-ms": "x", "retry-after": "2"}, 503, NOW_S)


def test_a_wait_is_told_with_a_failure_only() -> None:
    """Below 400 Retry-After is about something else; a redirect has it for itself."""
    assert [None, None, Quota(retry_after_s=9.0)] == [told({"retry-after": "9"}, status, NOW_S) for status in (200, 302, 429)]


def test_moments_are_held_against_the_servers_clock() -> None:
    """Where there is a Date, a clock of ours that is an hour late changes nothing; an unreadable Date does not count."""
    reset = {"anthropic-ratelimit-tokens-reset": "2026-01-02T03:04:35Z", "retry-after": "Fri, 02 Jan 2026 03:04:15 GMT"}
    expected = Quota(tokens=Allowance(reset_s=30.0), retry_after_s=10.0)
    assert expected == told({"date": "Fri, 02 Jan 2026 03:04:05 GMT", **reset}, 429, NOW_S - 3_600)
    assert expected == told({"date": "today", **reset}, 429, NOW_S)


@pytest.mark.parametrize(
    ("quota", "seconds"),
    [
        (Quota(retry_after_s=2.0, tokens=Allowance(10, 0, 30.0)), 2.0),
        (Quota(requests=Allowance(10, 0, 5.0), tokens=Allowance(10, 0, 30.0), input_tokens=Allowance(9, 1, 99.0)), 30.0),
        (Quota(requests=Allowance(10, 1, 5.0)), None),
        (Quota(requests=Allowance(10, 0)), None),
        (Quota(), None),
    ],
)
def test_the_wait_after_a_refusal(quota: Quota, seconds: float | None) -> None:
    """As told, else until everything that is used up is whole again, else unknown."""
    assert seconds == quota.wait_s


@given(st.dictionaries(st.sampled_from([*limits_told._PLACES, *limits_told._WAITS, "date"]), st.text()), st.integers(400, 599))
def test_no_header_is_an_error(headers: dict[str, str], status: int) -> None:
    """Whatever stands in them, each is read to a sane number or named."""
    quota = told(headers, status, NOW_S)
    names = headers.keys() - {"date"}
    if not names:
        assert quota is None
        return
    values = [value for kind in ("requests", "tokens", "input_tokens", "output_tokens") for value in _numbers(quota, kind)]
    assert all(0 <= value <= 1e15 for value in values)
    assert set(quota.unreadable) <= names
    assert bool(values) or quota.retry_after_s is not None or names == set(quota.unreadable)


def _numbers(quota: Quota, kind: str) -> list[float]:
    allowance = getattr(quota, kind) or Allowance()
    return [value for value in (allowance.limit, allowance.remaining, allowance.reset_s) if value is not None]
