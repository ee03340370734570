"""A level from requests: counted by hand."""

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.measure.level import Rows, combined, level_result, trend
from harness.measure.slo import parse


def rows(n: int = 1_000, late: int = 100, failed: int = 10) -> Rows:
    """One request a second, answered after 1 s with 20 tokens; the last `late` ones after 3 s; the first ones failed."""
    arrival = np.arange(n, dtype=float)
    e2e = np.where(np.arange(n) >= n - late, 3.0, 1.0)
    return Rows(arrival, arrival + e2e, np.arange(n) >= failed, {"e2e": e2e, "ttft": e2e / 2}, np.full(n, 20.0))


def test_a_level_counts_what_arrived_and_what_ended() -> None:
    """In 1,000 s arrive 1,000 requests; the last three of them end later; ten failed, and a tenth was too late."""
    level = level_result(rows(), 1.0, (0.0, 1_000.0), [parse("e2e.p90 <= 2 s")])
    assert (1_000, 1.0, 0.997) == (level.requests, level.offered_per_s, level.achieved_per_s)
    assert 0.997 == level.carried_ratio
    assert (990, 100) == (sum(level.shares[0].n), sum(level.shares[0].over))
    assert (1_000, 10, 0.01) == (sum(level.errors.n), sum(level.errors.over), level.errors.allowed)
    assert (0.89, 20.0, 1.5) == (level.goodput_per_s, level.offered_tokens_per_s, level.ttft_p99_s)
    assert None is level.itl_p99_s


def test_what_arrived_outside_the_window_is_not_counted() -> None:
    """Of 1,000 requests, the 200 from second 100 to second 300, in any order of rows."""
    whole = rows()
    mixed = np.random.default_rng(1).permutation(1_000)
    shuffled = Rows(
        whole.arrival_s[mixed],
        whole.done_s[mixed],
        whole.ok[mixed],
        {name: values[mixed] for name, values in whole.latencies.items()},
        whole.tokens[mixed],
    )
    objectives = [parse("e2e.p90 <= 2 s")]
    level = level_result(shuffled, 1.0, (100.0, 300.0), objectives)
    assert 200 == level.requests
    assert level_result(whole, 1.0, (100.0, 300.0), objectives) == level


@pytest.mark.parametrize(("text", "over"), [("e2e.p90 <= 3 s", 0), ("e2e.p90 < 3 s", 100)])
def test_the_bound_itself_is_met_or_not_as_written(text: str, over: int) -> None:
    """Latencies of just 3 s."""
    assert over == sum(level_result(rows(), 1.0, (0.0, 1_000.0), [parse(text)]).shares[0].over)


@pytest.mark.parametrize(("texts", "allowed"), [(["errors <= 2 %"], 0.02), (["success >= 95 %", "errors <= 8 %"], 0.05)])
def test_the_strictest_word_on_errors_holds(texts: list[str], allowed: float) -> None:
    """Errors and success speak of the same."""
    assert allowed == pytest.approx(level_result(rows(), 1.0, (0.0, 1_000.0), list(map(parse, texts))).errors.allowed)


@pytest.mark.parametrize(
    "text", ["e2e.mean <= 2 s", "usd_per_success <= 1 USD", "itl.p99 <= 50 ms", "scheduled.e2e.p99 <= 2 s"]
)
def test_what_no_share_of_these_requests_can_show(text: str) -> None:
    """A mean, a price, and latencies that were not measured are refused by name."""
    with pytest.raises(HarnessError, match=text):
        level_result(rows(), 1.0, (0.0, 1_000.0), [parse(text)])


def test_two_runs_add_up() -> None:
    """Requests, shares and time; rates are of both."""
    objectives = [parse("e2e.p90 <= 2 s")]
    first, second = (level_result(rows(), 1.0, window, objectives) for window in [(0.0, 400.0), (400.0, 1_000.0)])
    both = combined(first, second)
    assert (1_000, 1_000.0, 1.0) == (both.requests, both.length_s, both.offered_per_s)
    assert 0.997 == pytest.approx(both.achieved_per_s, abs=0.0015)
    assert (990, 100, 1_000) == (sum(both.shares[0].n), sum(both.shares[0].over), sum(both.queue.n))


def test_a_trend_is_known_from_a_line() -> None:
    """0.1 s longer per second, with noise of 1 s; without a slope the interval holds 0."""
    rng, at = np.random.default_rng(3), np.arange(1_000.0)
    grown, flat = trend(at, 0.1 * at + rng.normal(0, 1, 1_000)), trend(at, rng.normal(5, 1, 1_000))
    assert grown is not None
    assert flat is not None
    assert grown.low < 0.1 < grown.high < 0.11
    assert flat.low < 0 < flat.high
    assert None is trend(at[:74], at[:74])
