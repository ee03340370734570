"""`python -m harness.simulator CONFIG.json`: plays until SIGTERM or SIGINT.

When all ports listen it prints one JSON line, `{"ready": {candidate: base URL}, "timer": ...}`; an error is one line on stderr.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import ExitCode, HarnessError
from harness.simulator import config, poller
from harness.simulator.config import Config
from harness.simulator.loop import Loop
from harness.simulator.server import Server
from harness.simulator.truth import TruthFile

UNLIMITED_FILES = 10_240  # macOS calls its limit infinite and then refuses more than this


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m harness.simulator CONFIG.json\n")
        return ExitCode.USAGE
    try:
        play(config.load(Path(arguments[0])))
    except HarnessError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return error.exit_code
    return ExitCode.OK


def play(config: Config) -> None:
    """Until a signal comes. The truth is whole afterwards."""
    truth = TruthFile(Path(config.truth) if config.truth is not None else None, goes_on=config.truth_goes_on)
    waiting = poller.best()
    loop = Loop(waiting, truth.write_some)
    server = Server(config, loop, truth)
    try:
        urls = server.listen()
        _prepare(loop)
        if config.until_stdin_closes:
            loop.watch(sys.stdin.fileno(), lambda *_: None if os.read(sys.stdin.fileno(), 1024) else loop.stop())
        sys.stdout.write(msgspec.json.encode({"ready": urls, "timer": waiting.name}).decode() + "\n")
        sys.stdout.flush()
        loop.run()
    finally:
        server.close()
        truth.close()


def _prepare(loop: Loop) -> None:
    """Signals stop the loop, every file descriptor may be used, and the garbage collector never stops the clock.

    Nothing in this package leaves reference cycles behind (a test counts them), so memory stays bounded without it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = UNLIMITED_FILES if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    loop.watch(woken, lambda *_: loop.stop())
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    gc.collect()
    gc.freeze()
    gc.disable()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
