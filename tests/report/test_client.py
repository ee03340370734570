"""The figures of the load processes themselves, from samples that are known."""

from dataclasses import replace
from typing import Any

import handmade
import pytest
from handmade import MS

from harness.health import Health, Spread
from harness.records import BlockMark, Usage
from harness.report.build import Built
from harness.report.circumstances import ClientFigures
from harness.report.client import figures, watched
from harness.report.doubts import doubts

SECOND = 1_000 * MS
OPENED = 1_000 * MS  # the window of the handmade run, which is ten seconds long


def sample(end_s: float, *, seconds: float = 1, cpu_ratio: float = 0.2, gaps: Spread = ((MS, 1_000),), **fields: Any) -> Health:
    """A sample that ends so many seconds after the window opened."""
    at_ns = OPENED + round(end_s * SECOND)
    return Health(at_ns=at_ns, interval_ns=round(seconds * SECOND), cpu_ratio=cpu_ratio, gaps=gaps, **fields)


def client(*samples: Health, attempts: tuple[object, ...] = ()) -> ClientFigures:
    made = replace(handmade.run(attempts), health=[(0, each) for each in samples])  # type: ignore[arg-type]
    return figures(watched(made)["a", "2"])


def test_samples_belong_to_the_window_in_which_they_end() -> None:
    """The one that ends as the window opens is of the warm-up, the one that ends as it closes is the window's last."""
    made = [sample(at, cpu_ratio=0.1 * at) for at in (0, 1, 10, 11)]
    run = replace(handmade.run(()), health=[(0, each) for each in made])
    assert [(made[1], made[2])] == watched(run)["a", "2"].windows


def test_samples_belong_to_their_own_worker() -> None:
    """Each worker's clock and marks are its own; one without samples has an empty window."""
    other = [
        (1, BlockMark(block=1, edge=edge, at_ns=at, users=1))  # type: ignore[arg-type]
        for edge, at in (("open", 0), ("close", 500 * MS))
    ]
    run = handmade.run(())
    mine = sample(1)
    run = replace(run, marks=[*run.marks, *other], health=[(0, mine)])
    assert [(mine,), ()] == watched(run)["a", "2"].windows


def test_shares_are_means_over_time() -> None:
    """Three calm seconds and a full one: a quarter more; what was cut short counts for as long as it is, and for no maximum."""
    seen = client(*(sample(at, wait_ratio=0.1) for at in (1, 2, 3)), sample(4, cpu_ratio=0.6, wait_ratio=0.5))
    assert (0.3, 0.6, 0.2, 0.5) == pytest.approx((seen.cpu_ratio, seen.cpu_max_ratio, seen.wait_ratio, seen.wait_max_ratio))
    seen = client(sample(1), sample(1.1, seconds=0.1, cpu_ratio=1.0))
    assert (0.3 / 1.1, 0.2) == pytest.approx((seen.cpu_ratio, seen.cpu_max_ratio))


def test_a_window_of_less_than_half_a_second_still_has_a_maximum() -> None:
    """Where there is no longer sample, the short one is the busiest."""
    assert client(sample(0.3, seconds=0.3, cpu_ratio=0.7)).cpu_max_ratio == 0.7


def test_lags_are_of_all_samples_together() -> None:
    """Quantiles of the spreads added up, and the exact longest ones."""
    slow = ((MS, 900), (100 * MS, 1))
    seen = client(
        sample(1, gap_max_ns=MS, reads=((MS, 60),), read_n=60, read_max_ns=MS - 1, gc_max_ns=3 * MS, backlog=4),
        sample(2, gaps=slow, gap_max_ns=100 * MS - 1, reads=((2 * MS, 40),), read_n=40, read_max_ns=2 * MS, backlog=9),
    )
    assert (0.0005, 0.08, 0.099999999) == pytest.approx((seen.hub_lag_p50_s, seen.hub_lag_p99_s, seen.hub_lag_max_s), rel=0.1)
    assert (0.001, 0.002, 0.002) == (seen.read_lag_p50_s, seen.read_lag_p99_s, seen.read_lag_max_s)
    assert (0.003, 9) == (seen.gc_pause_max_s, seen.backlog_max)


def test_chunks_are_those_of_the_attempts() -> None:
    """Of 15 chunks three were read together with another, two of them late; one answer of three began late."""
    attempts = (
        handmade.ok(1, coalesced=2, late_coalesced=1, flags=("late_first_token",)),
        handmade.ok(2, coalesced=1, late_coalesced=1),
        handmade.ok(3),
        handmade.ok(4, at=500, block=0, coalesced=5, late_coalesced=5),  # of the warm-up
        handmade.lost(5),
    )
    seen = client(attempts=attempts)
    expected = (3 / 15, 2 / 15, 1 / 3)
    assert expected == (seen.coalesced_ratio, seen.late_coalesced_ratio, seen.late_first_token_ratio)


def test_tokens_per_chunk_are_those_of_usage() -> None:
    """Twelve and eight tokens in five chunks each: two a chunk. What told no usage, or did not come whole, is left out."""
    attempts = (
        handmade.ok(1, tokens=12),
        handmade.ok(2, tokens=8),
        handmade.ok(3, tokens=None),
        handmade.failed(4, "stream_reset", first_token_ns=1, chunks=5, usage=Usage(output_tokens=500)),
        handmade.ok(5, tokens=500, first_token_ns=None, chunks=1),
    )
    assert 2 == client(attempts=attempts).tokens_per_chunk


def test_what_is_missing_says_why() -> None:
    """No sample, no schedule statistics, no sockets, no chunks: each figure that is None has its reason, and no other has."""
    for seen in (client(), client(sample(1)), client(sample(1, gaps=()), attempts=(handmade.ok(1),))):
        values = {name: getattr(seen, name) for name in seen.__struct_fields__ if name != "reason"}
        assert {name for name, value in values.items() if value is None} == seen.reason.keys()
    assert "the kernel does not say how long a process waits for a processor" == client(sample(1)).reason["wait_ratio"]
    assert client(sample(1, wait_ratio=0.0)).wait_ratio == 0


def test_a_limited_client_is_a_doubt() -> None:
    """The rules are held to the samples of the run: place and value are in the finding."""
    late = sample(10, seconds=10, gaps=((MS, 5_000), (500 * MS, 10)))
    run = replace(handmade.run([handmade.ok(1)]), health=[(0, late)])
    (finding,) = doubts(run)
    assert ("client_limited", True) == (finding.code, finding.invalid)
    assert "signoff looked at its sockets late, p99: a at 2 users 490 ms (limit: 20 ms)" == finding.what


def test_every_level_has_its_figures(troubled: Built) -> None:
    """A made-up run whose workers did well: the same figures at each level, and nothing to say against them."""
    levels = [level.client for endpoint in troubled.summary.endpoints.values() for level in endpoint.levels.values()]
    assert {(0.3, 0.3, 0.01, 0.00096)} == {
        (round(each.cpu_ratio or 0, 9), each.cpu_max_ratio, round(each.wait_ratio or 0, 9), each.read_lag_max_s)
        for each in levels
    }
    assert not [finding for finding in troubled.summary.findings if finding.invalid]
