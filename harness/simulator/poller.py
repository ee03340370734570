"""Waiting until a socket is ready or a moment has come: exactly with epoll and a timerfd, else as well as the platform can.

epoll's own timeout counts whole milliseconds, too coarse to pace tokens; a timerfd in the same epoll set wakes within
microseconds. Where there is none, `selectors` waits: kqueue is nearly as exact, poll is not, and the truth shows it.
"""

import ctypes
import os
import select
import selectors
import time
from typing import NamedTuple, Protocol

NS = 1_000_000_000
EVENTS = 256  # taken from the kernel at a time
AWAKE_NS = 12_000  # what is due so soon is waited for awake: falling asleep and waking up takes as long


class Ready(NamedTuple):
    fd: int
    readable: bool
    writable: bool


class Poller(Protocol):
    name: str

    def watch(self, fd: int) -> None:
        """Reports the socket when it can be read, or has failed."""

    def unwatch(self, fd: int) -> None: ...

    def watch_writing(self, fd: int, on: bool) -> None:
        """Whether a watched socket is also reported when it can be written."""

    def wait(self, due_ns: int | None) -> list[Ready]:
        """Returns when a socket is ready, at the latest at `due_ns` (monotonic); None waits for ever."""


def best() -> Poller:
    """The most exact one that this platform has."""
    return TimerfdPoller() if hasattr(select, "epoll") and hasattr(_libc, "timerfd_create") else SelectorPoller()


class TimerfdPoller:
    name = "timerfd"

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._timer = _Timer()
        # Edge-triggered: an expiry wakes once and need not be read away.
        self._epoll.register(self._timer.fd, select.EPOLLIN | select.EPOLLET)

    def watch(self, fd: int) -> None:
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def watch_writing(self, fd: int, on: bool) -> None:
        self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if on else 0))

    def wait(self, due_ns: int | None) -> list[Ready]:
        timeout = -1
        if due_ns is not None:
            left_ns = due_ns - time.monotonic_ns()
            if left_ns > AWAKE_NS:
                self._timer.set(due_ns)
            else:
                timeout = 0
                while left_ns > 0:
                    left_ns = due_ns - time.monotonic_ns()
        found = self._epoll.poll(timeout, EVENTS)
        timer = self._timer.fd
        return [Ready(fd, bool(mask & ~select.EPOLLOUT), bool(mask & select.EPOLLOUT)) for fd, mask in found if fd != timer]


class SelectorPoller:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.name = type(self._selector).__name__

    def watch(self, fd: int) -> None:
        self._selector.register(fd, selectors.EVENT_READ)

    def unwatch(self, fd: int) -> None:
        self._selector.unregister(fd)

    def watch_writing(self, fd: int, on: bool) -> None:
        self._selector.modify(fd, selectors.EVENT_READ | (selectors.EVENT_WRITE if on else 0))

    def wait(self, due_ns: int | None) -> list[Ready]:
        timeout = None if due_ns is None else max(0, due_ns - time.monotonic_ns()) / NS
        return [
            Ready(key.fd, bool(mask & selectors.EVENT_READ), bool(mask & selectors.EVENT_WRITE))
            for key, mask in self._selector.select(timeout)
        ]


_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class _Timer:
    """A timerfd on CLOCK_MONOTONIC, by ctypes: `os.timerfd_create` exists only from Python 3.13."""

    _ABSOLUTE = 1  # TFD_TIMER_ABSTIME

    def __init__(self) -> None:
        self.fd: int = _checked(_libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        self._spec = _Itimerspec()
        self._address = ctypes.byref(self._spec)
        self._due_ns = 0

    def set(self, due_ns: int) -> None:
        """Expires once at `due_ns`, instead of when it was set to before."""
        if due_ns != self._due_ns:
            self._due_ns = due_ns
            self._spec.it_value.tv_sec, self._spec.it_value.tv_nsec = divmod(due_ns, NS)
            _checked(_libc.timerfd_settime(self.fd, self._ABSOLUTE, self._address, None))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "timerfd")
    return result
