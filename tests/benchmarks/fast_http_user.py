"""A locustfile as its user would write it, on Locust's fast client: no signoff in it, no more than Locust keeps.

    locust -f fast_http_user.py WholeAnswers --headless --host http://127.0.0.1:8100/v1 -u 64 -r 64 -t 10s
    locust -f fast_http_user.py StreamedAnswers --headless --host http://127.0.0.1:8100/v1 -u 64 -r 64 -t 10s

Streams are read event by event, which is the way of `FastHttpUser` that sees a token when it comes: its `iter_lines` waits
until 1,024 bytes are there. What it saw of each streamed answer can go to a file (`--seen`): when it asked (monotonic ns),
seconds to the first token, and between tokens.
"""

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events, task

PROMPT = "This is ticket q{}. " + "The quick brown fox jumps over the lazy dog. " * 4
seen: list[tuple[int, float, list[float]]] = []
began_ns: list[int] = []


def body(*, stream: bool) -> dict[str, Any]:
    prompt = PROMPT.format(random.randrange(4_000))
    return {"model": "ref", "messages": [{"role": "user", "content": prompt}], "stream": stream}


class WholeAnswers(FastHttpUser):
    @task
    def ask(self) -> None:
        answer = self.client.post("/chat/completions", json=body(stream=False)).json()
        assert answer["choices"][0]["message"]["content"]


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
        seen.append((asked_ns, ttft, [later - earlier for earlier, later in itertools.pairwise(tokens)]))


@events.init_command_line_parser.add_listener
def options(parser: Any) -> None:
    parser.add_argument("--seen", default="", help="file for what was seen of each streamed answer")


@events.test_start.add_listener
def begin(**_: Any) -> None:
    began_ns.append(time.monotonic_ns())


@events.quitting.add_listener
def write(environment: Any, **_: Any) -> None:
    if environment.parsed_options.seen:
        Path(environment.parsed_options.seen).write_text(json.dumps({"began_ns": began_ns[0], "answers": seen}))
