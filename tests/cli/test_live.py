"""The line of a run that goes on."""

from harness.cli import live

STATUS = {
    "block": {"endpoint": "one", "concurrency": 8},
    "beside": [],
    "ended": 12,
    "in_flight": 8,
    "number": 1,
    "of": 2,
    "phase": "measure",
    "seconds_left": 0.0,
}


def test_a_block_has_its_seconds_and_an_evaluation_has_none() -> None:
    """While it drains it has the drain limit, as any."""
    line = live._line(STATUS | {"seconds_left": 7.4}, 0)
    assert "step 1/2  measure  one at 8 users  7 s left  12 done, 8 in flight" == line.plain
    line = live._line(STATUS, 0, has_end=False)
    assert "step 1/2  measure  one at 8 users  until all is asked  12 done, 8 in flight" == line.plain
    assert "4 s left" in live._line(STATUS | {"seconds_left": 4.0}, 0, has_end=False).plain
