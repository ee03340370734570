"""signoff itself, by its command line, with journals, histograms, report and all."""

import json
import sys

from harness import results
from harness.errors import ExitCode
from harness.measure import timing
from harness.measure.histogram import Histogram
from harness.records import AttemptEnd, Phase
from tests.benchmarks import work
from tests.benchmarks.peers.task import Heard, Pace, Task

NAME, DISTRIBUTION = "signoff", "signoff"
ENVIRONMENT: dict[str, str] = {}
EXITS = (ExitCode.OK, ExitCode.INVALID)
PACE = Pace(saturated=0, short=0)  # it is told how long


def words(task: Task) -> list[str]:
    """The prompts are those of the other tools."""
    endpoint = {"base_url": task.url, "model": work.MODEL, "stream": task.stream}
    load = {"levels": [task.streams], "warmup_s": task.warmup_s, "measure_s": task.measure_s}
    scenario = {"name": "peer", "endpoints": {"it": endpoint}, "prompts": {"dataset": "asked.jsonl"}, "load": load}
    (task.folder / "scenario.yaml").write_text(json.dumps(scenario))
    with (task.folder / "asked.jsonl").open("w") as lines:
        asked = (f"q{number}" for number in range(work.EXAMPLES))
        lines.writelines(json.dumps({"id": each, "prompt": work.prompt(each)}) + "\n" for each in asked)
    command = [sys.executable, "-m", "harness.cli.app", "run", str(task.folder), "--out", str(task.folder / "runs")]
    return [*command, "--metrics", "", "--quiet"]


def heard(task: Task) -> Heard:
    run = results.read_run((task.folder / "runs" / "latest").resolve())
    measuring = {block.id for block in run.manifest.plan if block.phase is Phase.MEASURE}
    since_ns = min(mark.at_ns for _, mark in run.marks if mark.block in measuring)
    measured = [attempt.end for attempt in run.attempts if attempt.start.phase is Phase.MEASURE]
    ends = [end for end in measured if end is not None and end.kind == "ok"]
    ttft_s = [ns / 1e9 for end in ends if (ns := timing.ttft_ns(end)) is not None]
    return Heard(ttft_s, _gaps_s(ends), failed=len(measured) - len(ends), since_ns=since_ns)


def _gaps_s(ends: list[AttemptEnd]) -> list[float]:
    """As the journal has them, in buckets of 0.1 %."""
    together = Histogram()
    for end in ends:
        together.add_sparse(end.icl)
    return [seconds for bucket, count in together.sparse() for seconds in [_upper_s(bucket)] * count]


def _upper_s(bucket: int) -> float:
    alone = Histogram()
    alone.add_sparse([(bucket, 1)])
    highest_ns = alone.value_at(1.0)
    assert highest_ns is not None, "it holds one value"
    return highest_ns / 1e9
