"""A server as a child process: in a session of its own, awaited until it is healthy, and stopped whatever happens."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

START_S, STOP_S = 120.0, 20.0


@contextmanager
def serving(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, health: str) -> Iterator[None]:
    """Runs `command` in `folder`, its output in server.log there, until the body is done; `health` is the URL to wait for."""
    log = folder / "server.log"
    with log.open("wb") as output, running(command, environment=environment, folder=folder, stdout=output) as child:
        _await(child, health, log)
        yield


@contextmanager
def running(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    stdout: int | IO[bytes],
    stderr: int | None = subprocess.STDOUT,
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that gets SIGINT when the body is done; what is left of its session after a while gets SIGKILL."""
    child = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        for number in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_S)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(child: subprocess.Popen[bytes], health: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise SystemExit(f"the server ended with {child.returncode} before it was healthy; its words are in {log}")
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(health, timeout=2).close()
            return
        time.sleep(0.2)
    raise SystemExit(f"the server was not healthy after {START_S:.0f} s; its words are in {log}")
