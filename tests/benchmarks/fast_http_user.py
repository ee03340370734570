"""A locustfile as its user would write it, on Locust's fast client: no signoff in it, no more than Locust keeps.

    SEEN=seen.json locust -f fast_http_user.py WholeAnswers --headless --host http://127.0.0.1:8100/v1 -u 64 -r 64 -t 10s
    SEEN=seen.json locust -f fast_http_user.py StreamedAnswers --headless --host http://127.0.0.1:8100/v1 -u 64 -r 64 -t 10s

Streams are read line by line, which is the way of `FastHttpUser` that sees a token when it comes: its `iter_lines` waits until
1,024 bytes are there. What it saw of each streamed answer goes to the file `SEEN`: when it asked (monotonic ns), seconds to the
first token, and between tokens.
"""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events, task

PROMPT = "This is ticket q{}. " + "The quick brown fox jumps over the lazy dog. " * 4
seen: list[tuple[int, float, list[float]]] = []


def body(*, stream: bool) -> dict[str, Any]:
    prompt = PROMPT.format(random.randrange(4_000))
    return {"model": "ref", "messages": [{"role": "user", "content": prompt}], "stream": stream}


class WholeAnswers(FastHttpUser):
    @task
    def ask(self) -> None:
        with self.client.post("/chat/completions", json=body(stream=False), catch_response=True) as response:
            if not response.json()["choices"][0]["message"]["content"]:
                response.failure("no answer")


class StreamedAnswers(FastHttpUser):
    @task
    def ask(self) -> None:
        asked_ns, began = time.monotonic_ns(), time.perf_counter()
        tokens = []
        with self.client.post("/chat/completions", json=body(stream=True), stream=True, catch_response=True) as response:
            while line := response.stream.readline(b"\n\n"):
                if line.startswith(b"data: {"):
                    choices = json.loads(line[6:])["choices"]
                    if choices and choices[0]["delta"].get("content"):
                        tokens.append(time.perf_counter())
            if not tokens:
                response.failure("no answer")
                return
        ttft = tokens[0] - began
        events.request.fire(request_type="TTFT", name="chat", response_time=1e3 * ttft, response_length=0, exception=None)
        seen.append((asked_ns, ttft, [later - earlier for earlier, later in zip(tokens, tokens[1:], strict=False)]))


@events.quitting.add_listener
def write(**_: Any) -> None:
    if "SEEN" in os.environ:
        Path(os.environ["SEEN"]).write_text(json.dumps(seen))
