"""Sealed frames: the one that was meant is opened once, and anything else is refused, counted and not read."""

import pytest

from harness.errors import HarnessError
from harness.loadgen.seal import MAKE_ONE, SHORTEST, Refusal, Seal, Way, check, finding, is_knock, new_session

TOKEN, WORKER, MESSAGE = "t" * 64, b"host_1", b"\x93\xa5hello\xc0\xa6host_1"


@pytest.fixture
def frame() -> bytes:
    return Seal(TOKEN).close(Way.TO_MASTER, WORKER, MESSAGE)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("message", [b"", b"x", MESSAGE, b"\xc1" * 100_000])
def test_a_sealed_message_comes_through(way: Way, message: bytes) -> None:
    """What is opened is what was closed, in either direction, whatever is in it."""
    here, there = Seal(TOKEN), Seal(TOKEN)
    assert [message, message] == [there.open(way, WORKER, here.close(way, WORKER, message)) for _ in range(2)]
    assert {} == there.refused


def test_any_flipped_bit_is_a_bad_seal(frame: bytes) -> None:
    """Seal, number and message are covered to the last bit; the frame itself is still good afterwards."""
    seal = Seal(TOKEN)
    for bit in range(8 * len(frame)):
        altered = bytearray(frame)
        altered[bit // 8] ^= 1 << bit % 8
        assert seal.open(Way.TO_MASTER, WORKER, bytes(altered)) is None
    assert {Refusal.BAD_SEAL: 8 * len(frame)} == seal.refused
    assert MESSAGE == seal.open(Way.TO_MASTER, WORKER, frame)


def test_any_cut_is_a_bad_seal(frame: bytes) -> None:
    """Every beginning of a frame, also the empty one, and a frame with more behind it."""
    seal = Seal(TOKEN)
    cuts = [frame[:size] for size in range(len(frame))] + [frame + b"\0"]
    assert [None] * len(cuts) == [seal.open(Way.TO_MASTER, WORKER, cut) for cut in cuts]
    assert {Refusal.BAD_SEAL: len(cuts)} == seal.refused


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x92\x01\x02", b"\0" * 32, b"\0" * 40, b"\xff" * 4096])
def test_garbage_is_a_bad_seal(garbage: bytes) -> None:
    """What was never sealed: nothing, what no msgpack is, a message of two parts, zeros of the length of a frame."""
    seal = Seal(TOKEN)
    assert seal.open(Way.TO_MASTER, WORKER, garbage) is None
    assert {Refusal.BAD_SEAL: 1} == seal.refused


@pytest.mark.parametrize(
    ("token", "way", "worker"),
    [
        ("u" * 64, Way.TO_MASTER, WORKER),
        (TOKEN, Way.TO_WORKER, WORKER),
        (TOKEN, Way.TO_MASTER, b"host_2"),
        (TOKEN, Way.TO_MASTER, b""),
    ],
    ids=["another token", "the other direction", "another worker", "nobody"],
)
def test_a_frame_is_for_one_run_direction_and_worker(frame: bytes, token: str, way: Way, worker: bytes) -> None:
    """Held against anything but what it was sealed for, it is a bad seal."""
    seal = Seal(token)
    assert seal.open(way, worker, frame) is None
    assert {Refusal.BAD_SEAL: 1} == seal.refused


def test_an_identity_does_not_run_into_the_number() -> None:
    """A shorter identity whose rest is moved into the frame has the same bytes after one another, and another seal."""
    frame = Seal(TOKEN).close(Way.TO_MASTER, b"host_1", MESSAGE)
    assert Seal(TOKEN).open(Way.TO_MASTER, b"host_", frame[:32] + b"1" + frame[32:]) is None
    assert Seal(TOKEN).open(Way.TO_MASTER, b"host_1" + frame[32:33], frame[:32] + frame[33:]) is None


def test_nothing_is_said_twice() -> None:
    """A frame that has been heard, and one that is older than the last that was heard, are replayed; a gap is none."""
    here, there = Seal(TOKEN), Seal(TOKEN)
    frames = [here.close(Way.TO_MASTER, WORKER, b"%d" % n) for n in range(5)]
    order = [0, 0, 2, 1, 2, 4, 0, 3]
    opened = [there.open(Way.TO_MASTER, WORKER, frames[n]) for n in order]
    assert [b"0", None, b"2", None, None, b"4", None, None] == opened
    assert {Refusal.REPLAYED: 5} == there.refused


def test_workers_have_numbers_of_their_own() -> None:
    """One that has said much does not make another's first words old; nor does a forged frame with a high number."""
    master, one, two = Seal(TOKEN), Seal(TOKEN), Seal(TOKEN)
    for _ in range(9):
        assert b"x" == master.open(Way.TO_MASTER, b"one", one.close(Way.TO_MASTER, b"one", b"x"))
    assert master.open(Way.TO_MASTER, b"two", b"\0" * 32 + b"\xff" * 8) is None
    assert b"y" == master.open(Way.TO_MASTER, b"two", two.close(Way.TO_MASTER, b"two", b"y"))


def test_a_token_that_is_used_again_brings_nothing_back() -> None:
    """What a worker said in one session is a bad seal in the next, though it has not been heard there; a knock is for all."""
    ends = [Seal(TOKEN) for _ in range(3)]
    worker, first, second = ends
    worker.session = first.session = new_session()
    second.session = new_session()
    frame, knock = worker.close(Way.TO_MASTER, WORKER, MESSAGE), worker.close(Way.KNOCK, WORKER, b"")
    assert [MESSAGE, None] == [end.open(Way.TO_MASTER, WORKER, frame) for end in (first, second)]
    assert [b"", b""] == [end.open(Way.KNOCK, WORKER, knock) for end in (first, second)]
    assert (True, False) == (is_knock(knock), is_knock(frame))
    assert first.open(Way.TO_MASTER, WORKER, knock) is None


def test_the_finding_counts_by_reason() -> None:
    """It says how many and why, and makes no run invalid; where nothing was refused there is none."""
    assert [] == finding({}, "the master")
    [found] = finding({Refusal.REPLAYED: 1, Refusal.BAD_SEAL: 3}, "the master")
    assert ("stranger_refused", False) == (found.code, found.invalid)
    assert "the master refused 4 messages: 3 bad seal, 1 replayed" == found.what


def test_a_short_token_is_refused_without_being_quoted() -> None:
    """The error says how to make one that is long enough."""
    assert "k" * SHORTEST == check("k" * SHORTEST)
    with pytest.raises(HarnessError) as caught:
        check("CANARY")
    assert "CANARY" not in str(caught.value)
    assert MAKE_ONE in str(caught.value)
