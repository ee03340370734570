"""When a request is received: as it comes to the kernel, though the simulator's loop stands still meanwhile and reads it late.

Over loopback the kernel stamps a segment inside the client's call to send, so the bounds are the client's clock before and
after it, and how busy this machine is does not matter.
"""

import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from harness import kernel_clock
from harness.simulator import authority
from harness.simulator.arrivals import Arrivals
from harness.simulator.authority import Authority
from harness.simulator.candidate import Candidate, Lognormal
from harness.simulator.config import Config
from harness.simulator.connection import Connection
from harness.simulator.loop import Loop
from harness.simulator.poller import best
from harness.simulator.server import Server
from harness.simulator.service import Service
from harness.simulator.tls import Tls
from harness.simulator.truth import Delivery, TruthFile

MS = 1_000_000
NOISE_NS = 20_000  # between two clocks that are read one after the other
HELD_S = 0.05
BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
END = b"0\r\n\r\n"
CANDIDATE = Candidate(name="a", model="m", ttft=Lognormal(0.02), itl=Lognormal(0.001))

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")


class Held:
    """A simulator in a thread of this process, whose loop stands still on demand."""

    def __init__(self, folder: Path, tls: Tls | None = None) -> None:
        self._file = folder / "truth.jsonl"
        self._truth = TruthFile(self._file)
        self._loop = Loop(best(), self._truth.write_some)
        self._server = Server(Config(candidates=(CANDIDATE,), filler_tokens=3, tls=tls), self._loop, self._truth)
        self.port = int(self._server.listen()["a"].rsplit(":", 1)[1].removesuffix("/v1"))
        self._read, self._write = os.pipe()
        self._loop.watch(self._read, lambda *_: self._obey())
        self._stands, self._may_go = threading.Event(), threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._loop.run)
        self._thread.start()

    def hold(self) -> None:
        """Returns when the loop stands still."""
        self._stands.clear()
        self._may_go.clear()
        os.write(self._write, b"hold")
        assert self._stands.wait(10)

    def release(self) -> None:
        """The loop goes on, long after what was sent meanwhile came."""
        time.sleep(HELD_S)
        self._may_go.set()

    def stop(self) -> list[Delivery]:
        if self._is_over:
            return []
        self._is_over = True
        self._may_go.set()
        os.write(self._write, b"stop")
        self._thread.join(10)
        self._server.close()
        self._truth.close()
        for fd in (self._read, self._write):
            os.close(fd)
        return [msgspec.json.decode(line, type=Delivery) for line in self._file.read_bytes().splitlines()]

    def _obey(self) -> None:
        if os.read(self._read, 4) == b"stop":
            self._loop.stop()
        else:
            self._stands.set()
            self._may_go.wait(10)


Begin = Callable[..., Held]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """The kernel stamps by then: it begins to do so a moment after the first socket asks for it."""
    keeper = kernel_clock.KernelClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        own.setsockopt(socket.SOL_SOCKET, kernel_clock.SO_TIMESTAMPNS, 1)
        stamp = None
        while stamp is None:
            own.sendto(b"x", own.getsockname())
            stamp = keeper.stamp(own.recvmsg(1, kernel_clock.ANCILLARY_BYTES)[1])
    running: list[Held] = []

    def started(tls: Tls | None = None) -> Held:
        running.append(Held(tmp_path, tls))
        return running[-1]

    yield started
    for held in running:
        held.stop()
    keeper.close()


def dialled(held: Held) -> socket.socket:
    return socket.create_connection(("127.0.0.1", held.port), timeout=10)


def sent(sock: socket.socket, data: bytes) -> tuple[int, int]:
    """Just before and just after the kernel took it."""
    before_ns = time.monotonic_ns()
    sock.sendall(data)
    return before_ns, time.monotonic_ns()


def heard(sock: socket.socket, answers: int = 1) -> None:
    said = b""
    while said.count(END) < answers:
        said += sock.recv(65536)


def is_within(received_ns: int, window: tuple[int, int]) -> bool:
    return window[0] <= received_ns <= window[1] + NOISE_NS


@linux
def test_a_request_is_received_when_it_comes(begin: Begin) -> None:
    """On a connection that is known, while the loop stands still; and its first token is planned from then."""
    held = begin()
    with dialled(held) as sock:
        sock.sendall(POST)
        heard(sock)
        held.hold()
        window = sent(sock, POST)
        held.release()
        heard(sock)
    _, line = held.stop()
    assert is_within(line.received_ns, window)
    assert 20 * MS == line.sent_ns[0] - line.late_ns[0] - line.received_ns


@linux
def test_a_request_may_come_before_its_connection_is_accepted(begin: Begin) -> None:
    """The listening socket asks for stamps, and whatever it accepts has them from its first byte on."""
    held = begin()
    held.hold()
    with dialled(held) as sock:
        window = sent(sock, POST)
        held.release()
        heard(sock)
    [line] = held.stop()
    assert is_within(line.received_ns, window)


@linux
def test_of_a_crowd_everyone_is_received_when_it_comes(begin: Begin) -> None:
    """A hundred requests while the loop stands still: each has its own time, and nobody that of the queue."""
    held = begin()
    held.hold()
    socks = [dialled(held) for _ in range(100)]
    windows = [sent(sock, POST) for sock in socks]
    held.release()
    for sock in socks:
        heard(sock)
        sock.close()
    received_ns = sorted(line.received_ns for line in held.stop())
    assert [True] * 100 == [is_within(*each) for each in zip(received_ns, windows, strict=True)]


