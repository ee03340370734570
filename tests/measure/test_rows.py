"""Attempts as rows: whose clock, what counts as answered, which latencies."""

import math

import numpy as np

from harness.measure.rows import Seen, names_for, rows
from harness.measure.slo import parse
from harness.records import AttemptEnd, AttemptStart, Phase, Usage

MS = 1_000_000


def start(dispatched_ns: int | None, scheduled_ns: int | None = None) -> AttemptStart:
    return AttemptStart("a", "e", "1", Phase.MEASURE, 0, "q", 0, dispatched_ns, scheduled_ns)


def end(kind: str, sent_ns: int) -> AttemptEnd:
    """First token after 100 ms, the last of six 50 ms later, the end 10 ms after that."""
    return AttemptEnd(
        id="a",
        kind=kind,
        sent_ns=sent_ns,
        first_token_ns=sent_ns + 100 * MS,
        last_token_ns=sent_ns + 150 * MS,
        done_ns=sent_ns + 160 * MS,
        chunks=6,
        icl=((7, 5),),
        usage=Usage(output_tokens=6),
    )


def test_seconds_are_from_the_window_of_its_own_worker() -> None:
    """Two hosts whose clocks are a day apart; the second one was to be sent 20 ms before it was."""
    day_ns = 86_400_000_000_000
    found = rows(
        [
            Seen(start(1_030 * MS), end("ok", 1_030 * MS), 1_000 * MS),
            Seen(start(day_ns + 70 * MS, day_ns + 50 * MS), end("ok", day_ns + 70 * MS), day_ns),
        ],
        names_for([parse("ttft.p99 <= 1 s", "scheduled"), parse("icl.p99 <= 1 s"), parse("errors <= 1 %")]),
    )
    assert ([0.03, 0.05], [0.19, 0.23]) == (found.arrival_s.tolist(), found.done_s.tolist())
    assert {"ttft", "ttft_scheduled", "icl", "itl"} == found.latencies.keys()
    assert [0.1, 0.12] == found.latencies["ttft_scheduled"].tolist()
    assert ([0.01, 0.01], [0.01, 0.01]) == (found.latencies["icl"].tolist(), found.latencies["itl"].tolist())
    assert [6, 6] == found.tokens.tolist()


def test_what_is_no_whole_answer_has_no_latency() -> None:
    """A refusal is an answer, a failure is none, and neither is what is in flight or was dropped."""
    kinds = ["ok", "refused", "http_500"]
    seen = [*(Seen(start(0), end(kind, 0), 0) for kind in kinds), Seen(start(0), None, 0)]
    seen.append(Seen(start(None, 5 * MS), AttemptEnd(id="a", kind="dropped"), 0))
    found = rows(seen, {"e2e"})
    assert [True, True, False, False, False] == found.ok.tolist()
    assert [False, True, True, True, True] == np.isnan(found.latencies["e2e"]).tolist()
    assert [0.16, 0.16, 0.16] == found.done_s[:3].tolist()
    assert [True, True] == [math.isnan(each) for each in found.done_s[3:]]
    assert [0, 0, 0, 0, 0.005] == found.arrival_s.tolist()
