"""Plain Locust as a client: `fast_http_user.py` in one process, as many users as there are streams."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks import rig
from tests.benchmarks.rig import Served, Watched

LOCUSTFILE = Path(__file__).with_name("fast_http_user.py")


def run(served: Served, users: int, seconds: float, kind: str, environment: Mapping[str, str] | None = None) -> Watched:
    """`kind` is the class of the users. The end is Locust's own, after so many seconds."""
    words = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), kind, "--headless", "--only-summary"]
    words += ["--host", served.url, "-u", str(users), "-r", str(users), "-t", f"{seconds:.0f}s", "--exit-code-on-error", "0"]
    return rig.watched(words, environment)
