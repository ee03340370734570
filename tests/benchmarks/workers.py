"""Short answers as fast as they are taken, by two load processes against one: requests/s, and what shared the cores."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks import rig, work
from tests.benchmarks.options import Options
from tests.benchmarks.processes import ALL_CORES, Used, within
from tests.benchmarks.rig import Measured, Served
from tests.benchmarks.table import medians, verdicts
from tests.benchmarks.work import Work

USERS = 64
HEAD = (
    *("users", "1: req/s", "2: req/s", "2/1", "1: signoff cores", "1: server", "1: others"),
    *("2: signoff cores", "2: server", "2: others", "1: us", "2: us", "1 us/2 us", "the runs say"),
)


@dataclass(frozen=True)
class Part:
    """Of one run: answers a second, and the cores that all processes of `signoff run` took, the server, and whoever else."""

    per_s: float
    signoff: float
    server: float
    others: float
    verdict: str

    @property
    def us(self) -> float:
        """Processor time of all of signoff for each answer."""
        return 1e6 * self.signoff / self.per_s


@dataclass(frozen=True)
class Round:
    users: int
    one: Part
    two: Part


def cases(options: Options) -> list[Work]:
    return [replace(work.saturating(USERS, options), tokens=1)]


def measure(case: Work, _: Options) -> Round:
    """One round, about 30 s: one load process, then two, with the same users in all."""
    return Round(case.streams, _part(case, 1), _part(case, 2))


def row(rounds: Sequence[Round]) -> list[str]:
    """Medians of the rounds."""
    said = verdicts(["/".join((each.one.verdict, each.two.verdict)) for each in rounds])
    return [str(rounds[0].users), *medians(_figures(each) for each in rounds), said]


def _figures(each: Round) -> tuple[float, ...]:
    one, two = each.one, each.two
    cores = (one.signoff, one.server, one.others, two.signoff, two.server, two.others)
    return one.per_s, two.per_s, two.per_s / one.per_s, *cores, one.us, two.us, one.us / two.us


def _part(case: Work, processes: int) -> Part:
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name, _serving(Path(name)) as (served, told):
        made = rig.signoff(
            served, case.load, work.questions(answer_tokens=1), cores=ALL_CORES, processes=processes, stream=False
        )
    used = made.used()[1]
    per_s = answered(made, used) / used.wall_s
    server = per_s * told["cpu_s"] / told["requests"]
    others = within(made.machine, *made.window_ns).core_ratio - used.core_ratio - server
    return Part(per_s, used.core_ratio, server, others, made.verdict)


def answered(made: Measured, used: Used) -> int:
    """Good answers that were whole between the same two moments; load processes of one host share a clock."""
    ends = (each.end for each in made.run.attempts)
    whole = (end.last_token_ns for end in ends if end is not None and end.kind == "ok")
    return sum(stamp_ns is not None and used.from_ns <= stamp_ns < used.to_ns for stamp_ns in whole)


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[Served, dict[str, Any]]]:
    """A bare server that goes where there is room. What it did in all is known after the body."""
    words = [sys.executable, "-m", "tests.benchmarks.bare_server"]
    told: dict[str, Any] = {}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield Served(f"http://127.0.0.1:{int(server.stdout.readline())}/v1", folder), told
        told |= json.loads(server.communicate()[0])
