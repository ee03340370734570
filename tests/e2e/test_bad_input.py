"""What a user can get wrong: one screen with the place, the value and the remedy; the exit code; nothing made and nothing lost.

Most command lines run in this process: what they import takes a second, which is paid once.
"""

import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from screen import Done, told

SCENARIO = """
name: wrong
endpoints:
  fast: {model: sim, simulated: {}}
prompts: {dataset: examples.jsonl, template: "{{ prompt }}"}
load: {levels: [1], warmup_s: 0, measure_s: 1, drain_s: 1}
grading: {scorer: exact}
"""
ROWS = '{"id": "a", "prompt": "x", "expected": "y"}\n{"id": "b", "prompt": "x", "expected": "y"}\n'
REAL = "fast: {model: sim, base_url: 'http://127.0.0.1:9/v1', api_key_env: SIGNOFF_NO_SUCH_KEY}"
SIMULATED = "fast: {model: sim, simulated: {}}"


class Wrong(NamedTuple):
    """One mistake: a text of the scenario and what stands there instead, or other rows, or words of the command line."""

    says: tuple[str, ...]
    instead: tuple[str, str] = ("", "")
    rows: str = ROWS
    words: tuple[str, ...] = ()
    code: int = 2


MISTAKES = {
    "key variable missing": Wrong(("endpoints.fast.api_key_env", "'SIGNOFF_NO_SUCH_KEY'", "export"), (SIMULATED, REAL)),
    "unknown dialect": Wrong(
        ("scenario.yaml:4 endpoints.fast.dialect", "'openai_chatt'", "did you mean 'openai_chat'?"),
        ("{model: sim,", "{dialect: openai_chatt, model: sim,"),
    ),
    "unknown scorer": Wrong(("scenario.yaml:7 grading.scorer", "'exakt'", "did you mean 'exact'?"), ("exact", "exakt")),
    "unknown key": Wrong(("scenario.yaml:6 load", "'mesure_s'", "did you mean 'measure_s'?"), ("measure_s", "mesure_s")),
    "wrong type": Wrong(("scenario.yaml:6 load.measure_s", "'soon'", "number"), ("measure_s: 1", "measure_s: soon")),
    "key twice": Wrong(
        ("scenario.yaml:8 name", "first is on line 2", "keep one"), ("{scorer: exact}", "{scorer: exact}\nname: b")
    ),
    "not YAML": Wrong(("scenario.yaml:7", "not YAML", "indent"), ("drain_s: 1}", "drain_s: 1")),
    "no data set": Wrong(("scenario.yaml:5 prompts.dataset", "'example.jsonl'", "did you mean"), ("examples.", "example.")),
    "empty data set": Wrong(("examples.jsonl", "no examples", "one row per example"), rows=""),
    "id twice": Wrong(("examples.jsonl:3", "'a'", "first is on line 1"), rows=ROWS + '{"id": "a", "prompt": "z"}\n'),
    "line not JSON": Wrong(("examples.jsonl:3", "malformed", "one JSON object"), rows=ROWS + '{"id": "c" "prompt": "z"}\n'),
    "nothing to grade with": Wrong(("expected", "'c'", "must be a text"), rows=ROWS + '{"id": "c", "prompt": "z"}\n'),
    "template beside the data": Wrong(("prompts.template", "'promt'", "did you mean 'prompt'?"), ("{{ prompt", "{{ promt")),
    "unknown path to set": Wrong(("--set load.levls", "'levls'", "did you mean 'levels'?"), words=("--set", "load.levls=[1]")),
    "no address for metrics": Wrong(("--metrics", "'9646'", "HOST:PORT"), words=("--metrics", "9646")),
    "unwritable place": Wrong(("/proc/runs", "write to"), words=("--out", "/proc/runs"), code=6),
    "no folder": Wrong(("scenario.yaml/runs", "write to"), words=("--out", "scenario.yaml/runs"), code=6),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A scenario with a text of it replaced, and other rows."""

    def written(old: str = "", new: str = "", rows: str = ROWS) -> Path:
        assert old in SCENARIO
        (tmp_path / "scenario.yaml").write_text(SCENARIO.replace(old, new, 1) if old else SCENARIO)
        (tmp_path / "examples.jsonl").write_text(rows)
        return tmp_path

    return written


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, write: Callable[..., Path], here: Callable[..., Done]) -> None:
    """The message has the place, the value and the remedy; no run directory is made, nothing is printed on stdout."""
    wrong = MISTAKES[name]
    folder = write(*wrong.instead, rows=wrong.rows)
    words = ["--metrics", "", "--out", "runs", *wrong.words]
    done = here("run", "scenario.yaml", *words, cwd=folder)
    assert (wrong.code, "") == (done.code, done.out), done.err
    told(done.err, *wrong.says)
    assert not (folder / "runs").exists()


def test_metrics_port_taken(write: Callable[..., Path], here: Callable[..., Done]) -> None:
    """A port that somebody has is found before anything is made, with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = here("run", ".", "--out", "runs", "--metrics", address, cwd=write())
    assert 2 == done.code
    told(done.err, "--metrics", address, "Address already in use", "127.0.0.1:0")


def test_unknown_verb(signoff: Callable) -> None:
    """The nearest verb is named."""
    done = signoff("rnu")
    assert 2 == done.code
    told(done.err, "'rnu'", "Did you mean 'run'?")


# ----------------------------------------------------------------------------------------------------------- the wrong endpoint


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    """A web server that gives every POST one answer; yields a base URL on it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "kind", "body", "says"),
    [
        (404, "application/json", b'{"error": {"message": "no such path"}}', ("http_not_found", "no such path", "/v1")),
        (200, "text/html", b"<html>\x1b[31mWelcome\n</html>", ("unexpected_content", "[31mWelcome </html>", "base_url")),
        (405, "text/html", b"<h1>Not Allowed</h1>", ("405", "base_url")),
        (308, "text/html", b"", ("http_redirect", "not followed", "base_url")),
    ],
)
def test_wrong_address(
    status: int, kind: str, body: bytes, says: tuple[str, ...], write: Callable[..., Path], here: Callable[..., Done]
) -> None:
    """An address where no such API lives is found by one request: exit 3, and nothing of the page steers the terminal."""
    with answering(status, kind, body) as url:
        folder = write(SIMULATED, f"fast: {{model: sim, base_url: '{url}'}}")
        done = here("run", ".", "--out", "runs", "--metrics", "", cwd=folder)
    assert 3 == done.code
    told(done.err, f"endpoints.fast ({url})", *says)
    assert "\x1b" not in done.err
    assert not (folder / "runs").exists()


def test_authority_that_is_none(write: Callable[..., Path], here: Callable[..., Done], tmp_path: Path) -> None:
    """A relative `ca_file` is looked for beside the scenario, wherever the command is typed; no certificate in it: exit 2."""
    folder = write(SIMULATED, "fast: {model: sim, base_url: 'https://localhost:9/v1', tls: {ca_file: examples.jsonl}}")
    (tmp_path / "elsewhere").mkdir()
    done = here("run", folder, "--out", folder / "runs", "--metrics", "", cwd=tmp_path / "elsewhere")
    assert 2 == done.code
    told(done.err, "tls.ca_file", str(folder / "examples.jsonl"), "PEM")
    assert "No such file" not in done.err
    assert not (folder / "runs").exists()


def test_nobody_listens(write: Callable[..., Path], here: Callable[..., Done]) -> None:
    """A port without a server: exit 3."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        folder = write(SIMULATED, f"fast: {{model: sim, base_url: '{url}'}}")
        done = here("run", ".", "--out", "runs", "--metrics", "", cwd=folder)
    assert 3 == done.code
    told(done.err, url, "connect_refused", "is the server running")
    assert not (folder / "runs").exists()


def test_wrong_key(
    write: Callable[..., Path], tmp_path: Path, here: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is not let in: exit 3, the variable is what to look at, and the key itself is not shown."""
    config = tmp_path / "simulator.json"
    config.write_text(
        json.dumps({"candidates": [{"name": "a", "model": "sim", "api_key": "right"}], "until_stdin_closes": True})
    )
    with subprocess.Popen(
        [sys.executable, "-m", "harness.simulator", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as simulator:
        url = json.loads(simulator.stdout.readline())["ready"]["a"]
        folder = write(SIMULATED, f"fast: {{model: sim, base_url: '{url}', api_key_env: SIGNOFF_TEST_KEY}}")
        monkeypatch.setenv("SIGNOFF_TEST_KEY", "wr0ng-s3cret")
        done = here("run", ".", "--out", "runs", "--metrics", "", cwd=folder)
        simulator.stdin.close()
    assert 3 == done.code
    told(done.err, "endpoints.fast", "http_auth", "401", "api_key_env")
    assert "wr0ng-s3cret" not in done.err
    assert not (folder / "runs").exists()
