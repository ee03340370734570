"""Pass, fail or unclear: each by the one thing that is wrong."""

import msgspec
import pytest

from harness.measure.blocks import Queue, Share
from harness.measure.holds import oversaturated, verdict
from harness.measure.level import LevelResult, Trend

N = (100,) * 100
GOOD = LevelResult(
    load=10,
    requests=10_000,
    length_s=1_000,
    offered_per_s=10,
    achieved_per_s=10,
    shares=(Share("ttft.p95 <= 1 s", 0.05, N, (1,) * 100), Share("itl.p99 <= 50 ms", 0.01, N, (0,) * 100)),
    errors=Share("errors", 0.01, N, (0,) * 100),
    lost=Share("ended", 0.02, N, (0,) * 100),
    queue=Queue(N, (0.0,) * 100, (0.0,) * 100),
    trend=Trend(0.0, -0.001, 0.001),
)

LONG = Queue(N, (10_000.0,) * 100, (1_250_000.0,) * 100)  # 50 or 150 in flight, anew each time: the ends may hide 1.8 %


def but(**fields: object) -> LevelResult:
    return msgspec.structs.replace(GOOD, **fields)


def missed(each: int, allowed: float = 0.05) -> Share:
    return Share("ttft.p95 <= 1 s", allowed, N, (each,) * 100)


def test_a_load_passes_where_all_is_shown() -> None:
    """Every share under what is allowed, all carried, no trend."""
    assert "pass" == verdict(GOOD).kind


@pytest.mark.parametrize(
    ("level", "kind", "word"),
    [
        (but(shares=(GOOD.shares[1], missed(9))), "fail", "ttft"),
        (but(shares=(GOOD.shares[1], missed(5))), "unclear", "ttft"),
        (but(errors=Share("errors", 0.01, N, (3,) * 100)), "fail", "errors"),
        (but(errors=Share("errors", 0.01, N, (1,) * 100)), "unclear", "errors"),
        (but(achieved_per_s=9.79), "fail", "98 %"),
        (but(achieved_per_s=9.79, queue=LONG), "unclear", "98 %"),
        (but(lost=Share("ended", 0.02, N, (3,) * 100)), "fail", "ended"),
        (but(lost=Share("ended", 0.02, N, (2,) * 100)), "unclear", "ended"),
        (but(offered_per_s=0), "unclear", "nothing arrived"),
        (but(trend=Trend(0.03, 0.01, 0.05)), "unclear", "grows"),
        (but(trend=Trend(0.3, 0.2, 0.4)), "fail", "without bound"),
        (but(queue=Queue((100,) * 32, (0.0,) * 16 + (100.0,) * 16, (0.0,) * 16 + (100.0,) * 16)), "unclear", "queue was seen"),
        (but(shares=(missed(9), GOOD.shares[1]), achieved_per_s=9.79, queue=LONG), "fail", "ttft"),
    ],
)
def test_one_thing_that_is_wrong_decides(level: LevelResult, kind: str, word: str) -> None:
    """And is named; a failure goes before a doubt."""
    found = verdict(level)
    assert kind == found.kind
    assert word in found.reason


def test_an_unclear_share_says_how_many_more_would_tell() -> None:
    """4 % of 10,000 against 5 %: z^2 a (1 - a) / (a - p)^2 at 99.99 % is 6,570 in all, at 99.9999 % 10,733, so 733 more."""
    level = but(shares=(missed(4),))
    assert 733 == verdict(level, 0.999999).more
    assert "pass" == verdict(level, 0.9999).kind


def test_a_collapse_needs_both_signs() -> None:
    """Few answers and a growing queue; few answers alone may be a short window."""
    assert None is oversaturated(but(achieved_per_s=8))
    assert "80.0 %" in (oversaturated(but(achieved_per_s=8, trend=Trend(0.05, 0.01, 0.09))) or "")
