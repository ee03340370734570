"""What the simulator remembers of requests, and that it forgets."""

import msgspec

from harness.records import Message
from harness.simulator.answer import NOTHING, Ask
from harness.simulator.http1 import Request
from harness.simulator.met import LONGEST, Met

ASK = Ask(model="m", messages=(Message("user", "Hi"),))


def asking(body: bytes, path: str = "/a") -> Request:
    return Request("POST", path, {}, body, received_ns=1, keep_alive=True)


def test_only_the_same_path_and_body_are_met_again() -> None:
    """What was kept is found by its bytes alone; another path or body is not."""
    met = Met()
    met.keep(asking(b"x"), ASK, NOTHING)
    assert (ASK, NOTHING) == met.get(asking(bytes([120])))
    assert (None, None) == (met.get(asking(b"y")), met.get(asking(b"x", "/b")))


def test_memory_is_bounded_and_the_oldest_is_forgotten_first() -> None:
    """Of a thousand requests the latest stay; what is too long, and what alone is too much, is not kept."""
    met = Met(most_bytes=20_000)
    bodies = [b"%d" % number for number in range(1000)]
    for body in bodies:
        met.keep(asking(body), ASK, NOTHING)
    found = [body for body in bodies if met.get(asking(body))]
    assert found == bodies[-len(found) :]
    assert 10 < len(found) < 20
    for body in (b"z" * (LONGEST + 1), b"z" * 10_000):
        met.keep(asking(body), ASK, NOTHING)
        assert met.get(asking(body)) is None
    met.keep(asking(b"after"), ASK, NOTHING)
    assert (ASK, NOTHING) == met.get(asking(b"after"))


def test_large_tokens_count_each() -> None:
    """An answer of ten tokens of 1 KB does not fit where one of them would."""
    met = Met(most_bytes=10_000)
    for count, found in ((1, True), (10, False)):
        met.keep(asking(b"%d" % count), ASK, msgspec.structs.replace(NOTHING, content=["y" * 1024] * count))
        assert found == (met.get(asking(b"%d" % count)) is not None)
