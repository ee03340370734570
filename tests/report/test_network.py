"""The network's part of a report, from attempts whose round trips are known."""

from typing import Any

import handmade
import pytest
from handmade import MS

from harness.report import join, network
from harness.report.cells import cells
from harness.report.figures import Network, Summary
from harness.report.summary import summarise
from harness.resolved import Resolved
from harness.scenario import Scenario


def summary(*attempts: object, proxy: str | None = None, **options: Any) -> Summary:
    made = handmade.run(attempts, **options)  # type: ignore[arg-type]
    if proxy is not None:
        made.manifest.scenario["endpoints"]["a"] |= {"proxy": proxy, "allow_http": True}
    scenario = Scenario.model_validate(made.manifest.scenario)
    frame = join.frame(made, made.manifest.rates, graded=False)
    return summarise(made, scenario, list(cells(made, frame)), made.manifest.rates)


def figures(*attempts: object, **options: Any) -> Network:
    return summary(*attempts, **options).endpoints["a"].levels["2"].network


def near(number: int, *, least: int = 40, smoothed: int = 50, **fields: Any) -> object:
    """A good answer with a TTFT of 100 ms and these round trips, in ms."""
    return handmade.ok(number, min_rtt_ns=least * MS, rtt_ns=smoothed * MS, **fields)


def test_the_round_trips_part_of_ttft() -> None:
    """Medians of least and smoothed round trip over the median TTFT bound what the network had of it."""
    of = figures(*(near(number) for number in range(6)))
    assert (6, 0.04, 0.05) == (of.rtt_s.n, pytest.approx(of.min_rtt_s.p50, rel=1e-3), pytest.approx(of.rtt_s.p50, rel=1e-3))
    assert pytest.approx((0.4, 0.5), rel=2e-3) == of.ttft_ratio


def test_no_part_is_more_than_all() -> None:
    """A smoothed round trip can be longer than a TTFT, by the peer's own waits; the share is then all of it."""
    of = figures(*(near(number, smoothed=130) for number in range(6)))
    assert of.ttft_ratio[1] == 1.0


def test_what_is_not_known_says_why() -> None:
    """Without stamps of the kernel, with too few answers, or with none, there is no share and there is a reason."""
    few = figures(*(near(number) for number in range(5)))
    unknown = figures(*(handmade.ok(number) for number in range(6)))
    none = figures(handmade.failed(1, "dns"))
    assert (None, "needs n >= 6, has 5") == (few.ttft_ratio, few.reason["ttft_ratio"])
    assert (None, "all 6 whole answers have no value") == (unknown.ttft_ratio, unknown.reason["ttft_ratio"])
    assert (None, None) == (unknown.retransmits, unknown.out_of_order)
    assert "no attempt has a count: the kernel gave none" == unknown.reason["out_of_order"]
    assert (None, "no answer came whole") == (none.ttft_ratio, none.reason["ttft_ratio"])


def test_losses_are_of_the_measure_phase() -> None:
    """Failures count, warm-up does not; an attempt that lost in both directions is disturbed once."""
    of = figures(
        near(1, retransmits=2, out_of_order=7),
        near(2, retransmits=0, out_of_order=0),
        handmade.failed(3, "timeout_headers", retransmits=4, out_of_order=None),
        handmade.attempt(4, at=100, example=None, block=0, kind="ok", retransmits=90, out_of_order=90),
    )
    assert (6, 7, 2) == (of.retransmits, of.out_of_order, of.disturbed)


def test_openings_are_of_every_phase() -> None:
    """Connections are kept, so most are opened in warm-up: their steps and addresses count, those of reused ones do not."""
    opening = {"dns_ns": 1 * MS, "connect_ns": 40 * MS, "tls_ns": 80 * MS, "address": "10.0.0.1"}
    warm = [handmade.attempt(n, at=100, example=None, block=0, kind="ok", **opening) for n in range(6)]
    late = near(7, **opening | {"address": "10.0.0.2", "proxy_ns": 9 * MS})
    of = figures(*warm, late, near(8, reused=True))
    assert (7, {"10.0.0.1": 6, "10.0.0.2": 1}) == (of.opened, of.addresses)
    assert (7, 0, pytest.approx(0.08, rel=1e-3)) == (of.tls_s.n, of.tls_s.missing, of.tls_s.p50)
    assert (1, 6, None, 0.009) == (of.proxy_s.n, of.proxy_s.missing, of.proxy_s.p50, pytest.approx(of.proxy_s.max))
    none = figures(near(1))
    assert "no connection was opened" == none.connect_s.reason["p50"]
    plain = figures(near(1, dns_ns=MS, connect_ns=MS, address="x"))
    assert "none of 1 connections shook hands" == plain.tls_s.reason["p50"]


def test_names_are_told_once() -> None:
    """Workers look a name up for themselves: their answers are joined, the longest wait is kept, order is the resolver's."""
    lines = [
        (0, Resolved("api.test", 443, ("10.0.0.2", "10.0.0.1"), 5 * MS)),
        (0, Resolved("proxy.test", 3128, ("10.1.0.1",), MS)),
        (1, Resolved("api.test", 443, ("10.0.0.1", "10.0.0.3"), 9 * MS)),
    ]
    api, proxy = network.look_ups(lines)
    assert ("api.test", 443, ("10.0.0.2", "10.0.0.1", "10.0.0.3"), 2, 0.009) == (
        api.host, api.port, api.addresses, api.n, api.longest_s
    )  # fmt: skip
    assert ("proxy.test", 1) == (proxy.host, proxy.n)


@pytest.mark.parametrize(
    ("proxy", "where"),
    [(None, ""), ("http://10.0.0.9:3128", " to the proxy http://10.0.0.9:3128, and not beyond it,")],
)
def test_the_floor_in_words(proxy: str | None, where: str) -> None:
    """The sentence names both bounds, and where a proxy ends the connection it says so."""
    bounds = "40.0 ms to 50.0 ms, 40.0 % to 50.0 % of the median TTFT (100 ms)."
    made = summary(*(near(number) for number in range(6)), proxy=proxy)
    assert [f"a at 2 users: one round trip of the network{where} is {bounds}"] == network.floors(made)


@pytest.mark.parametrize(("least", "told"), [(9, 0), (11, 1)])
def test_a_small_part_is_for_the_page_only(least: int, told: int) -> None:
    """The terminal tells it from a tenth of TTFT on; the page always."""
    made = summary(*(near(number, least=least, smoothed=12) for number in range(6)))
    assert (told, 1) == (len(network.notable(made)), len(network.floors(made)))
