"""When the bytes that a read brought had come: by the kernel's stamp, so however late the simulator's loop reads them.

The rule: never before they were sent, and never after they were read. Where the kernel gives no stamp it is the time of the
read. Subtle: it is the stamp of the last segment, which may have waited behind a hole where a network lies between.
"""

import socket

from harness.kernel_clock import KERNEL_STAMPS, SO_TIMESTAMPNS, KernelClock

DOUBTFUL_NS = 1_000_000_000  # after a step of the wall clock, what was stamped before it may still be unread


class Arrivals:
    """One for all sockets of a process."""

    def __init__(self) -> None:
        self._clock = KernelClock()
        self._doubtful_until_ns = 0

    @staticmethod
    def ask(listener: socket.socket) -> None:
        """Stamps for every connection that this socket accepts from now on, and for what came before it was accepted."""
        if KERNEL_STAMPS:
            listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def of(self, ancillary: list[tuple[int, int, bytes]]) -> int:
        """Monotonic ns, from what `recvmsg` returned beside the data. To be called right after it."""
        clock = self._clock
        steps, read_ns = clock.steps, clock.tick()
        if clock.steps != steps:
            self._doubtful_until_ns = read_ns + DOUBTFUL_NS
        stamp_ns = clock.stamp(ancillary)
        if stamp_ns is None or read_ns < self._doubtful_until_ns:
            return read_ns
        return min(read_ns, stamp_ns + clock.uncertain_ns)

    def close(self) -> None:
        self._clock.close()
