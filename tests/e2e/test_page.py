"""Locust's page beside a run: on 127.0.0.1, behind a login, and the run goes and ends as it would without it."""

import http.cookiejar
import json
import re
import signal
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from bare_locust import Locust

from harness import results

SCENARIO = """
name: paged
endpoints:
  first: {model: sim, simulated: {ttft: {median_s: 0.02}, itl: {median_s: 0.005}}}
prompts: {dataset: examples.jsonl}
load: {levels: [2], warmup_s: 0, measure_s: 60, drain_s: 5}
"""
PASSWORD = "CANARY-password"


class Browser:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def open(self, path: str, **form: str) -> tuple[int, str, str]:
        """(status, path where it ended, body); a form is posted."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self._opener.open(self._url + path, data, timeout=10) as answer:
                return answer.status, urllib.parse.urlsplit(answer.url).path, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, path, refused.read().decode("utf-8", "replace")


class Paged(NamedTuple):
    run: Locust
    browser: Browser
    port: int
    out: Path


@pytest.fixture(params=[[], ["--processes", "2"]], ids=["one process", "a master and two"])
def paged(request: pytest.FixtureRequest, tmp_path: Path, locust: Callable[..., Locust]) -> Paged:
    """A run of a minute that is under way, and its page."""
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    (tmp_path / "examples.jsonl").write_text('{"id": "1", "prompt": "x", "expected": "y"}\n')
    port, bind = free_port(), str(free_port())
    words = [
        "-f",
        "locustfiles/closed_loop.py",
        "--scenario",
        tmp_path,
        "--out",
        tmp_path / "runs",
        "--page",
        "--web-port",
        port,
    ]
    words += [*request.param, "--master-bind-port", bind, "--master-port", bind]
    run = locust("paged", *words, SIGNOFF_PAGE_PASSWORD=PASSWORD)
    journal = tmp_path / "runs" / "latest" / "journal-000.jsonl"
    run.until(lambda: journal.exists() and '"t":"end"' in journal.read_text())
    return Paged(run, Browser(port), port, tmp_path / "runs")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> set[str]:
    """Addresses at which somebody listens on this port, as the kernel writes them: 0100007F is 127.0.0.1."""
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return set(re.findall(rf"^ *\d+: (\w+):{port:04X} \w+:\w+ 0A", tables, re.MULTILINE))


def methods(browser: Browser) -> list[str]:
    """First column of Locust's table: our outcome kinds, and nothing for the sum of all."""
    return [row["method"] for row in json.loads(browser.open("/stats/requests")[2])["stats"]]


def ended(paged: Paged, code: int) -> results.Run:
    assert code == paged.run.end(20), paged.run.log
    assert "Traceback" not in paged.run.log
    return results.read_run((paged.out / "latest").resolve())


def test_what_a_stranger_sees(paged: Paged) -> None:
    """Without the password there is a login page and nothing else, and only this machine sees that; Ctrl-C ends it all."""
    assert {"0100007F"} == listening(paged.port)
    for path in ("/", "/stats/requests", "/logs", "/tasks", "/exceptions"):
        assert (200, "/login") == paged.browser.open(path)[:2], path
    for path in ("/swarm", "/stop", "/user"):
        assert (200, "/login") == paged.browser.open(path, user_count="9")[:2], path
    assert (200, "/login") == paged.browser.open("/signoff/login", username="me", password="CANARY-passworD")[:2]
    assert (200, "/login") == paged.browser.open("/")[:2]
    paged.run.process.send_signal(signal.SIGINT)
    run = ended(paged, 130)
    assert ("interrupted", {"ok"}) == (run.manifest.state, {each.end and each.end.kind for each in run.attempts})


def test_who_has_logged_in_sees_the_run_and_can_stop_it(paged: Paged) -> None:
    """Locust's own page and figures; it does not change the load, and its stop is a drain that loses nothing."""
    assert (200, "/") == paged.browser.open("/signoff/login", username="me", password=PASSWORD)[:2]
    paged.run.until(lambda: "ok" in methods(paged.browser))
    assert PASSWORD not in paged.browser.open("/")[2]
    assert 403 == paged.browser.open("/swarm", user_count="9", spawn_rate="9", host="x")[0]
    assert 403 == paged.browser.open("/user", user_class_name="x")[0]
    assert 200 == paged.browser.open("/stop", really="yes")[0]
    run = ended(paged, 130)
    assert ("interrupted", {"ok"}) == (run.manifest.state, {each.end and each.end.kind for each in run.attempts})
    assert [] == [path for path in run.path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]


def test_no_page_unless_asked_for(tmp_path: Path, locust: Callable[..., Locust]) -> None:
    """Bare Locust with nothing but a scenario: nobody listens, and with workers only 127.0.0.1 does."""
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    (tmp_path / "examples.jsonl").write_text('{"id": "1", "prompt": "x", "expected": "y"}\n')
    port, bind = free_port(), free_port()
    words = ["-f", "locustfiles/closed_loop.py", "--scenario", tmp_path, "--out", tmp_path / "runs", "--web-port", port]
    run = locust("bare", *words, "--processes", 2, "--master-bind-port", bind, "--master-port", bind)
    run.until(lambda: listening(bind) != set())
    assert ({"0100007F"}, set()) == (listening(bind), listening(port))
    journal = tmp_path / "runs" / "latest" / "journal-000.jsonl"
    run.until(lambda: journal.exists() and '"t":"end"' in journal.read_text())
    assert set() == listening(port)
    run.process.send_signal(signal.SIGINT)
    assert 130 == run.end(20), run.log


def test_a_taken_port(tmp_path: Path, locust: Callable[..., Locust]) -> None:
    """A page that cannot be served is a mistake before there is a run: exit 2, and no run directory."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["--scenario", "claims_triage", "--out", tmp_path / "runs", "--page", "--web-port", taken.getsockname()[1]]
        run = locust("taken", *words, SIGNOFF_PAGE_PASSWORD=PASSWORD)
        assert 2 == run.end(20), run.log
    assert "cannot serve Locust's page on 127.0.0.1" in run.log
    assert not (tmp_path / "runs").exists()
