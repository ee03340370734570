"""The network's part: round trips, losses, and what opening a connection took, beside what the provider took.

The rule: all of it is of the TCP connection, so of the way to whoever ends that: a proxy, a load balancer, a provider's edge.
What lies behind is the provider's, its own network included.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from harness.report import wording
from harness.report.cells import Cell
from harness.report.circumstances import LookUp
from harness.report.distribution import exact
from harness.report.figures import Bounds, Distribution, Network, Summary
from harness.resolved import Resolved

NOTABLE_RATIO = 0.1  # of TTFT: from here on the terminal tells it too
_STEPS = {
    "dns_s": "looked a name up",
    "connect_s": "connected",
    "proxy_s": "asked a proxy for a tunnel",
    "tls_s": "shook hands",
}


def network(cell: Cell) -> Network:
    """Round trips are those of the whole answers, counts those of the measure phase, openings those of any phase."""
    opened = cell.rows[cell.rows["connect_s"].notna()]
    rtt_s, min_rtt_s = cell.metrics["rtt_s"].figures, cell.metrics["min_rtt_s"].figures
    lost = {name: _sum(cell.measured[name]) for name in ("retransmits", "out_of_order")}
    ttft_s = cell.metrics["ttft_s"].figures
    medians = (ttft_s, min_rtt_s, rtt_s)
    lacking = next((each.reason["p50"] for each in medians if each.p50 is None), None)
    reason = {} if lacking is None else {"ttft_ratio": lacking}
    unknown = "no attempt has a count: the kernel gave none" if len(cell.measured) else "no attempt"
    return Network(
        rtt_s=rtt_s,
        min_rtt_s=min_rtt_s,
        ttft_ratio=_share(*medians) if lacking is None else None,
        retransmits=lost["retransmits"],
        out_of_order=lost["out_of_order"],
        disturbed=int((cell.measured["retransmits"].gt(0) | cell.measured["out_of_order"].gt(0)).sum()),
        opened=len(opened),
        addresses={str(name): int(count) for name, count in sorted(opened["address"].value_counts().items())},
        **{name: _step(opened[name], done) for name, done in _STEPS.items()},
        reason=reason | {name: unknown for name, count in lost.items() if count is None},
    )


def look_ups(resolved: Sequence[tuple[int, Resolved]]) -> tuple[LookUp, ...]:
    """One per name and port, in the order of the lines; addresses of all answers, each once."""
    by_name: dict[tuple[str, int], list[Resolved]] = {}
    for _, line in resolved:
        by_name.setdefault((line.host, line.port), []).append(line)
    return tuple(
        LookUp(
            host=host,
            port=port,
            addresses=tuple(dict.fromkeys(address for line in lines for address in line.addresses)),
            n=len(lines),
            longest_s=max(line.took_ns for line in lines) / 1e9,
        )
        for (host, port), lines in by_name.items()
    )


def floors(summary: Summary) -> list[str]:
    """At each endpoint's highest level: which part of its TTFT one round trip is, in a sentence."""
    return [said for name in summary.endpoints for said in _floor(name, summary, least=0.0)]


def notable(summary: Summary) -> list[str]:
    """Those where the round trip is a part that a reader must know of."""
    return [said for name in summary.endpoints for said in _floor(name, summary, least=NOTABLE_RATIO)]


def _floor(name: str, summary: Summary, least: float) -> Iterator[str]:
    endpoint = summary.endpoints[name]
    figures = endpoint.levels[endpoint.peak]
    of = figures.network
    if of.ttft_ratio is None or of.ttft_ratio[0] < least:
        return
    where = "" if endpoint.proxy is None else f" to the proxy {endpoint.proxy}, and not beyond it,"
    time = _between(wording.seconds(of.min_rtt_s.p50), wording.seconds(of.rtt_s.p50))
    share = _between(*(wording.percent(ratio) for ratio in of.ttft_ratio))
    ttft = wording.seconds(figures.service.ttft_s.p50)
    trip = f"one round trip of the network{where} is {time}"
    yield f"{name} at {figures.words}: {trip}, {share} of the median TTFT ({ttft})."


def _between(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _share(ttft_s: Distribution, *trips_s: Distribution) -> Bounds:
    """No first token can come before one round trip; the smoothed one holds the peer's own waits too, so it is the most."""
    assert ttft_s.p50 is not None, "asked only where every median is there"
    least, most = (min(1.0, round((each.p50 or 0.0) / ttft_s.p50, 9)) for each in trips_s)
    return least, most


def _step(column: pd.Series, done: str) -> Distribution:
    """Of the connections that were opened; `missing` did without this step."""
    known = column.dropna().to_numpy()
    why = f"none of {len(column)} connections {done}" if len(column) else "no connection was opened"
    return exact(known, len(column) - len(known), why).figures


def _sum(column: pd.Series) -> int | None:
    known = column.dropna()
    return int(known.sum()) if len(known) else None