@linux
@pytest.mark.parametrize("is_read", [True, False], ids=["read before", "read together"])
def test_a_request_in_parts_is_received_with_its_last_byte(begin: Begin, is_read: bool) -> None:
    """Whether its first part was read long before, or both are read together."""
    held = begin()
    with dialled(held) as sock:
        if is_read:
            sock.sendall(POST[:-1])
            time.sleep(HELD_S)
        held.hold()
        if not is_read:
            sock.sendall(POST[:-1])
            time.sleep(HELD_S)
        window = sent(sock, POST[-1:])
        held.release()
        heard(sock)
    [line] = held.stop()
    assert is_within(line.received_ns, window)


@linux
def test_a_pipelined_request_is_received_when_its_turn_comes(begin: Begin) -> None:
    """Two in one read: the first as it came, the second as the answer to the first has ended."""
    held = begin()
    with dialled(held) as sock:
        held.hold()
        window = sent(sock, POST * 2)
        held.release()
        heard(sock, answers=2)
    first, second = held.stop()
    assert is_within(first.received_ns, window)
    assert first.done_ns == second.received_ns


class Encrypted:
    """TLS in memory, so that what goes to the kernel together is the test's to say."""

    def __init__(self, made: Authority, sock: socket.socket) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        trusting = ssl.create_default_context(cafile=str(made.ca_file))
        self._object, self._sock = trusting.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost"), sock

    def shake_hands(self) -> None:
        """But for our last word, which goes with the first request."""
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                self._sock.sendall(self._outgoing.read())
                self._incoming.write(self._sock.recv(65536))
            else:
                return

    def sent(self, data: bytes) -> tuple[int, int]:
        self._object.write(data)
        return sent(self._sock, self._outgoing.read())

    def heard(self) -> None:
        said = b""
        while END not in said:
            try:
                said += self._object.read(65536)
            except ssl.SSLWantReadError:
                self._incoming.write(self._sock.recv(65536))


@linux
def test_through_tls_a_request_is_received_as_its_ciphertext_comes(begin: Begin, tmp_path: Path) -> None:
    """The first one, read together with the end of the handshake, which has to be answered; and the next one."""
    made = authority.make(tmp_path)
    held = begin(made.tls)
    windows = []
    with dialled(held) as sock:
        client = Encrypted(made, sock)
        client.shake_hands()
        for _ in range(2):
            held.hold()
            windows.append(client.sent(POST))
            held.release()
            client.heard()
    assert [True] * 2 == [is_within(line.received_ns, window) for line, window in zip(held.stop(), windows, strict=True)]


def test_without_a_stamp_it_is_the_time_of_the_read(tmp_path: Path) -> None:
    """Of a socket that the kernel does not stamp, in the way of other platforms: after the loop went on, before the answer."""
    truth = TruthFile(tmp_path / "truth.jsonl")
    loop = Loop(best(), truth.write_some)
    service = Service(CANDIDATE, Config(candidates=(CANDIDATE,), filler_tokens=3), {}, truth)
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(Arrivals()) as arrivals:
        ours.setblocking(False)
        Connection(ours, loop, service.reply, lambda _: loop.stop(), arrivals)
        theirs.sendall(POST.replace(b"Host", b"Connection: close\r\nHost"))
        released_ns = time.monotonic_ns()
        loop.run()
    truth.close()
    line = msgspec.json.decode((tmp_path / "truth.jsonl").read_bytes(), type=Delivery)
    assert released_ns < line.received_ns < line.sent_ns[0]


def stamped(wall_ns: int) -> list[tuple[int, int, bytes]]:
    """As `recvmsg` returns it."""
    return [(socket.SOL_SOCKET, kernel_clock.SCM_TIMESTAMPNS, struct.pack("@qq", *divmod(wall_ns, 1_000_000_000)))]


class Clocks:
    """Monotonic and wall clock in the place of the module `time`: each look takes 1 us."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns, self.ahead_ns = 1_000 * MS, 5_000 * MS
        there = SimpleNamespace(monotonic_ns=self._monotonic_ns, time_ns=lambda: self._monotonic_ns() + self.ahead_ns)
        monkeypatch.setattr(kernel_clock, "time", there)

    def _monotonic_ns(self) -> int:
        self.now_ns += 1_000
        return self.now_ns


def test_an_arrival_is_never_told_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks at two clocks it could be anywhere, so it is the later end: no request comes before it was sent."""
    clocks = Clocks(monkeypatch)
    arrivals = Arrivals()
    came_ns, clocks.now_ns = clocks.now_ns, clocks.now_ns + 50 * MS
    assert came_ns <= arrivals.of(stamped(came_ns + clocks.ahead_ns)) <= came_ns + 2_000
    assert clocks.now_ns + 3_000 == arrivals.of(stamped(clocks.now_ns + 10 * MS + clocks.ahead_ns))  # nor after it was read
    arrivals.close()


def test_after_a_step_of_the_wall_clock_stamps_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stamped before the step would be off by as much; a second later everything has been stamped after it."""
    clocks = Clocks(monkeypatch)
    arrivals = Arrivals()
    came_ns, before = clocks.now_ns, stamped(clocks.now_ns + clocks.ahead_ns)
    clocks.now_ns += 50 * MS
    clocks.ahead_ns -= 3 * MS
    assert [clocks.now_ns + 3_000, clocks.now_ns + 6_000] == [arrivals.of(before), arrivals.of(before)]
    clocks.now_ns += 1_100 * MS
    came_ns, after = clocks.now_ns, stamped(clocks.now_ns + clocks.ahead_ns)
    clocks.now_ns += 50 * MS
    assert came_ns <= arrivals.of(after) <= came_ns + 2_000
    arrivals.close()
