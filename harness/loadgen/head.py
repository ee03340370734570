"""The first line of a worker's journal."""

import os
import socket
import time

from harness.records import SCHEMA_VERSION, JournalHead


def head(run: str, worker: int, session: int) -> JournalHead:
    """Of this process, now: both clocks are read one after the other."""
    return JournalHead(
        v=SCHEMA_VERSION,
        run=run,
        worker=worker,
        session=session,
        pid=os.getpid(),
        host=socket.gethostname(),
        monotonic_ns=time.monotonic_ns(),
        wall_ns=time.time_ns(),
    )
