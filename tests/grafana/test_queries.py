"""Every query of every dashboard, executed by a real Prometheus on a run whose numbers are known."""

import json
import math
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import moving_run
import pytest
from dashboard_files import DASHBOARDS, Query, queries
from moving_run import BATCHES, FAILED_PER_BATCH, INPUT_TOKENS, OK_PER_BATCH, OUTPUT_TOKENS, RATES, SLOWNESS

STEP_S = 0.2
CHOSEN = {"endpoint": ".*", "level": ".*", "q": "0.5|0.99", "__rate_interval": "1s"}
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: signoff, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""
Series = dict[str, dict[float, float]]

ATTEMPTS = BATCHES * (OK_PER_BATCH + FAILED_PER_BATCH)
USD_PER_OK = float((RATES.input * INPUT_TOKENS + RATES.output * OUTPUT_TOKENS) / 1_000_000)
USD = BATCHES * OK_PER_BATCH * USD_PER_OK + ATTEMPTS * float(RATES.per_request)


class Prometheus:
    """A running server and the time range of the run that it has scraped."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.began_s = self.ended_s = 0.0

    def get(self, path: str, **arguments: Any) -> Any:
        """`data` of an answer of the HTTP API; the error text of Prometheus when it refuses."""
        try:
            with urllib.request.urlopen(f"{self._url}{path}?{urllib.parse.urlencode(arguments)}", timeout=5) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(refused.read().decode()) from refused

    def over_the_run(self, expr: str) -> Series:
        """What a panel draws: by the values of the labels, in the order of their names, the value at each step."""
        found = self.get("/api/v1/query_range", query=expr, start=self.began_s, end=self.ended_s, step=STEP_S)["result"]
        return {_name(each["metric"]): {at: float(value) for at, value in each["values"]} for each in found}

    def last(self, expr: str) -> dict[str, float]:
        """The newest value of every series."""
        return {name: values[max(values)] for name, values in self.over_the_run(expr).items()}

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=1):
                return True
        except OSError:
            return False

    def holds(self, expr: str) -> bool:
        return bool(self.get("/api/v1/query", query=expr)["result"])


def _name(labels: dict[str, str]) -> str:
    return " ".join(value for key, value in sorted(labels.items()) if key not in ("__name__", "instance", "job"))


def _substituted(text: str) -> str:
    """The expression as Grafana sends it with everything chosen; a variable that is not known here is an error."""
    return re.sub(r"\$(\w+)", lambda found: CHOSEN[found[1]], text)


def _until(holds: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} took longer than {seconds} s")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the whole of `moving_run`, from before its start to after its end."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    run = subprocess.Popen(
        [sys.executable, moving_run.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdin is not None
    assert run.stdout is not None
    (folder / "prometheus.yml").write_text(CONFIG.format(port=int(run.stdout.readline())))
    server = _prometheus(program, folder, port := _free_port())
    prometheus = Prometheus(port)
    try:
        _until(prometheus.is_ready, "starting Prometheus")
        _until(lambda: prometheus.holds("signoff_run_info"), "the first scrape")
        prometheus.began_s = time.time()
        print(file=run.stdin, flush=True)
        assert run.stdout.readline() == "played\n"
        _until(lambda: prometheus.holds(f"signoff_block_number == {BATCHES}"), "the last scrape")
        prometheus.ended_s = time.time()
        yield prometheus
    finally:
        for process in (run, server):
            process.terminate()
            process.communicate(timeout=10)


def _prometheus(program: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    words = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([*words, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_query_shows_something_that_moves(scraped: Prometheus, query: Query) -> None:
    """Prometheus accepts it, and over the run it has at least one value above zero and none that is infinite."""
    values = [value for series in scraped.over_the_run(_substituted(query.expr)).values() for value in series.values()]
    assert any(value > 0 for value in values), f"empty: {query.expr}"
    assert not any(math.isinf(value) for value in values)


@pytest.mark.parametrize(("name", "choices"), [("endpoint", sorted(SLOWNESS)), ("level", ["8"])])
def test_a_variable_offers_choices(scraped: Prometheus, name: str, choices: list[str]) -> None:
    """The `label_values(metric, label)` of each dashboard's variable of that name finds the scenario's names."""
    variables = [each for board in DASHBOARDS.values() for each in board["templating"]["list"] if each["name"] == name]
    assert variables
    for variable in variables:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
        assert found is not None
        assert choices == scraped.get(f"/api/v1/label/{found[2]}/values", **{"match[]": found[1]})


EXPECTED = {
    ("Attempts", "A"): {"": 2 * ATTEMPTS},
    ("Spent so far", "A"): {"": 2 * USD},
    ("Plan done", "A"): {"": 1.0},
    # Nearest ranks 160 and 317 of 320 values, which are 16 each of 100, 110, ... 290 ms.
    ("TTFT", "A"): {
        "alpha 8 measure 0.5": 0.19,
        "alpha 8 measure 0.99": 0.29,
        "beta 8 measure 0.5": 0.38,
        "beta 8 measure 0.99": 0.58,
    },
    ("TTFT", "SLO"): {"ttft <= p99 service": 0.8},
    ("ICL", "A"): {f"{endpoint} 8 measure {q}": 0.02 * slow for endpoint, slow in SLOWNESS.items() for q in ("0.5", "0.99")},
    ("TPOT", "A"): {f"{endpoint} 8 measure {q}": 0.02 * slow for endpoint, slow in SLOWNESS.items() for q in ("0.5", "0.99")},
    # 10 gaps of 20 ms after the first token.
    ("e2e", "A"): {
        "alpha 8 measure 0.5": 0.39,
        "alpha 8 measure 0.99": 0.49,
        "beta 8 measure 0.5": 0.78,
        "beta 8 measure 0.99": 0.98,
    },
    ("e2e from the intended start", "SLO"): {"e2e <= p99 scheduled": 3.0},
    ("Error ratio", "SLO"): {"errors <= service": 0.01},
    ("Spend per attempt", "A"): dict.fromkeys(SLOWNESS, USD / ATTEMPTS),
    ("Load processes: processor", "A"): {"0": 0.2, "1": 0.4},
    ("Load processes: processor", "B"): {"0": 0.1, "1": 0.2},
    # 99 % of the time less than 0.99 of a regular gap is left.
    ("Load processes: lateness", "A"): {"0": 0.00099, "1": 0.00198},
    ("Load processes: lateness", "B"): {"0": 0.0005, "1": 0.001},
}


@pytest.mark.parametrize(("panel", "ref"), EXPECTED, ids=lambda part: part)
def test_a_panel_ends_on_the_known_numbers(scraped: Prometheus, panel: str, ref: str) -> None:
    """What stands at the right edge is the truth, to the 3 digits of HdrHistogram."""
    assert scraped.last(_expr(panel, ref)) == pytest.approx(EXPECTED[panel, ref], rel=1e-3)


def test_the_error_ratio_is_known_at_every_moment(scraped: Prometheus) -> None:
    """One attempt in 21 fails in every report, so the ratio of two rates is 1/21 while anything moves."""
    seen = {round(value, 9) for series in scraped.over_the_run(_expr("Error ratio")).values() for value in series.values()}
    assert {round(1 / 21, 9)} == {value for value in seen if not math.isnan(value)}


def test_burn_is_requests_times_their_price(scraped: Prometheus) -> None:
    """At every step, US dollars an hour / 3600 = requests per second x US dollars per attempt."""
    burn = scraped.over_the_run(_expr("Burn per hour"))
    requests = scraped.over_the_run(_expr("Requests per second"))
    for endpoint in SLOWNESS:
        expected = {at: 3600 * rate * USD / ATTEMPTS for at, rate in requests[f"{endpoint} 8"].items()}
        assert burn[endpoint] == pytest.approx(expected, rel=1e-6)


def test_the_quantile_from_buckets_lies_in_its_bucket(scraped: Prometheus) -> None:
    """TTFT p99 of alpha is 290 ms: PromQL can only say that it is between vLLM's edges 0.25 and 0.5."""
    seen = scraped.over_the_run(_expr("TTFT p99 of the last moments"))["alpha 8"].values()
    assert all(0.25 < value <= 0.5 for value in seen if not math.isnan(value))


def test_blocks_are_shaded_one_after_the_other(scraped: Prometheus) -> None:
    """At any moment exactly one block has users at work: the last one is gone as soon as the next begins."""
    found = scraped.over_the_run(_expr("annotations", "blocks"))
    assert set(found) == {f"{endpoint} 8 measure" for endpoint in SLOWNESS}
    moments = [at for series in found.values() for at in series]
    assert len(moments) == len(set(moments))


def _expr(panel: str, ref: str = "A") -> str:
    [expr] = [query.expr for query in queries() if (query.dashboard, query.panel, query.ref) == ("live_run", panel, ref)]
    return _substituted(expr)
