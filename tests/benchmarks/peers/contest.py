"""Against other tools: the same work, the same simulator, one core for each tool; ratios are to signoff in the same rounds."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np

from harness.simulator.truth import Delivery
from tests.benchmarks import matching, processes, rig, work
from tests.benchmarks.options import Options
from tests.benchmarks.peers import aiperf, fast_http_user, guidellm, signoff, vllm_bench
from tests.benchmarks.peers.task import Heard, Task
from tests.benchmarks.rig import Served
from tests.benchmarks.table import figure, middle

PEERS: tuple[ModuleType, ...] = (signoff, fast_http_user, vllm_bench, aiperf, guidellm)
HEAD = (
    *("tool", "CPU s per 1M tokens, 50 streams", "500 streams", "core at 500", "TTFT p99 error at 50", "at 500"),
    *("TTFT p50 error at 500", "gap p99 error at 500", "saturated tokens/s", "short answers/s"),
)
FEW, MANY, FAST = 50, 500, 64
TASKS = ("few", "many", "saturated", "short")
LIMIT_S = 300.0  # for a task that takes half a minute
CYCLES_FEW, CYCLES_MANY = 10, 5  # answers of each stream that are measured


@dataclass(frozen=True)
class Case:
    peer: ModuleType
    version: str
    python: Path


@dataclass(frozen=True)
class Outcome:
    """Of one task. Errors are the tool's figure minus the truth, in parts of the truth."""

    cpu_us: float  # for each token, by all processes of the tool
    core: float
    tokens_per_s: float
    answers_per_s: float
    ttft_p50: float | None
    ttft_p99: float | None
    gap_p99: float | None
    failed: int


@dataclass(frozen=True)
class Round:
    """None: the tool did not come to an end, which was printed."""

    case: Case
    few: Outcome | None
    many: Outcome | None
    saturated: Outcome | None
    short: Outcome | None


def cases(options: Options) -> list[Case]:
    """Every tool that is there; one that is not is named, and is not in the table."""
    found = []
    for peer in PEERS:
        python = _python(peer, options)
        version = _version(python, peer.DISTRIBUTION)
        if version is None:
            print(f"{peer.NAME} is not installed: make {options.peers.name}/{peer.DISTRIBUTION}/.ready")
        else:
            found.append(Case(peer, version, python))
    return found


def measure(case: Case, options: Options) -> Round:
    """One round of one tool: four tasks, two to three minutes."""
    few, many, fast = work.paced(FEW, options), work.paced(MANY, options), work.saturating(FAST, options)
    pace = case.peer.PACE
    return Round(
        case,
        few=_tried(case, few, CYCLES_FEW * few.streams),
        many=_tried(case, many, CYCLES_MANY * many.streams),
        saturated=_tried(case, fast, options.many(pace.saturated)),
        short=_tried(case, fast, options.many(pace.short), stream=False),
    )


def rows(rounds: Sequence[Sequence[Round]]) -> list[list[str]]:
    """One for each tool; medians of its rounds, and in brackets how many times signoff's."""
    ours = next((each for each in rounds if each[0].case.peer is signoff), None)
    return [_row(each, ours) for each in rounds]


def _row(rounds: Sequence[Round], ours: Sequence[Round] | None) -> list[str]:
    def absolute(task: str, name: str) -> float | None:
        return _middle(rounds, task, name)

    def ratio(task: str, name: str) -> str:
        value = absolute(task, name)
        base = None if ours is None or ours is rounds else _middle(ours, task, name)
        return figure(value) + (f" (x {figure(value / base)})" if value is not None and base else "")

    def error(task: str, name: str) -> str:
        value = absolute(task, name)
        return "-" if value is None else f"{100 * value:+.1f} %"

    case, core = rounds[0].case, absolute("many", "core")
    failed = sum(absolute(task, "failed") or 0 for task in TASKS)
    return [
        f"{case.peer.NAME} {case.version}" + (f" ({failed:.0f} requests failed)" if failed else ""),
        *(ratio("few", "cpu_us"), ratio("many", "cpu_us"), "-" if core is None else f"{100 * core:.0f} %"),
        *(error("few", "ttft_p99"), error("many", "ttft_p99"), error("many", "ttft_p50"), error("many", "gap_p99")),
        *(ratio("saturated", "tokens_per_s"), ratio("short", "answers_per_s")),
    ]


def _middle(rounds: Sequence[Round], task: str, name: str) -> float | None:
    outcomes = [getattr(each, task) for each in rounds]
    return middle(getattr(each, name) for each in outcomes if each is not None)


