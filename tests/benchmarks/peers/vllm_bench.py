"""`vllm bench serve`: one asyncio process on aiohttp. It has streams only, so a short request is a stream of one token."""

import json

from tests.benchmarks.peers.task import Heard, Pace, Task
from tests.benchmarks.work import MODEL

NAME, DISTRIBUTION = "vLLM bench", "vllm"
ENVIRONMENT: dict[str, str] = {}
EXITS = (0,)
PACE = Pace(saturated=4_000, short=25_000)
SEEN = "seen.json"


def words(task: Task) -> list[str]:
    """A closed loop on a file of prompts; everything that it measured goes to a file."""
    return [
        *(str(task.python.with_name("vllm")), "bench", "serve", "--backend", "openai-chat"),
        *("--base-url", task.server, "--endpoint", "/v1/chat/completions", "--model", MODEL),
        *("--tokenizer", str(task.tokenizer), "--dataset-name", "custom", "--dataset-path", str(task.prompts)),
        *("--skip-chat-template", "--disable-shuffle", "--disable-tqdm"),
        *("--num-prompts", str(task.requests), "--num-warmups", str(task.warmup), "--max-concurrency", str(task.streams)),
        *("--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,99"),
        *("--save-result", "--save-detailed", "--result-dir", str(task.folder), "--result-filename", SEEN),
    ]


def heard(task: Task) -> Heard:
    seen = json.loads((task.folder / SEEN).read_bytes())
    whole = [number for number, error in enumerate(seen["errors"]) if not error]
    ttft_s = [seen["ttfts"][number] for number in whole]
    return Heard(ttft_s, [gap for number in whole for gap in seen["itls"][number]], failed=seen["failed"])
