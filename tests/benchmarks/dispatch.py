"""Arrivals on a schedule: how long after they were due one process dispatched them, where a user was free."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.measure import timing
from harness.records import Phase
from harness.simulator.candidate import Candidate, Lognormal
from tests.benchmarks import rig, work
from tests.benchmarks.options import Options
from tests.benchmarks.rig import Measured
from tests.benchmarks.table import figure, medians, verdicts

RATES = (50, 200, 500)
TOKENS = 20
USERS = 2_000
HEAD = (
    *("arrivals/s", "arrivals", "sent", "dropped", "waited", "lateness p50 ms", "p99 ms", "max ms", "core %"),
    *("TTFT scheduled - service p99 ms", "the run says"),
)


@dataclass(frozen=True)
class Case:
    rate: int
    measure_s: float


@dataclass(frozen=True)
class Round:
    case: Case
    figures: tuple[float | None, ...]
    verdict: str


def cases(options: Options) -> list[Case]:
    return [Case(options.many(rate), options.seconds(20.0)) for rate in RATES]


def measure(case: Case, options: Options) -> Round:
    """One round, about half a minute: Poisson arrivals of short streams."""
    candidate = Candidate(
        name=work.NAME, model=work.MODEL, ttft=Lognormal(median_s=0.2, sigma=0.3), itl=Lognormal(median_s=0.02, sigma=0.3)
    )
    load = {
        "kind": "open",
        "levels": [case.rate],
        "users": options.many(USERS),
        "warmup_s": options.seconds(3.0),
        "measure_s": case.measure_s,
    }
    asked = work.questions(answer_tokens=TOKENS)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name, rig.simulating(candidate, asked, Path(name)) as served:
        ours = rig.signoff(served, load, asked)
        return Round(case, _figures(ours), ours.verdict)


def row(rounds: Sequence[Round]) -> list[str]:
    """Medians of the rounds."""
    told = verdicts([each.verdict for each in rounds])
    return [figure(rounds[0].case.rate), *medians(each.figures for each in rounds), told]


def _figures(ours: Measured) -> tuple[float | None, ...]:
    measured = [each for each in ours.run.attempts if each.start.phase is Phase.MEASURE]
    late_ms = [late / 1e6 for each in measured if (late := timing.lateness_ns(each.start)) is not None]
    ends = [(each.start, each.end) for each in measured if each.end is not None]
    scheduled = [first / 1e6 for start, end in ends if (first := timing.ttft_scheduled_ns(start, end)) is not None]
    service = [first / 1e6 for _, end in ends if (first := timing.ttft_ns(end)) is not None]
    used, _ = ours.used()
    return (
        *(len(measured), len(late_ms), len(measured) - len(late_ms), sum(each.start.waited_ns > 0 for each in measured)),
        *(float(value) for value in np.quantile(late_ms, (0.5, 0.99, 1.0))),
        100 * used.core_ratio,
        float(np.quantile(scheduled, 0.99) - np.quantile(service, 0.99)),
    )
