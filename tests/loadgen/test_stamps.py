"""Which stamp a read gets, where the kernel's may be earlier than its bytes could be had. The clock here is the test's."""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from harness.loadgen import connection, tcp_info
from harness.loadgen.connection import BURST_BYTES, CLOCK_NOISE_NS, READ_BYTES, READS, Connection
from harness.loadgen.drain import READ
from harness.loadgen.exchange import Bytes, Exchange
from harness.loadgen.network import Network
from harness.loadgen.opening import Origin
from harness.records import Deadlines

FLOOR, NOW = 5_000_000_000, 5_001_000_000
BEFORE = FLOOR - 80_000_000


class Reads:
    """A connection whose socket gives what the test says, and the exchange that it serves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "monotonic_ns", lambda: NOW)
        monkeypatch.setattr(tcp_info, "out_of_order", lambda sock: 0)
        clock = SimpleNamespace(stamp=lambda given: given, now_ns=0)
        self._drain = SimpleNamespace(clock=clock, read_lags_ns=[], later=lambda _: None)
        self._given: int | None = FLOOR + 1
        self._connection = Connection(self._drain, Origin("http", "h", 80), None)  # type: ignore[arg-type]
        self._connection._socket = sock = SimpleNamespace(recvmsg_into=self._receive)  # type: ignore[assignment]
        self._connection._network = Network(sock)  # type: ignore[arg-type]
        self.exchange = self._connection._exchange = Exchange(Bytes(), Deadlines(), 0)

    def stamp(self, given_ns: int | None, size: int = 100, floor_ns: int = FLOOR, drain_ns: int = NOW) -> int:
        """The stamp of a read of so many bytes, to which the kernel gave this time."""
        self._given, self._drain.clock.now_ns = given_ns, drain_ns
        self.receive(itertools.repeat(size), floor_ns)
        return self.exchange.read_ns

    def receive(self, sizes: Iterator[int], floor_ns: int = FLOOR) -> None:
        """The socket is ready, and gives so many bytes at a time."""
        self._sizes = sizes
        self._connection.on_ready(READ, floor_ns)

    @property
    def number(self) -> int:
        return len(self._drain.read_lags_ns)

    def _receive(self, buffers: tuple[memoryview], _: int) -> tuple[int, int | None, int, None]:
        size = next(self._sizes)
        buffers[0][:size] = b"x" * size
        return size, self._given, 0, None


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


@pytest.mark.parametrize(
    ("given_ns", "stamp_ns", "clamped"),
    [
        (FLOOR + 1, FLOOR + 1, 0),
        (FLOOR, FLOOR, 0),
        (FLOOR - CLOCK_NOISE_NS, FLOOR, 0),
        (FLOOR - CLOCK_NOISE_NS - 1, NOW, 1),
        (BEFORE, NOW, 1),
        (None, NOW, 0),
        (NOW, NOW, 0),
        (NOW + 5_000_000_000, NOW, 1),  # the wall clock was put back between the arrival and this tick
    ],
)
def test_a_stamp_from_before_the_socket_was_empty(reads: Reads, given_ns: int | None, stamp_ns: int, clamped: int) -> None:
    """Such bytes were not there when the socket was looked at: all that is known is that they were at the read."""
    assert stamp_ns == reads.stamp(given_ns)
    assert clamped == len(reads.exchange.clamps)


def test_a_large_answer_is_read_at_once(reads: Reads) -> None:
    """While reads are full there is more, and the server may wait for us to take it; but others have their turn as well."""
    reads.receive(iter([READ_BYTES, READ_BYTES, READ_BYTES, 10]))
    assert 4 == reads.number
    reads.receive(itertools.repeat(READ_BYTES))
    assert 4 + READS == reads.number


def test_what_a_full_read_left_behind_is_old(reads: Reads) -> None:
    """The next drain finds it with a stamp from before its floor, and that is no hole; later on it would be one."""
    reads.stamp(FLOOR - 9, READ_BYTES, floor_ns=FLOOR - 10, drain_ns=FLOOR)
    assert FLOOR - 5 == reads.stamp(FLOOR - 5, floor_ns=FLOOR, drain_ns=NOW)
    assert 0 == len(reads.exchange.clamps)
    assert NOW == reads.stamp(BEFORE, floor_ns=FLOOR + 1_000_000)
    assert 1 == len(reads.exchange.clamps)


@pytest.mark.parametrize(
    ("size", "holes", "stamp_ns"), [(BURST_BYTES, 5, FLOOR + 7), (BURST_BYTES + 1, 5, NOW), (BURST_BYTES + 1, None, NOW)]
)
def test_a_large_read_after_a_hole(
    reads: Reads, monkeypatch: pytest.MonkeyPatch, size: int, holes: int | None, stamp_ns: int
) -> None:
    """It may hold what filled the hole in this very tick, after its last segment had come: the kernel is asked for holes.

    Where it does not say (None) there may have been one.
    """
    monkeypatch.setattr(tcp_info, "out_of_order", lambda sock: holes)
    assert stamp_ns == reads.stamp(FLOOR + 7, size)


def test_without_a_hole_a_large_read_keeps_its_stamp(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only holes of this attempt count: earlier ones on the same connection are over."""
    monkeypatch.setattr(tcp_info, "out_of_order", lambda sock: 5)
    monkeypatch.setattr(tcp_info, "read", lambda sock: tcp_info.TcpInfo(1, 1, 0, 5))
    reads._connection._note_network()
    assert FLOOR + 7 == reads.stamp(FLOOR + 7, READ_BYTES)
