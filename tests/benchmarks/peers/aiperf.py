"""NVIDIA AIPerf: workers and record processors as processes of their own, all of them on the one core here."""

import json

from tests.benchmarks.peers.task import TOKENIZER, Heard, Pace, Task
from tests.benchmarks.work import MODEL

NAME, DISTRIBUTION = "AIPerf", "aiperf"
ENVIRONMENT: dict[str, str] = {}
EXITS = (0,)
PACE = Pace(saturated=700, short=4_000)


def words(task: Task) -> list[str]:
    """Its own collectors of other machines' metrics are off, and the server counts the tokens: both save it work."""
    return [
        *(str(task.python.with_name("aiperf")), "profile", "-m", MODEL, "--url", task.server, "--endpoint-type", "chat"),
        *(("--streaming",) if task.stream else ()),
        *("--tokenizer", TOKENIZER, "--use-server-token-count"),
        *("--input-file", str(task.prompts), "--custom-dataset-type", "single_turn"),
        *("--concurrency", str(task.streams), "--request-count", str(task.requests)),
        *("--warmup-request-count", str(task.warmup)),
        *("--artifact-dir", str(task.folder / "artifacts"), "--ui", "none", "--no-gpu-telemetry", "--no-server-metrics"),
    ]


def heard(task: Task) -> Heard:
    with (task.folder / "artifacts" / "profile_export.jsonl").open() as lines:
        records = [json.loads(line) for line in lines]
    profiled = [each for each in records if each["metadata"]["benchmark_phase"] == "profiling"]
    measured = [each["metrics"] for each in profiled if not each.get("error")]
    failed = task.requests - len(measured)
    if not task.stream:
        return Heard([], [], failed=failed)
    ttft_s = [each["time_to_first_token"]["value"] / 1e3 for each in measured]
    gaps_s = [gap / 1e3 for each in measured for gap in each.get("inter_chunk_latency", {"value": ()})["value"]]
    return Heard(ttft_s, gaps_s, failed=failed)
