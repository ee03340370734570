"""A link with 40 ms each way that loses 3 % of its packets: no stamp is earlier than its bytes could be read.

The forwarder knows when it delivered each byte, so it knows when all bytes before a token had been delivered, which is when the
kernel could hand the token on: after a loss that is when the hole was filled, and not when the token itself arrived.
"""

import bisect
from dataclasses import dataclass
from statistics import median
from typing import Any

import lossy_link
import pytest

DELAY_S, LOSS_RATIO, SEED = 0.040, 0.03, 11
TOLERANCE_NS = 50_000  # what two readings of two clocks may differ by
SMALL_USERS, BIG_USERS, ATTEMPTS = 12, 4, 3
GAPS_MS = (2, 5, 10, 20)
MS = 1_000_000


@dataclass(frozen=True)
class Token:
    attempt: str
    number: int
    sent_ns: int
    readable_ns: int
    stamp_ns: int


@dataclass(frozen=True)
class Seen:
    """What both ends and the link between them wrote down, of one scheme."""

    attempts: list[dict[str, Any]]
    tokens: list[Token]
    flows: list[lossy_link.Flow]


def _users(url: str, scheme: str) -> list[tuple[str, list[str]]]:
    """Streams of many small events, faster and slower than the drain, and streams of few events of 60 KB."""
    small = [
        (url, [f"{scheme}-{user}-{n} tokens=60 gap_ms={GAPS_MS[user % len(GAPS_MS)]} bytes=20" for n in range(ATTEMPTS)])
        for user in range(SMALL_USERS)
    ]
    big = [
        (url, [f"{scheme}-big{user}-{n} tokens=4 gap_ms=30 bytes=60000" for n in range(ATTEMPTS)]) for user in range(BIG_USERS)
    ]
    return small + big


@pytest.fixture(scope="module")
def all_seen() -> dict[str, Seen]:
    why = lossy_link.lacking()
    if why is not None:
        pytest.skip(why)
    with lossy_link.link(DELAY_S, LOSS_RATIO, SEED) as (link, client, server):
        there = server.hear()
        users = [
            user
            for scheme in ("http", "https")
            for user in _users(f"{scheme}://{lossy_link.SERVER}:{there[scheme]}/v1", scheme)
        ]
        client.tell(users=users, authority=there["authority"])
        attempts = list(iter(client.hear, "done"))
        server.tell(what="was sent")
        truth = server.hear()
    of = {scheme: [each for each in attempts if each["name"].startswith(f"{scheme}-")] for scheme in ("http", "https")}
    return {scheme: _seen(link, truth, theirs) for scheme, theirs in of.items()}


def _seen(link: lossy_link.Link, truth: dict[str, Any], attempts: list[dict[str, Any]]) -> Seen:
    ports = {tuple(truth[each["name"]]["ports"]) for each in attempts}
    readable = {pair: link.flows[pair].readable() for pair in ports}
    tokens = []
    for each in attempts:
        sent = truth[each["name"]]
        offsets, times = readable[tuple(sent["ports"])]
        for number, ((sent_ns, end), stamp_ns) in enumerate(zip(sent["tokens"], each["stamps_ns"], strict=True)):
            tokens.append(Token(each["name"], number, sent_ns, times[bisect.bisect_left(offsets, end)], stamp_ns))
    return Seen(attempts, tokens, [link.flows[pair] for pair in ports])


@pytest.fixture(params=["http", "https"])
def seen(request: pytest.FixtureRequest, all_seen: dict[str, Seen]) -> Seen:
    return all_seen[request.param]


def test_the_link_is_lossy_and_the_answers_whole(seen: Seen) -> None:
    """Segments were lost, others waited behind the holes, and every answer came nevertheless: else nothing is tested here."""
    assert {"ok"} == {each["kind"] for each in seen.attempts}
    assert (SMALL_USERS + BIG_USERS) * ATTEMPTS == len(seen.attempts)
    assert sum(flow.lost for flow in seen.flows) > 30
    assert sum(flow.held_back() for flow in seen.flows) > 300
    assert 0 == sum(each["unstamped"] for each in seen.attempts)


def test_no_stamp_is_earlier_than_its_bytes(seen: Seen) -> None:
    """Of each token: not before the link had delivered it and all before it, nor before it could have crossed the link."""
    early = [token for token in seen.tokens if token.stamp_ns < token.readable_ns - TOLERANCE_NS]
    assert [] == early
    assert [] == [token for token in seen.tokens if token.stamp_ns < token.sent_ns + DELAY_S * 1e9 - TOLERANCE_NS]


def test_the_record_says_the_same(seen: Seen) -> None:
    """First and last token of the record are those stamps, and the reads whose stamp was put right are counted.

    Where everything had to wait for the first segment and came in one read, there is no first token to speak of.
    """
    for each in seen.attempts:
        first, last = each["stamps_ns"][0], each["stamps_ns"][-1]
        assert (None if first == last else first, last) == (each["first_token_ns"], each["last_token_ns"])
        in_order = [each[name] for name in ("sent_ns", "first_byte_ns", "headers_ns")]
        in_order += [*each["stamps_ns"], each["done_ns"]]
        assert sorted(in_order) == in_order
    assert sum(each["clamped"] for each in seen.attempts) > 20


def test_stamps_are_not_simply_late(seen: Seen) -> None:
    """Half of the tokens are stamped within half the one-way delay of the moment at which they could be read."""
    assert median(token.stamp_ns - token.readable_ns for token in seen.tokens) < DELAY_S * 1e9 / 2


def test_the_network_is_told(seen: Seen) -> None:
    """The round trip is twice the delay or more; out of order is exactly what waited; each lost segment was sent again."""
    assert min(each["min_rtt_ns"] for each in seen.attempts) >= 2 * DELAY_S * 1e9
    assert all(each["min_rtt_ns"] <= each["rtt_ns"] for each in seen.attempts)
    assert median(each["min_rtt_ns"] for each in seen.attempts) < 4 * DELAY_S * 1e9
    assert sum(flow.held_back() for flow in seen.flows) == sum(each["out_of_order"] for each in seen.attempts)
    assert sum(each["retransmits"] for each in seen.attempts) >= sum(flow.lost_going for flow in seen.flows)
