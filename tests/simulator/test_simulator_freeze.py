"""Freezes: exact moments, counted from the first request, at which nothing is due."""

from typing import Any

import httpx
import pytest

from harness.simulator.freeze import Freezes
from harness.simulator.plan import Piece
from harness.simulator.profile import Freeze

ASK = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
S = 1_000_000_000
MS = 1_000_000


def freezes(**told: Any) -> Freezes:
    made = Freezes(Freeze(**told))
    made.begin(100 * S)
    return made


@pytest.mark.parametrize(
    ("due_s", "sent_s"),
    [(0, 0), (109.5, 109.5), (110, 112), (111.5, 112), (112, 112), (129, 129), (130, 132), (1990.001, 1992)],
)
def test_what_is_due_in_a_freeze_comes_at_its_end(due_s: float, sent_s: float) -> None:
    """Every 20 s for 2 s, the first after half of 20 s: [110, 112), [130, 132), ...; all else keeps its time."""
    assert round(sent_s * S) == freezes(every_s=20, for_s=2).after(round(due_s * S))


def test_freezes_count_from_the_first_request_only() -> None:
    """Before it there are none, and a later request moves nothing."""
    made = Freezes(Freeze(every_s=20, for_s=2, first_s=0))
    assert (7, ()) == (made.after(7), made.between(0, 100 * S))
    made.begin(100 * S)
    made.begin(101 * S)
    assert 102 * S == made.after(100 * S)


@pytest.mark.parametrize(
    ("from_ns", "until_ns", "begins_s"),
    [
        (100 * S, 110 * S - 1, []),
        (100 * S, 110 * S, [110]),
        (112 * S - 1, 129 * S, [110]),
        (112 * S, 129 * S, []),
        (0, 151 * S, [110, 130, 150]),
    ],
)
def test_those_that_were_met_are_listed(from_ns: int, until_ns: int, begins_s: list[int]) -> None:
    """Each freeze that has a moment in common with the time asked for, from its begin until its end."""
    expected = tuple((begin_s * S, (begin_s + 2) * S) for begin_s in begins_s)
    assert expected == freezes(every_s=20, for_s=2).between(from_ns, until_ns)


def test_pieces_stay_in_order() -> None:
    """Of a stream through a freeze only the times change, and they never go back."""
    pieces = [Piece((100 + each) * S, b"%d" % each, 1) for each in range(14)]
    held = list(freezes(every_s=20, for_s=2).held(iter(pieces)))
    assert [*range(100, 110), 112, 112, 112, 113] == [piece.due_ns // S for piece in held]
    assert [piece.data for piece in pieces] == [piece.data for piece in held]


def test_streams_stop_exactly_as_the_truth_says(start: Any) -> None:
    """From the lines' own freezes each token's time is reckoned to the nanosecond, in the first request and in a later one."""
    told = {"every_s": 0.2, "for_s": 0.09, "first_s": 0.1}
    profile = {"ttft": {"median_s": 0.03}, "itl": {"median_s": 0.005}}
    simulator = start(filler_tokens=60, candidates=[{"name": "a", "model": "m", "freeze": told, **profile}])
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        for _ in range(2):
            client.post("/chat/completions", json=ASK)
    lines = simulator.stop()
    origin_ns = lines[0]["received_ns"] + 100 * MS
    for line in lines:
        begins = [origin_ns + 200 * MS * each for each in range(10)]
        met = [[at, at + 90 * MS] for at in begins if at <= line["done_ns"] and at + 90 * MS > line["received_ns"]]
        assert met == line["freezes"]
        nominal = [line["received_ns"] + 30 * MS + 5 * MS * each for each in range(60)]
        due = [next((until for begin, until in met if begin <= at < until), at) for at in nominal]
        assert due == [sent - late for sent, late in zip(line["sent_ns"], line["late_ns"], strict=True)]
        assert min(line["late_ns"]) >= 0
    assert 2 <= len(lines[0]["freezes"])


def test_a_refusal_waits_too(start: Any) -> None:
    """Nothing is sent in a freeze, no error either; the request is received at once."""
    simulator = start(candidates=[{"name": "a", "model": "m", "freeze": {"every_s": 9, "for_s": 0.2, "first_s": 0}}])
    with httpx.Client(base_url=simulator.urls["a"], trust_env=False) as client:
        assert 404 == client.post("/chat/completions", json={**ASK, "model": "no"}).status_code
    [line] = simulator.stop()
    [[begin_ns, until_ns]] = line["freezes"]
    assert (line["received_ns"], 200 * MS) == (begin_ns, until_ns - begin_ns)
    assert until_ns <= line["done_ns"]
