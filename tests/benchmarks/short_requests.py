"""Short answers that are not streamed, kept alive: requests/s and processor time for each, beside plain Locust."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.simulator.truth import Delivery
from tests.benchmarks import locust_client, matching, processes, rig, work
from tests.benchmarks.bare_client import words
from tests.benchmarks.options import Options
from tests.benchmarks.processes import Used
from tests.benchmarks.table import medians
from tests.benchmarks.work import Work

USERS = 64
HEAD = (
    *("users", "signoff req/s", "Locust req/s", "bare req/s", "signoff/Locust"),
    *("worker us", "Locust us", "bare us", "worker/Locust", "worker/bare"),
)
START_S, STOP_S = 0.5, 0.3  # of Locust, left out at both ends of what it sends


@dataclass(frozen=True)
class Round:
    users: int
    signoff: tuple[float, float]  # requests/s, microseconds of processor time for each
    locust: tuple[float, float]
    bare: tuple[float, float]


def cases(options: Options) -> list[Work]:
    return [replace(work.saturating(USERS, options), tokens=1)]


def measure(case: Work, _: Options) -> Round:
    """One round, about 30 s. The simulator can be the limit of requests/s, and is where two clients reach the same."""
    asked = work.questions(answer_tokens=case.tokens)
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        with rig.simulating(case.candidate, asked, Path(name), filler_tokens=case.tokens) as served:
            bare = rig.client(words(served.url, case.streams, case.warmup_s, case.measure_s, stream=False))
            begun_ns = rig.now_ns()
            locust = locust_client.run(served, case.streams, case.warmup_s + case.measure_s, "WholeAnswers")
            ended_ns = rig.now_ns()
            ours = rig.signoff(served, case.load, asked, stream=False)
        truth = served.truth()
    theirs = [line for line in truth if begun_ns <= line.received_ns < ended_ns]
    window = theirs[0].received_ns + round(START_S * 1e9), theirs[-1].received_ns - round(STOP_S * 1e9)
    return Round(
        users=case.streams,
        signoff=_cost(ours.used()[0], truth),
        locust=_cost(processes.within(locust.samples, *window), truth),
        bare=(bare["requests"] / bare["wall_s"], bare["cpu_s"] / bare["requests"] * 1e6),
    )


def row(rounds: Sequence[Round]) -> list[str]:
    """Medians of the rounds."""
    return [str(rounds[0].users), *medians(_figures(each) for each in rounds)]


def _figures(each: Round) -> tuple[float, ...]:
    (per_s, us), (locust_per_s, locust_us), (bare_per_s, bare_us) = each.signoff, each.locust, each.bare
    rates = per_s, locust_per_s, bare_per_s, per_s / locust_per_s
    return *rates, us, locust_us, bare_us, us / locust_us, us / bare_us


def _cost(used: Used, truth: list[Delivery]) -> tuple[float, float]:
    answers = matching.answered_between(truth, used.from_ns, used.to_ns)
    return answers / used.wall_s, used.cpu_s / answers * 1e6
