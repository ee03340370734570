"""A link between two network namespaces that delays and loses packets, and knows when each byte could be read.

Two TUN devices, each in the namespace of a process of its own, joined by a forwarder in this process. No netem is needed.
All is gone when the processes and this one's file descriptors are: the devices are not persistent, the namespaces nameless.
"""

import bisect
import fcntl
import heapq
import json
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CLIENT, SERVER = "10.66.0.1", "10.66.0.2"
ENDS = Path(__file__).with_name("lossy_ends.py")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_TCP, _SYN = 6, 0x02


def lacking() -> str | None:
    """Why this machine cannot have such a link; None where it can."""
    missing = [program for program in ("ip", "unshare") if shutil.which(program) is None]
    if sys.platform != "linux":
        return "TUN devices and network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making a network device needs root"
    if missing:
        return f"there is no program {missing[0]!r} (Debian: iproute2, util-linux)"
    try:
        os.close(_device(f"signoff{os.getpid()}"))
        subprocess.run(["unshare", "--net", "true"], capture_output=True, check=True)
    except OSError as refused:
        return f"no TUN device can be made: {refused.strerror}"
    except subprocess.CalledProcessError as refused:
        return f"no network namespace can be made: {refused.stderr.decode().strip()}"
    return None


def _device(name: str) -> int:
    """A file descriptor that is the far side of a new network device, which is gone when it is closed."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


class End:
    """A process in a namespace of its own, with one end of the link; it is told and tells in JSON lines."""

    def __init__(self, role: str, device: str) -> None:
        command = ["unshare", "--net", sys.executable, str(ENDS), role, device]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid  # unshare becomes the program

    def tell(self, **said: Any) -> None:
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        line = self._process.stdout.readline()
        assert line, f"an end of the link has died with {self._process.wait(5)}"
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@dataclass
class Flow:
    """What reached the client of one connection: (when, first byte, byte after the last), bytes counted from the first.

    lost        segments with bytes for the client that the link dropped; lost_going: those of the client
    """

    first_sequence: int | None = None
    arrivals: list[tuple[int, int, int]] = field(default_factory=list)
    lost: int = 0
    lost_going: int = 0

    def readable(self) -> tuple[list[int], list[int]]:
        """(offsets, times): from that time on the bytes before that offset could be read in order. Both ascend."""
        offsets, times, waiting, upto = [], [], [], 0
        for when, begin, end in self.arrivals:
            heapq.heappush(waiting, (begin, end))
            before = upto
            while waiting and waiting[0][0] <= upto:
                upto = max(upto, heapq.heappop(waiting)[1])
            if upto > before:
                offsets.append(upto)
                times.append(when)
        return offsets, times

    def held_back(self) -> int:
        """Arrivals behind a hole: the kernel could not hand them on when they came."""
        offsets, times = self.readable()
        held = 0
        for when, begin, _ in self.arrivals:
            at = bisect.bisect_left(times, when)
            held += begin > (offsets[at - 1] if at else 0)
        return held


class Link:
    """Forwards until it is closed. `flows` by the ports of both ends: the client may use one of its own for two servers."""

    def __init__(self, client: int, server: int, delay_s: float, loss_ratio: float, seed: int) -> None:
        self.flows: dict[tuple[int, int], Flow] = defaultdict(Flow)
        self._client, self._server = client, server
        self._delay_ns, self._loss_ratio, self._draw = int(delay_s * 1e9), loss_ratio, random.Random(seed)
        self._queue: list[tuple[int, int, int, bytes]] = []
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._stopped, b"x")
        self._thread.join(5)
        os.close(self._stop)
        os.close(self._stopped)

    def _forward(self) -> None:
        number = 0
        while True:
            wait_s = max(0.0, (self._queue[0][0] - time.monotonic_ns()) / 1e9) if self._queue else None
            readable, _, _ = select.select([self._client, self._server, self._stop], [], [], wait_s)
            if self._stop in readable:
                return
            for source in readable:
                packet = os.read(source, 65536)
                if self._draw.random() < self._loss_ratio:
                    self._note_loss(packet)
                else:
                    sink = self._server if source == self._client else self._client
                    number += 1
                    heapq.heappush(self._queue, (time.monotonic_ns() + self._delay_ns, number, sink, packet))
            while self._queue and self._queue[0][0] <= time.monotonic_ns():
                _, _, sink, packet = heapq.heappop(self._queue)
                if sink == self._client:
                    self._note_arrival(packet)
                with suppress(OSError):  # a device that is not up yet loses what it gets, as any link does
                    os.write(sink, packet)

    def _note_arrival(self, packet: bytes) -> None:
        """Before it is handed over: nobody can have read it earlier than this."""
        parsed = _segment(packet)
        if parsed is None:
            return
        server, client, sequence, flags, length = parsed
        flow = self.flows[client, server]
        if flags & _SYN:
            flow.first_sequence = (sequence + 1) % 2**32
        elif length and flow.first_sequence is not None:
            begin = (sequence - flow.first_sequence) % 2**32
            flow.arrivals.append((time.monotonic_ns(), begin, begin + length))

    def _note_loss(self, packet: bytes) -> None:
        parsed = _segment(packet)
        if parsed is None:
            return
        source, destination, _, _, length = parsed
        if packet[12:16] == _packed(SERVER):
            self.flows[destination, source].lost += length > 0
        else:
            self.flows[source, destination].lost_going += length > 0


def _packed(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def _segment(packet: bytes) -> tuple[int, int, int, int, int] | None:
    """(source port, destination port, sequence, flags, bytes of payload) of a TCP segment over IPv4; None for anything else."""
    if packet[0] >> 4 != 4 or packet[9] != _TCP:
        return None
    head = (packet[0] & 15) * 4
    (total,) = struct.unpack_from("!H", packet, 2)
    source, destination, sequence, _, offset, flags = struct.unpack_from("!HHIIBB", packet, head)
    return source, destination, sequence, flags, total - head - (offset >> 4) * 4


@contextmanager
def link(delay_s: float, loss_ratio: float, seed: int) -> Iterator[tuple[Link, End, End]]:
    """(link, client's end, server's end); both ends are up."""
    with ExitStack() as undo:
        devices = {}
        for role in ("client", "server"):
            name = f"signoff{role[0]}{os.getpid()}"[-15:]
            devices[role] = _device(name)
            undo.callback(os.close, devices[role])
            end = End(role, name)
            undo.callback(end.close)
            assert "there" == end.hear()
            subprocess.run(["ip", "link", "set", name, "netns", str(end.pid)], check=True)
            end.tell(address=CLIENT if role == "client" else SERVER)
            assert "up" == end.hear()
            devices[f"{role} end"] = end
        made = Link(devices["client"], devices["server"], delay_s, loss_ratio, seed)
        undo.callback(made.close)
        yield made, devices["client end"], devices["server end"]
