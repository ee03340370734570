"""Objectives are read as they are meant, and nonsense is refused with its own words."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.measure.slo import LATENCIES, STATISTICS, Objective, parse, per_request


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ttft.p99 <= 800 ms", ("ttft", "service", "p99", "<=", 0.8)),
        ("service.ttft.p99<=800ms", ("ttft", "service", "p99", "<=", 0.8)),
        ("scheduled.e2e.p95 <= 6 s", ("e2e", "scheduled", "p95", "<=", 6.0)),
        ("ttft.scheduled.p99 <= 1 s", ("ttft", "scheduled", "p99", "<=", 1.0)),
        ("icl.p99.9 < 0.25 s", ("icl", "service", "p99_9", "<", 0.25)),
        ("itl.p99_9 < 900 us", ("itl", "service", "p99_9", "<", 0.0009)),
        ("e2e.max <= 2 min", ("e2e", "service", "max", "<=", 120.0)),
        ("success >= 92 %", ("success", "service", None, ">=", 0.92)),
        ("success >= 0.92", ("success", "service", None, ">=", 0.92)),
        ("errors <= 1 %", ("errors", "service", None, "<=", 0.01)),
        ("usd_per_success <= 0.02 USD", ("usd_per_success", "service", None, "<=", 0.02)),
        ("usd_per_attempt < 2e-3", ("usd_per_attempt", "service", None, "<", 0.002)),
        ("goodput_per_s >= 3 /s", ("goodput_per_s", "service", None, ">=", 3.0)),
        ("requests_per_s > 3.5", ("requests_per_s", "service", None, ">", 3.5)),
        ("output_tokens_per_s >= 1000", ("output_tokens_per_s", "service", "system", ">=", 1000.0)),
        ("output_tokens_per_s.per_user >= 30", ("output_tokens_per_s", "service", "per_user", ">=", 30.0)),
        ("output_tokens_per_s.per_user.p50 >= 30", ("output_tokens_per_s", "service", "per_user", ">=", 30.0)),
    ],
)
def test_what_can_be_written(text: str, expected: tuple[str, str, str | None, str, float]) -> None:
    """Metric, view, statistic, direction and bound in base units; the text is kept for messages."""
    assert Objective(*expected, text) == parse(text)


@pytest.mark.parametrize("metric", LATENCIES)
@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_latency_has_every_statistic(metric: str, statistic: str) -> None:
    """No combination that the report prints is missing from the grammar."""
    assert (metric, statistic) == parse(f"{metric}.{statistic} <= 1 s")[0::2][:2]


@pytest.mark.parametrize(
    ("text", "quoted", "remedy"),
    [
        ("tftt.p99 <= 1 s", "'tftt'", "did you mean 'ttft'?"),
        ("ttft.p98 <= 1 s", "'p98'", "p95, p99"),
        ("ttft <= 1 s", "ttft <= 1 s", "p50"),
        ("ttft.p99 <= 800", "'ttft.p99 <= 800' has no unit", "give a unit: `ttft.p99 <= 800 ms`"),
        ("ttft.p99 <= 800 sec", "'sec'", "min, ms, s, us"),
        ("ttft.p99 <= 1.2.3 s", "1.2.3", "for example"),
        ("ttft.p99 is fast", "ttft.p99 is fast", "for example"),
        ("ttft.p99 >= 1 s", "ttft.p99 >= 1 s", "<="),
        ("success <= 92 %", "success <= 92 %", ">="),
        ("usd_per_success >= 1 USD", "usd_per_success >= 1 USD", "<="),
        ("success >= 92", "success >= 92", "%"),
        ("errors <= 101 %", "errors <= 101 %", "%"),
        ("errors <= 1", "'errors <= 1' can never be missed", "`errors <= 1 %`"),
        ("errors <= 100 %", "can never be missed", "`errors <= 1 %`"),
        ("success >= 0", "'success >= 0' can never be missed", "`success >= 92 %`"),
        ("requests_per_s >= 0", "can never be missed", "`requests_per_s >= 3`"),
        ("scheduled.success >= 92 %", "scheduled", "ttft"),
        ("success.p99 >= 92 %", "'p99'", "success"),
        ("ttft.p50.p99 <= 1 s", "p50.p99", "p50"),
        ("scheduled.service.ttft.p99 <= 1 s", "scheduled.service", "one"),
        ("", "''", "for example"),
    ],
)
def test_what_cannot_be_meant(text: str, quoted: str, remedy: str) -> None:
    """The message quotes the offending part and names what is allowed."""
    with pytest.raises(HarnessError) as caught:
        parse(text)
    assert quoted in caught.value.what
    assert caught.value.remedy is not None
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("text", ["errors < 1", "errors <= 99.9 %", "errors <= 0", "success > 0", "usd_per_success <= 0"])
def test_what_can_be_missed_is_taken(text: str) -> None:
    """Only an objective that nothing could miss is refused, however odd another is."""
    assert text == parse(text).text


@given(st.integers(1, 100))
def test_percentages_are_exact(percent: int) -> None:
    """k of 100 meets `success >= k %`, whatever binary makes of k/100."""
    assert parse(f"success >= {percent} %").met(percent / 100)
    assert not parse(f"success > {percent} %").met(percent / 100)


@pytest.mark.parametrize(("value", "met"), [(Decimal("0.29"), True), (Decimal("0.2901"), False), (0.29, True)])
def test_money_is_compared_as_decimals(value: Decimal, met: bool) -> None:
    """A Decimal amount on the bound meets it."""
    assert met is parse("usd_per_success <= 0.29 USD").met(value)


def test_bounds_on_one_request() -> None:
    """Upper bounds of latencies by metric and view, the lowest where there are several; other objectives bound no request."""
    texts = ["ttft.p50 <= 500 ms", "ttft.p99 <= 800 ms", "scheduled.e2e.p95 <= 6 s", "success >= 92 %", "requests_per_s >= 1"]
    assert {"ttft": 0.5, "e2e_scheduled": 6.0} == per_request([parse(text) for text in texts])
