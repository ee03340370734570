"""Paced streams: the same simulator serves the bare client, the C client where there is one, and `signoff run`, one by one.

Both `cost` and `fidelity` read what this brings back, so that a claim of speed never stands without its truth beside it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.simulator.candidate import Candidate, Lognormal
from harness.simulator.truth import Delivery
from tests.benchmarks import bare_client, rig
from tests.benchmarks.rig import Measured

TOKENS = 128
WARMUP_S, MEASURE_S = 2.0, 5.0
CANDIDATE = Candidate(
    name=rig.NAME,
    model=rig.MODEL,
    ttft=Lognormal(median_s=0.2, sigma=0.3),
    itl=Lognormal(median_s=0.02, sigma=0.3),
    accuracy=1.0,
)


@dataclass(frozen=True)
class Paced:
    """One round: what each client printed or wrote, and what was sent."""

    streams: int
    bare: dict[str, Any]
    c: dict[str, Any] | None
    signoff: Measured
    truth: list[Delivery]


def measure(streams: int, c_client: Path | None) -> Paced:
    """One round, about 25 s."""
    load = {"levels": [streams], "warmup_s": WARMUP_S, "measure_s": MEASURE_S}
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        with rig.simulating(CANDIDATE, TOKENS, folder) as url:
            bare = rig.client(bare_client.words(url, streams, WARMUP_S, MEASURE_S, stream=True))
            c = None if c_client is None else rig.client(_c_words(c_client, rig.port(url), streams))
            signoff = rig.signoff(url, load, folder, stream=True)
        return Paced(streams, bare, c, signoff, rig.truth(folder))


def _c_words(c_client: Path, port: int, streams: int) -> list[str]:
    return [str(c_client), "--port", str(port), "-c", str(streams), "-d", str(MEASURE_S), "--tokens", str(TOKENS)]
