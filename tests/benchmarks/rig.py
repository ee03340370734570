"""The rig of every benchmark: the simulator on one core, a client on another, processor time read while the client works.

All processes of one host share the monotonic clock, so the simulator's truth says how much was sent between two of our moments.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from harness import assembly, results
from harness.errors import ExitCode
from harness.records import JournalHead, Message, Phase
from harness.simulator import knowledge, tokens
from harness.simulator.candidate import Candidate
from harness.simulator.config import Config
from harness.simulator.knowledge import Known
from harness.simulator.truth import Delivery

EXAMPLES = 4_000  # more than are asked in one run, so that an example names one attempt
NAME, MODEL, RUN = "candidate", "ref", "bench"
EVERY_S = 0.05
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = _CORES[0], _CORES[-1]


class Sample(NamedTuple):
    """Processor seconds that a worker, and its master, have used up to a moment."""

    at_ns: int
    worker_s: float
    master_s: float


@dataclass(frozen=True)
class Measured:
    """One `signoff run`: what it wrote down, and samples of its processes, all taken inside the measure window."""

    run: results.Run
    samples: list[Sample]

    @property
    def window_ns(self) -> tuple[int, int]:
        measuring = next(block.id for block in self.run.manifest.plan if block.phase is Phase.MEASURE)
        opened, closed = (mark.at_ns for _, mark in self.run.marks if mark.block == measuring)
        return opened, closed

    def used(self) -> tuple[Sample, Sample]:
        """The first and the last moment of the measure window that was sampled."""
        opened, closed = self.window_ns
        inside = [sample for sample in self.samples if opened <= sample.at_ns < closed]
        return inside[0], inside[-1]


@contextmanager
def simulating(candidate: Candidate, answer_tokens: int, folder: Path) -> Iterator[str]:
    """The bundled simulator on its own core; yields its base URL. Its truth is whole when the body is done."""
    known = tuple(_known(example, answer_tokens) for example in _examples())
    config = Config(
        candidates=(candidate,),
        truth=str(folder / assembly.TRUTH),
        filler_tokens=answer_tokens,
        knowledge=known,
        until_stdin_closes=True,
    )
    with pinned(SERVER_CORE):
        simulator = assembly.Simulator(config, folder)
    try:
        yield simulator.urls[candidate.name]
    finally:
        simulator.stop()


def truth(folder: Path) -> list[Delivery]:
    """What the simulator sent, in the order in which the requests ended."""
    decode = msgspec.json.Decoder(Delivery).decode
    with (folder / assembly.TRUTH).open("rb") as lines:
        return [decode(line) for line in lines]


def signoff(url: str, load: dict[str, Any], folder: Path, *, stream: bool) -> Measured:
    """`signoff run` on the client's core, journals and histograms and all."""
    scenario = {
        "name": RUN,
        "endpoints": {NAME: {"base_url": url, "model": MODEL, "stream": stream}},
        "prompts": {"dataset": "examples.jsonl"},
        "load": load,
    }
    (folder / "scenario.yaml").write_text(json.dumps(scenario))
    rows = ({"id": example, "prompt": prompt(example)} for example in _examples())
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [sys.executable, "-m", "harness.cli.app", "run", str(folder), "--out", str(folder / "runs"), "--metrics", "", "-q"]
    with (folder / "signoff.log").open("wb") as log, pinned(CLIENT_CORE):
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    samples = list(_sampled(child, folder / "runs"))
    if child.returncode not in (ExitCode.OK, ExitCode.INVALID):
        raise SystemExit(f"signoff run ended with {child.returncode}:\n{(folder / 'signoff.log').read_text()}")
    return Measured(results.read_run(next(_journals(folder / "runs")).parent), samples)


def client(words: Sequence[str]) -> dict[str, Any]:
    """Another load client on the client's core; it prints one JSON line."""
    with pinned(CLIENT_CORE):
        printed = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
    said: dict[str, Any] = json.loads(printed)
    return said


def port(url: str) -> int:
    found = urlsplit(url).port
    assert found is not None, "the simulator's address has a port"
    return found


def prompt(example: str) -> str:
    return f"This is ticket {example}. " + "The quick brown fox jumps over the lazy dog. " * 4


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Processes that are started in the body stay on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _examples() -> Iterator[str]:
    return (f"q{number}" for number in range(EXAMPLES))


def _known(example: str, answer_tokens: int) -> Known:
    said = "".join(tokens.filler(answer_tokens, example))
    key = knowledge.prompt_key([Message(role="user", content=prompt(example))])
    return Known(example=example, prompt_sha256=key, right=said, wrong=said)


def _sampled(child: subprocess.Popen[bytes], runs: Path) -> Iterator[Sample]:
    """Until the child has ended. The worker writes its process id into the first line of its journal."""
    worker = None
    while child.poll() is None:
        time.sleep(EVERY_S)
        if worker is None:
            worker = _worker(runs)
        if worker is not None and (used := _used(worker)) is not None:
            yield used


def _worker(runs: Path) -> int | None:
    """None before it is set up."""
    journal = next(_journals(runs), None)
    head = None if journal is None else next(results.read_lines(journal, JournalHead), None)
    return None if head is None else int(head.pid)


def _journals(runs: Path) -> Iterator[Path]:
    """Of the only worker of the only run, once it is there."""
    return runs.glob(f"*_{RUN}/journal-000.jsonl")


def _used(worker: int) -> Sample | None:
    """None when the worker is gone. In `/proc/PID/stat` after the name: the 2nd field is the parent, the 12th and 13th time."""
    try:
        fields = _stat(worker)
        return Sample(time.monotonic_ns(), _seconds(fields), _seconds(_stat(int(fields[1]))))
    except (FileNotFoundError, ProcessLookupError):
        return None


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
