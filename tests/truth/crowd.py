"""A hundred streams that start together: a `signoff run` whose load process has a core of its own, beside what was sent.

All processes of a host share the monotonic clock, so the simulator's stamps are the truth about the client's.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness import results
from harness.journal_log import read_lines
from harness.measure.histogram import nearest_rank
from harness.records import AttemptEnd, BlockMark, JournalHead, JournalLine

USERS, SECONDS = 100, 4  # some 500 answers: p99 takes 368
SCENARIO = f"""
name: crowd
endpoints:
  played: {{model: sim, simulated: {{ttft: {{median_s: 0.15, sigma: 0.3}}, itl: {{median_s: 0.02, sigma: 0.3}}}}}}
prompts: {{dataset: examples.jsonl}}
load: {{levels: [{USERS}], warmup_s: 0, measure_s: {SECONDS}, drain_s: 5}}
"""
EXAMPLES = 2_000  # more than are asked, so that an example names one attempt
ANSWER = "so " * 40
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE = CORES[-1]
LIMIT_S = 60.0

# How far a reported percentile may be off: 0.3 ms, which is the way of the bytes on a busy loopback, or half a percent.
ABSOLUTE_S, RELATIVE = 0.0003, 0.005
METRICS = ("ttft_s", "icl_s", "tpot_s", "e2e_s")
Truth = list[dict[str, Any]]


class Crowd:
    """A finished run: its exit code, what it printed, its summary, and the simulator's lines."""

    def __init__(self, path: Path, code: int, printed: str) -> None:
        self.path, self.code, self.printed = path, code, printed
        self.run = results.read_run(path)
        self.summary: dict[str, Any] = json.loads((path / "summary.json").read_bytes())
        self.truth: Truth = [json.loads(line) for line in (path / "truth.jsonl").read_text().splitlines()]

    @property
    def level(self) -> dict[str, Any]:
        level: dict[str, Any] = self.summary["endpoints"]["played"]["levels"][str(USERS)]
        return level

    @property
    def is_limited(self) -> bool:
        return bool(self.summary["verdict"] == "INVALID(client_limited)")

    def was_quiet(self) -> bool:
        """By its own word the simulator sent 99 % of the tokens at most 1 ms late."""
        late = sorted(late for line in self.truth for late in line["late_ns"])
        return bool(late[int(0.99 * len(late))] < 1_000_000)

    def served(self) -> Iterator[tuple[AttemptEnd, dict[str, Any]]]:
        """Every good attempt with the simulator's line of it."""
        lines = {line["example"]: line for line in self.truth}
        for attempt in self.run.attempts:
            if attempt.end is not None and attempt.end.kind == "ok":
                yield attempt.end, lines[attempt.start.example]

    def wrong(self) -> list[str]:
        """The percentiles that are not those of what was sent, over the same attempts, with both values in ms."""
        sent = _sent_s(self.served())
        found = []
        for metric in METRICS:
            for q, name in ((0.5, "p50"), (0.99, "p99")):
                said, true = self.level["service"][metric][name], sent[metric][nearest_rank(q, len(sent[metric])) - 1]
                if abs(said - true) > max(ABSOLUTE_S, RELATIVE * true):
                    found.append(f"{metric} {name}: said {1e3 * said:.3f}, sent {1e3 * true:.3f}")
        return found


def _sent_s(served: Iterator[tuple[AttemptEnd, dict[str, Any]]]) -> dict[str, list[float]]:
    """Every metric in rising order, from the client's `sent` and the simulator's stamps."""
    sent: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for end, line in served:
        stamps = line["sent_ns"]
        assert end.sent_ns is not None, "a good attempt was sent"
        sent["ttft_s"].append((stamps[0] - end.sent_ns) / 1e9)
        sent["e2e_s"].append((stamps[-1] - end.sent_ns) / 1e9)
        sent["icl_s"] += [(later - earlier) / 1e9 for earlier, later in pairwise(stamps)]
        sent["tpot_s"].append((stamps[-1] - stamps[0]) / 1e9 / (line["completion_tokens"] - 1))
    return {metric: sorted(values) for metric, values in sent.items()}


def ran(folder: Path, meanwhile: Callable[[int], None] = lambda worker: None) -> Crowd:
    """A whole run. `meanwhile` is called with the id of the load process as soon as the measure window is open."""
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "reference": f"{n} {ANSWER}"} for n in range(EXAMPLES)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [sys.executable, "-m", "harness.cli.app", "run", str(folder), "--out", str(folder / "runs"), "--metrics", "", "-q"]
    with (folder / "printed").open("wb") as printed, on_core(CORES[0]):
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT)
    try:
        journal = folder / "runs" / "latest" / "journal-000.jsonl"
        worker = _until(lambda: _first(journal, JournalHead), child).pid
        os.sched_setaffinity(worker, {CLIENT_CORE})
        _until(lambda: _first(journal, BlockMark), child)
        meanwhile(worker)
        code = child.wait(LIMIT_S)
    finally:
        child.terminate()  # of a run that is over there is nothing left to end
        child.wait()
    return Crowd((folder / "runs" / "latest").resolve(), code, (folder / "printed").read_text())


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that are started in the body stay on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _until(found: Callable[[], Any], child: subprocess.Popen[bytes]) -> Any:
    until = time.monotonic() + LIMIT_S
    while (value := found()) is None:
        assert child.poll() is None, "the run ended before its time"
        assert time.monotonic() < until, "the run did not begin"
        time.sleep(0.01)
    return value


def _first(journal: Path, kind: type) -> Any:
    """The first line of that kind that is written, if one is."""
    if not journal.exists():
        return None
    return next((line for line in read_lines(journal, JournalLine) if isinstance(line, kind)), None)
