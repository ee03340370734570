"""The simulator over HTTP: what clients get, what raw sockets may do, and errors."""

import itertools
import json
import socket
from typing import Any

import httpx
import httpx_sse
import msgspec
import pytest

from harness.records import Message
from harness.simulator.knowledge import Known, prompt_key

EXACT = {"ttft": {"median_s": 0.005}, "itl": {"median_s": 0.001}}
PROMPT = [{"role": "user", "content": "Is the hail damage covered?"}]  # five tokens


@pytest.fixture
def served(start: Any) -> Any:
    """One fast candidate without a key, one with a key, one that always fails."""
    return start(
        filler_tokens=8,
        candidates=[
            {"name": "open", "model": "m", "reasoning_tokens": 2, "cached_ratio": 0.5, **EXACT},
            {"name": "locked", "model": "m", "api_key": "k", **EXACT},
            {"name": "failing", "model": "m", "error_rate": 1, **EXACT},
        ],
    )


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": PROMPT, **fields}


def request(fields: dict[str, Any], head: str = "") -> bytes:
    data = json.dumps(fields).encode()
    return f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


class Raw:
    """A client that says exactly these bytes."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self.file.readline().split()[1])
        lines = iter(self.file.readline, b"\r\n")
        return status, dict(line.decode().rstrip().split(": ", 1) for line in lines)

    def response(self) -> tuple[int, bytes]:
        """Status and body, by Content-Length or chunks."""
        status, headers = self.head()
        if "content-length" in headers:
            return status, self.file.read(int(headers["content-length"]))
        whole = b""
        while size := int(self.file.readline(), 16):
            whole += self.file.read(size)
            assert b"\r\n" == self.file.readline()
        assert b"\r\n" == self.file.readline()
        return status, whole


def test_a_stream_as_a_standard_client_sees_it(served: Any) -> None:
    """Role, reasoning, content, finish, usage and `[DONE]`, read by httpx and httpx-sse; the tokens add up."""
    with (
        httpx.Client(base_url=served.urls["open"], trust_env=False) as client,
        httpx_sse.connect_sse(
            client, "POST", "/chat/completions", json=body(stream=True, stream_options={"include_usage": True})
        ) as source,
    ):
        *events, done = [event.data for event in source.iter_sse()]
    role, *tokens, finish, usage = map(json.loads, events)
    deltas = [token["choices"][0]["delta"] for token in tokens]
    assert ("[DONE]", "chatcmpl-open-1", "open-1") == (done, role["id"], source.response.headers["x-request-id"])
    assert {"role": "assistant", "content": ""} == role["choices"][0]["delta"]
    assert ["reasoning_content"] * 2 + ["content"] * 8 == [key for delta in deltas for key in delta]
    assert "stop" == finish["choices"][0]["finish_reason"]
    assert (5, 10) == (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"])
    [line] = served.stop()
    assert (5, 2, 10, 2) == tuple(line[f"{kind}_tokens"] for kind in ("prompt", "cached", "completion", "reasoning"))
    assert ([1] * 10, 10, 10) == (line["chunk_tokens"], len(line["sent_ns"]), len(line["late_ns"]))


def test_a_whole_answer_is_the_stream_joined(served: Any) -> None:
    """The same prompt gets the same text, streamed or not, and max_tokens cuts both with `length`."""
    with httpx.Client(base_url=served.urls["open"], trust_env=False) as client:
        whole, again = (client.post("/chat/completions", json=body()).json() for _ in range(2))
        short = client.post("/chat/completions", json=body(max_tokens=5)).json()
    message = whole["choices"][0]["message"]
    assert message == again["choices"][0]["message"]
    assert message["content"].startswith(short["choices"][0]["message"]["content"])
    assert ("stop", 10) == (whole["choices"][0]["finish_reason"], whole["usage"]["completion_tokens"])
    assert ("length", 5) == (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"])
    assert [[10], [10], [5]] == [line["chunk_tokens"] for line in served.stop()]


def test_one_connection_serves_many_requests(served: Any) -> None:
    """Keep-alive after a stream, a document, an error and a chunked request body; then the client ends it."""
    data = json.dumps(body()).encode()
    halves = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (data[:9], data[9:])) + b"0\r\n\r\n"
    chunked = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + halves
    sayings = [request(body(stream=True)), b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n", request({}), chunked]
    with Raw(served.port("open")) as client:
        statuses = []
        for saying in [*sayings, request(body(), head="Connection: close\r\n")]:
            client.say(saying)
            statuses.append(client.response()[0])
        assert [200, 200, 400, 200, 200] == statuses
        assert b"" == client.file.read()


def test_pipelined_requests_are_answered_in_order(served: Any) -> None:
    """Sent in one piece, played one after the other; each is timed from when its turn came."""
    with Raw(served.port("open")) as client:
        client.say(
            request(body(stream=True)) * 2 + b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n" * 50 + request(body(max_tokens=3))
        )
        answers = [client.response() for _ in range(53)]
    assert [200] * 53 == [status for status, _ in answers]
    assert [1, 1, 0, 1] == [answer.count(b"chatcmpl") > 0 for _, answer in (*answers[:3], answers[-1])]
    lines = served.stop()
    assert [1, 2, 3] == [line["n"] for line in lines]
    assert all(before["done_ns"] <= after["received_ns"] for before, after in itertools.pairwise(lines))


def test_a_client_that_expects_100_gets_it(served: Any) -> None:
    """Between its head and its body, and the answer after it."""
    head, _, data = request(body(), head="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with Raw(served.port("open")) as client:
        client.say(head + b"\r\n\r\n")
        assert (100, {}) == client.head()
        client.say(data)
        assert 200 == client.response()[0]


@pytest.mark.parametrize(
    ("saying", "status"),
    [(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400), (b"GET /health HTTP/1.0\r\nHost: h\r\n\r\n", 505)],
    ids=["tls", "1.0"],
)
def test_what_is_not_http11_is_refused_and_ends(served: Any, saying: bytes, status: int) -> None:
    """With an error that can be read; the next connection is not affected."""
    with Raw(served.port("open")) as client:
        client.say(saying)
        got, problem = client.response()
        assert (status, b"") == (got, client.file.read())
        assert b"HTTP" in problem
    assert 200 == httpx.get(served.urls["open"] + "/models", trust_env=False).status_code


def test_a_key_is_asked_for_where_there_is_one(served: Any) -> None:
    """401 for none and for a wrong one, on answers and on resources, without repeating it; health is open."""
    url = served.urls["locked"]
    with httpx.Client(trust_env=False) as client:
        for headers in ({}, {"authorization": "Bearer secret-guess"}):
            for answer in (
                client.post(f"{url}/chat/completions", json=body(), headers=headers),
                client.get(f"{url}/models", headers=headers),
            ):
                assert (401, "invalid_api_key") == (answer.status_code, answer.json()["error"]["code"])
                assert "secret-guess" not in answer.text
        right = {"authorization": "Bearer k"}
        assert 200 == client.post(f"{url}/chat/completions", json=body(), headers=right).status_code
        assert ["m"] == [model["id"] for model in client.get(f"{url}/models", headers=right).json()["data"]]
        assert 200 == client.get(url.removesuffix("/v1") + "/health").status_code
    assert [401, 401, 200] == [line["status"] for line in served.stop()]


def test_unknown_paths_and_models_are_404(served: Any) -> None:
    """In the shape of OpenAI's errors."""
    url = served.urls["open"]
    with httpx.Client(trust_env=False) as client:
        answers = [
            client.post(f"{url}/chat/completions", json=body(model="other")),
            client.post(f"{url}/completions", json=body()),
            client.get(f"{url}/chat/completions"),
        ]
    for answer in answers:
        assert 404 == answer.status_code
        assert {"message", "type", "param", "code"} == answer.json()["error"].keys()
    assert "model_not_found" == answers[0].json()["error"]["code"]


