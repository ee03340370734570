"""A service time over the tokens of an answer: the first at its share, the last at its end."""

import pytest

from harness.simulator.spread import Spread


def test_gaps_are_equal() -> None:
    """1,000 ns with a quarter for the first token leave 250 for each of three others."""
    spread = Spread(1_000, 0.25, 3)
    assert (250, [250, 250, 250]) == (spread.ttft_ns, spread.gaps_ns(3))


@pytest.mark.parametrize("gaps", [1, 2, 7, 999])
@pytest.mark.parametrize("first_ratio", [0.0, 0.3, 1.0])
def test_all_of_it_is_used(gaps: int, first_ratio: float) -> None:
    """However it is asked for, the sum is the service time to the nanosecond."""
    spread = Spread(1_000_003, first_ratio, gaps)
    drawn = [*spread.gaps_ns(gaps // 2), spread.gap_ns(gaps - gaps // 2)]
    assert 1_000_003 == spread.ttft_ns + sum(drawn)


def test_a_single_event_comes_at_the_end() -> None:
    """Where the first token is the last one, the end counts."""
    spread = Spread(1_000, 0.25, 0)
    assert (1_000, 0) == (spread.ttft_ns, spread.gap_ns(0))
