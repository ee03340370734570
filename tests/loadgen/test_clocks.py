"""Offset and skew of a worker's clocks, from exchanges over a wire whose two ways are known."""

import random

import pytest

from harness.loadgen import clocks
from harness.loadgen.clocks import Exchange
from harness.worker_host import Clock

MS = 1_000_000
WALL = 1_800_000_000_000_000_000


def exchange(at_ns: int, offset_ns: int, skew_ns: int, ways_ns: tuple[int, int], waits_ns: int = 700 * MS) -> Exchange:
    """The master's monotonic clock is the time; its wall clock is WALL more. The worker's are off by so much."""
    there, back = ways_ns
    heard, said = at_ns + there, at_ns + there + waits_ns
    home = said + back
    return Exchange(at_ns, heard + offset_ns, said + offset_ns, home, WALL + said + skew_ns, WALL + home)


@pytest.mark.parametrize("offset_ns", [0, 3_600_000 * MS, -86_400_000 * MS])
@pytest.mark.parametrize("skew_ns", [0, 80 * MS, -2_000 * MS])
def test_an_even_way_tells_it_exactly(offset_ns: int, skew_ns: int) -> None:
    """However long the worker waited with its answer, and however far apart the clocks are."""
    assert Clock(offset_ns, skew_ns, 6 * MS) == clocks.clock(exchange(5_000 * MS, offset_ns, skew_ns, (3 * MS, 3 * MS)))


@pytest.mark.parametrize("ways_ns", [(6 * MS, 0), (0, 6 * MS), (1 * MS, 5 * MS)])
def test_an_uneven_way_is_within_half_of_the_round_trip(ways_ns: tuple[int, int]) -> None:
    """The bound is the claim: what is unknown is how the round trip is divided."""
    found = clocks.clock(exchange(0, 42 * MS, 7 * MS, ways_ns))
    assert 6 * MS == found.rtt_ns
    assert abs(found.offset_ns - 42 * MS) <= found.rtt_ns / 2
    assert abs(found.skew_ns - 7 * MS) <= found.rtt_ns / 2


def test_the_shortest_of_many_counts() -> None:
    """Answers that waited in a queue say less than the one that did not."""
    draw, best = random.Random(1), None
    ways = [(MS + draw.randrange(200 * MS), MS + draw.randrange(200 * MS)) for _ in range(50)] + [(MS, MS)]
    draw.shuffle(ways)
    for number, each in enumerate(ways):
        best = clocks.better(best, clocks.clock(exchange(number * 1_000 * MS, 9 * MS, -60 * MS, each)))
    assert Clock(9 * MS, -60 * MS, 2 * MS) == best


def test_a_clock_that_is_read_coarsely_makes_no_negative_round_trip() -> None:
    """Loopback takes less than a coarse clock shows."""
    assert 0 == clocks.clock(Exchange(100, 50, 90, 130, WALL, WALL)).rtt_ns
