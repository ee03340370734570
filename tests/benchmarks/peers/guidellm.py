"""GuideLLM: worker processes on httpx. It keeps one mean gap for each answer, so its p99 is of these means."""

import json

from tests.benchmarks.peers.task import Heard, Pace, Task
from tests.benchmarks.work import MODEL

NAME, DISTRIBUTION = "GuideLLM", "guidellm"
ENVIRONMENT = {"GUIDELLM__MAX_WORKER_PROCESSES": "1"}  # it has one core: ten, as it would have, only get in each other's way
EXITS = (0,)
PACE = Pace(saturated=600, short=2_000)
SEEN = "seen.json"


def words(task: Task) -> list[str]:
    """A closed loop on a file of prompts, of which the first requests are its warm-up."""
    stream = "true" if task.stream else "false"
    return [
        *(str(task.python.with_name("guidellm")), "run"),
        *("--backend", f"kind=openai_http,target={task.server},model={MODEL},stream={stream}"),
        *("--profile", f"kind=concurrent,streams={task.streams},warmup.mode=requests,warmup.value={task.warmup}"),
        *("--constraint", f"kind=max_requests,count={task.warmup + task.requests}"),
        *("--data", f"kind=json_file,path={task.prompts}", "--tokenizer", f"kind=huggingface_auto,model={task.tokenizer}"),
        *("--disable-console-interactive", "--output", f"kind=json,path={task.folder / SEEN}"),
    ]


def heard(task: Task) -> Heard:
    requests = json.loads((task.folder / SEEN).read_bytes())["benchmarks"][0]["requests"]
    failed = len(requests["errored"]) + len(requests["incomplete"])
    measured = requests["successful"]
    numbers = frozenset(int(each["response_id"].rsplit("-", 1)[1]) for each in measured)
    if not task.stream:
        return Heard([], [], failed=failed, numbers=numbers)
    gaps = [(each["inter_token_latency_ms"] / 1e3, each["output_tokens"] - 1) for each in measured]
    return Heard(
        [each["time_to_first_token_ms"] / 1e3 for each in measured],
        [mean for mean, count in gaps for _ in range(count)],
        means=True,
        failed=failed,
        numbers=numbers,
    )