def _tried(case: Case, asked: work.Work, requests: int, *, stream: bool = True) -> Outcome | None:
    """One tool that breaks does not end the contest; why it did is printed, and its cells have a dash."""
    try:
        return _perform(case, asked, requests, stream=stream)
    except SystemExit as broken:
        print(f"{case.peer.NAME} did not come to an end: {broken}", file=sys.stderr, flush=True)
        return None


def _perform(case: Case, asked: work.Work, requests: int, *, stream: bool) -> Outcome:
    """One tool on one task. Its warm-up is one request of every stream, or as long as one answer takes."""
    tokens = asked.tokens if stream else 1
    candidate = asked.candidate
    with tempfile.TemporaryDirectory(prefix="signoff-peers-") as name:
        folder = Path(name)
        with rig.simulating(candidate, (), folder, filler_tokens=tokens) as served:
            task = _task(case, asked, served, tokens, requests, stream=stream)
            task.prepare()
            environment = {**task.environment, **case.peer.ENVIRONMENT}
            watched = rig.watched(case.peer.words(task), environment, folder, case.peer.EXITS, LIMIT_S)
            heard = case.peer.heard(task)
        return _outcome(watched.samples, heard, task, served.truth())


def _task(case: Case, asked: work.Work, served: Served, tokens: int, requests: int, *, stream: bool) -> Task:
    cycle_s = asked.ttft.median_s + tokens * asked.itl.median_s
    return Task(
        streams=asked.streams,
        tokens=tokens,
        stream=stream,
        warmup=asked.streams,
        requests=requests,
        warmup_s=max(2.0, 1.3 * cycle_s),
        measure_s=max(5.0, requests / asked.streams * cycle_s),
        url=served.url,
        python=case.python,
        folder=served.folder,
    )


def _outcome(samples: Sequence[processes.Sample], heard: Heard, task: Task, truth: Sequence[Delivery]) -> Outcome:
    """What was used from when the first measured request came until the last one was answered."""
    measured = _measured(heard, task, truth)
    done = [line.done_ns for line in measured if line.done_ns is not None]
    used = processes.within(samples, min(line.received_ns for line in measured), max(done))
    tokens = matching.sent_between(truth, used.from_ns, used.to_ns)
    answers = matching.answered_between(truth, used.from_ns, used.to_ns)
    ttft_s = [(line.sent_ns[0] - line.received_ns) / 1e9 for line in measured]
    return Outcome(
        cpu_us=used.cpu_s / tokens * 1e6,
        core=used.core_ratio,
        tokens_per_s=tokens / used.wall_s,
        answers_per_s=answers / used.wall_s,
        ttft_p50=_error(heard.ttft_s, ttft_s, 0.5),
        ttft_p99=_error(heard.ttft_s, ttft_s, 0.99),
        gap_p99=_error(heard.gaps_s, _gaps_s(measured, means=heard.means), 0.99),
        failed=heard.failed,
    )


def _measured(heard: Heard, task: Task, truth: Sequence[Delivery]) -> list[Delivery]:
    """The simulator's lines about the requests that the tool measured."""
    whole = sorted((line for line in truth if not line.aborted), key=lambda line: line.n)
    if heard.numbers is not None:
        return [line for line in whole if line.n in heard.numbers]
    if heard.since_ns is not None:
        return [line for line in whole if line.received_ns >= heard.since_ns]
    return whole[-task.requests :]


def _gaps_s(lines: Sequence[Delivery], *, means: bool) -> list[float]:
    """Each gap, or the mean of each answer once for each of its gaps."""
    if not means:
        return [(later - earlier) / 1e9 for line in lines for earlier, later in pairwise(line.sent_ns)]
    answers = ((line.sent_ns[-1] - line.sent_ns[0], len(line.sent_ns) - 1) for line in lines)
    return [total / count / 1e9 for total, count in answers for _ in range(count)]


def _error(said: Sequence[float], sent: Sequence[float], q: float) -> float | None:
    """By one rule for both, whatever the tool's own is."""
    if not said or not sent:
        return None
    truth = float(np.quantile(sent, q))
    return (float(np.quantile(said, q)) - truth) / truth if truth else None


def _python(peer: ModuleType, options: Options) -> Path:
    own = options.peers / peer.DISTRIBUTION / "bin" / "python"
    return own if peer in (vllm_bench, aiperf, guidellm) else Path(work.__file__).parents[2] / ".venv/bin/python"


def _version(python: Path, distribution: str) -> str | None:
    """As the tool's own environment has it installed; None where it has not."""
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    try:
        told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()
