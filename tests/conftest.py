"""Three tests run at a time (pytest-xdist, a file to a process), but for those marked `alone`, which hold times to a clock.

The rule: a test shares the machine unless it says `alone`; then it waits until nothing else runs, and nothing begins beside it.
"""

import fcntl
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

ROOM = Path(__file__)  # shared by tests that run side by side, or held by one alone
DOOR = ROOM.parent  # held by whoever waits for the room, so that others cannot keep it from one who wants it alone

# A shell lets what it starts in the background ignore interrupts, and so would every program that a test means to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Locks of the kernel, on files that exist anyway: they leave nothing behind, and a killed process lets go of them."""
    door, room = os.open(DOOR, os.O_RDONLY), os.open(ROOM, os.O_RDONLY)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        return (yield)
    finally:
        for lock in (room, door):
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing would not do where the test forked
            os.close(lock)
