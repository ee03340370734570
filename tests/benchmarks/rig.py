"""The rig of every benchmark: the simulator on one core, a client on another, sampled while it works."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from harness import assembly, results
from harness.errors import ExitCode
from harness.journal_log import read_lines
from harness.records import JournalHead, Message, Phase
from harness.simulator import knowledge
from harness.simulator.candidate import Candidate
from harness.simulator.config import Config
from harness.simulator.knowledge import Known
from harness.simulator.truth import Delivery
from tests.benchmarks import processes
from tests.benchmarks.processes import CLIENT_CORE, SERVER_CORE, Pulse, Sample, Tree, Used, pinned
from tests.benchmarks.work import MODEL, NAME, Question

RUN = "bench"
EVERY_S, LIMIT_S = 0.05, 600.0


@dataclass(frozen=True)
class Measured:
    """One `signoff run`: what it wrote down, and what it says of itself.

    Samples are of its first worker, of all its processes, and of all that this machine does.
    """

    run: results.Run
    worker: list[Sample]
    everything: list[Sample]
    machine: list[Sample]
    worker_began_ns: int
    verdict: str

    @property
    def window_ns(self) -> tuple[int, int]:
        """The measure window; of several, from the first to the last."""
        measuring = {block.id for block in self.run.manifest.plan if block.phase is Phase.MEASURE}
        stamps = [mark.at_ns for _, mark in self.run.marks if mark.block in measuring]
        return min(stamps), max(stamps)

    def used(self) -> tuple[Used, Used]:
        """By the worker and by all together, inside the measure window."""
        return processes.within(self.worker, *self.window_ns), processes.within(self.everything, *self.window_ns)


@dataclass(frozen=True)
class Served:
    """A simulator at work. `truth` can be read when it has ended."""

    url: str
    folder: Path

    @property
    def port(self) -> int:
        found = urlsplit(self.url).port
        assert found is not None, "the simulator's address has a port"
        return found

    def truth(self) -> list[Delivery]:
        """What the simulator sent, in the order in which the requests ended."""
        decode = msgspec.json.Decoder(Delivery).decode
        with (self.folder / assembly.TRUTH).open("rb") as lines:
            return [decode(line) for line in lines]


@dataclass(frozen=True)
class Watched:
    """Another client that has run: what it printed, and samples of all its processes."""

    printed: str
    samples: list[Sample] = field(repr=False)


@contextmanager
def simulating(
    candidate: Candidate, asked: Sequence[Question], folder: Path, *, filler_tokens: int = 64, **settings: Any
) -> Iterator[Served]:
    """The bundled simulator on its own core, with more `settings` of its configuration. Its truth is whole after the body."""
    config = Config(
        candidates=(candidate,),
        truth=str(folder / assembly.TRUTH),
        filler_tokens=filler_tokens,
        knowledge=tuple(map(_known, asked)),
        until_stdin_closes=True,
        **settings,
    )
    with pinned(SERVER_CORE):
        simulator = assembly.Simulator(config, folder)
    try:
        yield Served(simulator.urls[candidate.name], folder)
    finally:
        simulator.stop()


def signoff(
    served: Served,
    load: Mapping[str, Any],
    asked: Sequence[Question],
    *,
    cores: Collection[int] = (CLIENT_CORE,),
    processes: int = 1,
    **endpoint: Any,
) -> Measured:
    """`signoff run` on these cores, journals and histograms and all, with more settings of its one `endpoint`.

    Raises `StoodStillError`, as `client` and `watched` do.
    """
    folder = served.folder
    scenario = {
        "name": RUN,
        "endpoints": {NAME: {"base_url": served.url, "model": MODEL, **endpoint}},
        "prompts": {"dataset": "examples.jsonl"},
        "load": load,
    }
    (folder / "scenario.yaml").write_text(json.dumps(scenario))
    with (folder / "examples.jsonl").open("w") as rows:
        rows.writelines(json.dumps({"id": each.example, "prompt": each.prompt}) + "\n" for each in asked)
    words = [sys.executable, "-m", "harness.cli.app", "run", str(folder), "--out", str(folder / "runs"), "--metrics", "", "-q"]
    words += ["--processes", str(processes)]
    with (folder / "signoff.log").open("wb") as log, pinned(*cores):
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        worker, everything, machine = _sampled(child, folder / "runs")
    except BaseException:
        child.terminate()  # it takes its own processes with it
        child.wait(LIMIT_S)  # the next round shall not run beside it
        raise
    if child.returncode not in (ExitCode.OK, ExitCode.INVALID):
        raise SystemExit(f"signoff run ended with {child.returncode}:\n{(folder / 'signoff.log').read_text()}")
    journal = next(_journals(folder / "runs"))
    head = next(read_lines(journal, JournalHead))
    summary = json.loads((journal.parent / results.SUMMARY).read_bytes())
    return Measured(results.read_run(journal.parent), worker, everything, machine, head.monotonic_ns, summary["verdict"])


def client(words: Sequence[str]) -> dict[str, Any]:
    """Another load client on the client's core; it prints one JSON line."""
    said: dict[str, Any] = json.loads(watched(words).printed)
    return said


def watched(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    exits: Collection[int] = (0,),
    limit_s: float = LIMIT_S,
) -> Watched:
    """A program on the client's core, sampled to its end. `SystemExit` where it ends otherwise than it may, or not in time."""
    with pinned(CLIENT_CORE):
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    with child:
        try:
            return _watched(child, words, exits, time.monotonic() + limit_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # what it left running, and all of it when it is late


def _watched(child: subprocess.Popen[bytes], words: Sequence[str], exits: Collection[int], until: float) -> Watched:
    tree, samples, pulse = Tree(child.pid), [], Pulse()
    while time.monotonic() < until:
        pulse.beat()
        samples.append(tree.sample())
        try:
            printed, complained = child.communicate(timeout=EVERY_S)
        except subprocess.TimeoutExpired:
            continue
        pulse.beat()
        if child.returncode not in exits:
            said = (printed + complained).decode("utf-8", "replace")[-4000:]
            raise SystemExit(f"{' '.join(words)} ended with {child.returncode}:\n{said}")
        return Watched(printed.decode(), samples)
    raise SystemExit(f"{' '.join(words)} did not end in time")


def now_ns() -> int:
    """On the clock of the truth."""
    return time.monotonic_ns()


def _known(asked: Question) -> Known:
    key = knowledge.prompt_key([Message(role="user", content=asked.prompt)])
    return Known(asked.example, key, right=asked.answer, wrong=asked.answer, token_chars=asked.token_chars)


def _sampled(child: subprocess.Popen[bytes], runs: Path) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Until the child has ended. The worker writes its process id into the first line of its journal."""
    tree, pid, pulse = Tree(child.pid), None, Pulse()
    worker: list[Sample] = []
    everything: list[Sample] = []
    machine: list[Sample] = []
    while child.poll() is None:
        time.sleep(EVERY_S)
        pulse.beat()
        pid = pid or _worker(runs)
        if pid is None:
            continue
        try:
            worker.append(processes.sample(pid))
        except processes.GONE:
            continue
        everything.append(tree.sample())
        machine.append(processes.machine())
    pulse.beat()
    return worker, everything, machine


def _worker(runs: Path) -> int | None:
    """None before it is set up."""
    journal = next(_journals(runs), None)
    head = None if journal is None else next(read_lines(journal, JournalHead), None)
    return None if head is None else int(head.pid)


def _journals(runs: Path) -> Iterator[Path]:
    """Of the first worker of the only run, once it is there."""
    return runs.glob(f"*_{RUN}/journal-000.jsonl")
