"""Plain Locust with its fast client, as `../fast_http_user.py` writes it: one process that makes load and keeps statistics."""

import json
import sys
from pathlib import Path

from tests.benchmarks.peers.task import Heard, Pace, Task

NAME, DISTRIBUTION = "Locust FastHttpUser", "locust"
ENVIRONMENT: dict[str, str] = {}
EXITS = (0,)
PACE = Pace(saturated=0, short=0)  # it is told how long
LOCUSTFILE = Path(__file__).parents[1] / "fast_http_user.py"
SEEN = "seen.json"


def words(task: Task) -> list[str]:
    users = "StreamedAnswers" if task.stream else "WholeAnswers"
    return [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), users, "--headless", "--only-summary", "--host", task.url),
        *("-u", str(task.streams), "-r", str(task.streams), "-t", f"{task.warmup_s + task.measure_s:.0f}s"),
        *("--seen", str(task.folder / SEEN)),
    ]


def heard(task: Task) -> Heard:
    seen = json.loads((task.folder / SEEN).read_bytes())
    since_ns = seen["began_ns"] + round(task.warmup_s * 1e9)
    measured = [(ttft_s, gaps_s) for asked_ns, ttft_s, gaps_s in seen["answers"] if asked_ns >= since_ns]
    return Heard([ttft_s for ttft_s, _ in measured], [gap for _, gaps_s in measured for gap in gaps_s], since_ns=since_ns)
