"""Short answers that are not streamed, on keep-alive connections: requests/s, and processor time for each request."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.simulator.candidate import Candidate, Lognormal
from tests.benchmarks import rig
from tests.benchmarks.bare_client import words
from tests.benchmarks.table import median_of

HEAD = ("users", "signoff req/s", "bare req/s", "signoff/bare", "worker us", "bare us", "worker/bare")
USERS = 64
WARMUP_S, MEASURE_S = 2.0, 4.0
AT_ONCE = Lognormal(median_s=0.0)
CANDIDATE = Candidate(name=rig.NAME, model=rig.MODEL, ttft=AT_ONCE, itl=AT_ONCE, accuracy=1.0)

Figures = tuple[float, ...]


def measure() -> Figures:
    """One round, about 15 s. The simulator can be the limit of requests/s, and is where both clients reach the same."""
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        with rig.simulating(CANDIDATE, 1, folder) as url:
            bare = rig.client(words(url, USERS, WARMUP_S, MEASURE_S, stream=False))
            load = {"levels": [USERS], "warmup_s": WARMUP_S, "measure_s": MEASURE_S}
            ours = rig.signoff(url, load, folder, stream=False)
    first, last = ours.used()
    ends = (attempt.end for attempt in ours.run.attempts if attempt.end is not None and attempt.end.kind == "ok")
    done = sum(first.at_ns <= end.done_ns < last.at_ns for end in ends if end.done_ns is not None)
    per_s, bare_per_s = done / (last.at_ns - first.at_ns) * 1e9, bare["requests"] / bare["wall_s"]
    worker, bare_us = (last.worker_s - first.worker_s) / done * 1e6, bare["cpu_s"] / bare["requests"] * 1e6
    return per_s, bare_per_s, per_s / bare_per_s, worker, bare_us, worker / bare_us


def row(rounds: Sequence[Figures]) -> list[str]:
    """Medians of the rounds."""
    return [str(USERS), *(median_of(column) for column in zip(*rounds, strict=True))]
