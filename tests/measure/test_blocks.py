"""Shares of requests that resemble their neighbours: what they are worth, and bounds that keep their promise."""

import msgspec
import numpy as np
import pytest

from harness.measure import blocks, stats
from harness.measure.blocks import Queue, Share


def share(over: list[int], size: int = 50, allowed: float = 0.1) -> Share:
    return Share("e2e.p90 <= 1 s", allowed, (size,) * len(over), tuple(over))


def test_blocks_as_independent_requests_have_them_are_wilsons() -> None:
    """Blocks that do not differ at all take no effect; Student's t of 39 for the normal quantile is all that widens."""
    found = blocks.bound(share([5] * 40), 0.99)
    assert found is not None
    assert 1.0 == found.effect
    plain = stats.wilson(200, 2_000, 0.98)
    assert plain[0] * 0.98 < found.low < plain[0] < 0.1 < plain[1] < found.high < plain[1] * 1.02


def test_blocks_that_miss_whole_count_as_few() -> None:
    """Every tenth block misses all of its 50 requests: they are worth one each, or fewer."""
    found = blocks.bound(share([50, *[0] * 9] * 16), 0.99)
    assert found is not None
    assert 50 <= found.effect <= 60


def test_what_neighbouring_blocks_share_is_seen() -> None:
    """Bursts over eight blocks in a row count for more than the same blocks scattered."""
    together = blocks.bound(share(([50] * 8 + [0] * 56) * 4), 0.99)
    apart = blocks.bound(share([50, *[0] * 7] * 32), 0.99)
    assert together is not None
    assert apart is not None
    assert together.effect > 4 * apart.effect


def test_where_none_missed_the_tail_shows_how_misses_come() -> None:
    """No miss in 8,000: with a tail of whole blocks the upper bound is that of far fewer."""
    none = Share("e2e.p90 <= 1 s", 0.1, (50,) * 160, (0,) * 160)
    tailed = msgspec.structs.replace(none, tail=(50, *[0] * 9) * 16)
    loose, tight = blocks.bound(tailed, 0.99), blocks.bound(none, 0.99)
    assert loose is not None
    assert tight is not None
    assert loose.high > 20 * tight.high


def test_few_blocks_have_no_bound() -> None:
    """Fifteen do not show how much blocks differ; sixteen do, and none at all has no ratio."""
    assert None is blocks.bound(share([5] * 15), 0.99)
    assert None is not blocks.bound(share([5] * 16), 0.99)
    assert None is share([]).ratio


def test_the_upper_bound_keeps_its_promise_under_correlation() -> None:
    """Of 400 chains whose misses last 20 requests, at most 8 % have a 95 % bound under the truth; of plain bounds, more."""
    rng, below, plain = np.random.default_rng(2), 0, 0
    for _ in range(400):
        lengths = np.column_stack((rng.geometric(1 / 180, 100), rng.geometric(1 / 20, 100))).ravel()
        missed = np.repeat(np.arange(200) % 2 == 1, lengths)[:8_000]
        starts = blocks.edges(len(missed))
        counts = np.add.reduceat(missed.astype(int), starts)
        sizes = np.diff(np.append(starts, len(missed)))
        found = blocks.bound(Share("", 0.1, tuple(sizes.tolist()), tuple(counts.tolist())), 0.95)
        assert found is not None
        below += found.high < 0.1
        plain += stats.wilson(float(missed.sum()), len(missed), 0.9)[1] < 0.1
    assert below / 400 <= 0.08 < plain / 400


def test_a_queue_that_changes_slowly_is_seen_few_times() -> None:
    """Twenty states of 400 arrivals are 16 to 30 looks; one that never changes is seen by every arrival."""
    depth = np.repeat(np.random.default_rng(1).integers(0, 50, 20).astype(float), 400)
    assert 16 <= blocks.queue_of(depth).looks <= 30
    assert 8_000 == blocks.queue_of(np.full(8_000, 7.0)).looks
    assert 0 == Queue((), (), ()).looks


@pytest.mark.parametrize(("n", "number"), [(0, 1), (24, 1), (50, 2), (3_200, 128), (1_000_000, 128)])
def test_blocks_are_of_25_requests_until_there_are_128(n: int, number: int) -> None:
    """Then they grow."""
    assert number == len(blocks.edges(n))
