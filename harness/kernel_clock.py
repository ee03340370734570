"""The kernel's receive stamps on our monotonic clock.

SO_TIMESTAMPNS stamps are CLOCK_REALTIME; whoever reads sockets reads both clocks each time and converts with that offset, so a
step of the wall clock is seen (and counted) instead of bending a latency.
"""

import _socket
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = SCM_TIMESTAMPNS = 35  # Linux, asm-generic/socket.h; Python's socket module does not name them
KERNEL_STAMPS = sys.platform == "linux"
ANCILLARY_BYTES = 64
STEP_NS = 100_000
_PAIR_NS = 20_000  # two monotonic reads further apart than this had something between them: not a pair to trust
_unpack = struct.Struct("@qq").unpack
_TIMESPEC_BYTES = 16


def _stamping_socket() -> _socket.socket | None:
    """The kernel begins to stamp a moment after the first socket asks for it: kept open, this one has asked before the load."""
    if not KERNEL_STAMPS:
        return None
    sock = _socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return sock


class KernelClock:
    """Call `tick` when reading sockets; `stamp` converts what recvmsg returned beside the data.

    A stamp may be too early by `uncertain_ns`, which is how far apart the two clocks were read, and is never too late.
    """

    def __init__(self) -> None:
        self.now_ns = time.monotonic_ns()
        self.steps = 0
        self.largest_step_ns = 0
        self.uncertain_ns = _PAIR_NS
        self._offset_ns = self.now_ns - time.time_ns()
        self._keeper = _stamping_socket()

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()

    def tick(self) -> int:
        """Read both clocks; returns the monotonic time in ns."""
        before = time.monotonic_ns()
        wall = time.time_ns()
        self.now_ns = after = time.monotonic_ns()
        if after - before < _PAIR_NS:
            offset = before - wall
            step = abs(offset - self._offset_ns)
            if step > STEP_NS:
                self.steps += 1
                self.largest_step_ns = max(self.largest_step_ns, step)
            self._offset_ns, self.uncertain_ns = offset, after - before
        return after

    def stamp(self, ancillary: list[tuple[int, int, bytes]]) -> int | None:
        """The kernel's arrival time in monotonic ns, None where the kernel gave none."""
        for _, kind, data in ancillary:
            if kind == SCM_TIMESTAMPNS and len(data) == _TIMESPEC_BYTES:
                seconds, nanoseconds = _unpack(data)
                stamp_ns: int = seconds * 1_000_000_000 + nanoseconds + self._offset_ns
                return stamp_ns
        return None
