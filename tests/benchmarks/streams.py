"""One round of streams: the same simulator serves the bare client, the C client where there is one, and `signoff run`, in turn.

Another simulator serves the same to `signoff run` over TLS.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.simulator import authority
from harness.simulator.truth import Delivery
from tests.benchmarks import bare_client, rig, work
from tests.benchmarks.matching import sent_between
from tests.benchmarks.options import Options
from tests.benchmarks.processes import Used
from tests.benchmarks.rig import Measured
from tests.benchmarks.work import Question, Work

HANDSHAKES_PER_S = 200
PATIENT = {"connect": 60}


@dataclass(frozen=True)
class Run:
    """What signoff wrote down, and what was sent to it."""

    signoff: Measured
    truth: list[Delivery]

    def cost_us(self) -> tuple[float, float]:
        """Processor time for each token: of the worker, and of all of signoff's processes."""
        worker, everything = self.signoff.used()
        return _us(worker, self.truth), _us(everything, self.truth)

    @property
    def tokens_per_s(self) -> float:
        used, _ = self.signoff.used()
        return sent_between(self.truth, used.from_ns, used.to_ns) / used.wall_s


@dataclass(frozen=True)
class Round:
    """`bare` and `c` are what these clients printed."""

    work: Work
    bare: dict[str, Any]
    c: dict[str, Any] | None
    plain: Run
    tls: Run

    @property
    def bare_us(self) -> float:
        return float(self.bare["cpu_s"] / self.bare["tokens"] * 1e6)

    @property
    def c_us(self) -> float | None:
        return None if self.c is None else float(self.c["cpu_s_per_Mtok"])


def measure(task: Work, options: Options) -> Round:
    asked = work.questions(answer_tokens=task.tokens)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        with rig.simulating(task.candidate, asked, folder, filler_tokens=task.tokens) as served:
            bare = rig.client(bare_client.words(served.url, task.streams, task.warmup_s, task.measure_s, stream=True))
            c = None if options.c_client is None else rig.client(_c_words(options.c_client, served.port, task))
            plain = rig.signoff(served, task.load, asked)
        return Round(task, bare, c, Run(plain, served.truth()), _over_tls(task, asked))


def _over_tls(task: Work, asked: Sequence[Question]) -> Run:
    """All handshakes come at once and are no part of what is measured: the warm-up is longer by them."""
    task = replace(task, warmup_s=task.warmup_s + task.streams / HANDSHAKES_PER_S)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        made = authority.make(folder)
        with rig.simulating(task.candidate, asked, folder, tls=made.tls) as served:
            ours = rig.signoff(served, task.load, asked, tls={"ca_file": str(made.ca_file)}, deadlines=PATIENT)
        return Run(ours, served.truth())


def _us(used: Used, truth: list[Delivery]) -> float:
    return used.cpu_s / sent_between(truth, used.from_ns, used.to_ns) * 1e6


def _c_words(c_client: Path, port: int, task: Work) -> list[str]:
    seconds = str(task.warmup_s + task.measure_s)
    return [str(c_client), "--port", str(port), "-c", str(task.streams), "-d", seconds, "--tokens", str(task.tokens)]