def test_failures_look_like_failures(served: Any) -> None:
    """429 says when to come again, 500 does not; each leaves a line of truth that answered nothing."""
    with httpx.Client(base_url=served.urls["failing"], trust_env=False) as client:
        answers = [client.post("/chat/completions", json=body(stream=True)) for _ in range(20)]
    assert {(429, "1"), (500, None)} == {(answer.status_code, answer.headers.get("retry-after")) for answer in answers}
    lines = served.stop()
    assert [answer.status_code for answer in answers] == [line["status"] for line in lines]
    assert {(0, None, False)} == {(line["completion_tokens"], line["right"], line["aborted"]) for line in lines}


def test_large_events_and_requests_pass(start: Any) -> None:
    """A token of 256 KB is one event, whole in both modes, and a prompt of 1 MB is counted to the last token."""
    profile = {"name": "large", "model": "m", "accuracy": 1.0, "ttft": {"median_s": 0.0}, "itl": {"median_s": 0.001}}
    prompt = "word " * 200_000
    known = Known("e", prompt_key([Message("user", prompt)]), right="y" * (4 * 256 << 10), wrong="", token_chars=256 << 10)
    simulator = start(candidates=[profile], knowledge=[msgspec.to_builtins(known)])
    long = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    with httpx.Client(base_url=simulator.urls["large"], trust_env=False) as client:
        whole = client.post("/chat/completions", json=long).json()
        with httpx_sse.connect_sse(client, "POST", "/chat/completions", json={**long, "stream": True}) as source:
            *events, _ = [event.data for event in source.iter_sse()]
    deltas = [choice["delta"].get("content") for event in map(json.loads, events) for choice in event["choices"]]
    texts = [text for text in deltas if text]
    assert [256 << 10] * 4 == [len(text) for text in texts]
    assert (whole["choices"][0]["message"]["content"], 200_001) == ("".join(texts), whole["usage"]["prompt_tokens"])
    assert [4, 4] == [line["completion_tokens"] for line in simulator.stop()]


def test_what_is_met_again_is_not_mixed_up(served: Any) -> None:
    """Two prompts, streams and limits in turn, twice over on one candidate: each gets what it got the first time."""
    asks = [body(), body(max_tokens=3), {**body(), "messages": [{"role": "user", "content": "Other?"}]}, body(model="no")]
    with httpx.Client(base_url=served.urls["open"], trust_env=False) as client:
        first, again = ([client.post("/chat/completions", json=ask).json() for ask in asks] for _ in range(2))
    spoken = [[answer.get("choices"), answer.get("usage"), answer.get("error")] for answer in (*first, *again)]
    assert spoken[:4] == spoken[4:]
    assert 4 == len({json.dumps(each) for each in spoken})
