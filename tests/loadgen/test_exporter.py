"""The exporter says what the merged totals hold, in names that promtool accepts, and leaves when the last scrape is done."""

import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from harness.errors import HarnessError
from harness.health import Health
from harness.loadgen.exporter import Exporter, RunInfo, address
from harness.loadgen.progress import Progress
from harness.measure import slo
from harness.measure.recorder import Recorder, Totals
from harness.rates import Rates
from harness.records import AttemptEnd, AttemptStart, Block, Phase, Usage

MS = 1_000_000
RATES = Rates(
    source="test", input=Decimal("2.50"), output=Decimal(10), cached_read=Decimal("0.25"), per_request=Decimal("0.001")
)
INFO = RunInfo("run-1", "claims", "0.1.0", {"priced": RATES, "free": None}, (slo.parse("ttft.p99 <= 800 ms"),))
SECOND = Health(  # a look every 2 ms; 98 reads after 1 ms and two after 3 ms
    at_ns=1,
    interval_ns=10**9,
    cpu_ratio=0.25,
    wait_ratio=0.125,
    gaps=((2 * MS, 500),),
    reads=((1 * MS, 98), (3 * MS, 2)),
    backlog=7,
)
LABELS = {"endpoint": "priced", "level": "8", "phase": "measure"}
BLOCK = Block(id=0, cell=0, endpoint="priced", level="8", concurrency=8, phase=Phase.MEASURE, seconds=60.0)


def report(ttfts_ns: list[int], *, endpoint: str = "priced", kind: str = "ok", usage: Usage | None = None) -> bytes:
    """A worker's report, one attempt per TTFT: 4 chunks, the last 30 ms after the first, dispatched 5 ms before sending."""
    recorder = Recorder()
    for number, ttft_ns in enumerate(ttfts_ns):
        sent_ns = 10**9
        start = AttemptStart(
            id=f"a{number}",
            endpoint=endpoint,
            level="8",
            phase=Phase.MEASURE,
            block=0,
            example="e",
            user=0,
            dispatched_ns=sent_ns - 5 * MS,
        )
        first_ns = sent_ns + ttft_ns
        end = AttemptEnd(
            id=start.id,
            kind=kind,
            sent_ns=sent_ns,
            first_token_ns=first_ns,
            first_output_ns=first_ns,
            last_token_ns=first_ns + 30 * MS,
            chunks=4,
            usage=usage,
        )
        recorder.observe(start, end, [10 * MS] * 3)
    return recorder.flush()


def totals_of(*reports: bytes) -> Totals:
    totals = Totals()
    for each in reports:
        totals.merge(each)
    return totals


def samples(exporter: Exporter) -> CollectorRegistry:
    """A registry that answers `get_sample_value` from this exporter."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)
    return registry


def upto(registry: CollectorRegistry, edge: str) -> float | None:
    return registry.get_sample_value("signoff_ttft_seconds_bucket", {**LABELS, "le": edge})


@contextmanager
def started(exporter: Exporter) -> Iterator[int]:
    port = exporter.start(port=0)
    try:
        yield port
    finally:
        exporter.stop()


def fetch(port: int, accept: str = "*/*") -> tuple[str, str]:
    """Content type and body; from a native thread, so that this process's hub is free to serve."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})

    def read() -> tuple[str, str]:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.headers["Content-Type"], response.read().decode()

    fetched: tuple[str, str] = gevent.get_hub().threadpool.apply(read)
    return fetched


def test_a_value_on_an_edge_is_inside_it() -> None:
    """Buckets count values up to and with their edge; +Inf and the sum are exact."""
    found = samples(Exporter(totals_of(report([100 * MS, 101 * MS, 2_000 * MS])), INFO))
    assert (0, 1, 2) == (upto(found, "0.08"), upto(found, "0.1"), upto(found, "0.25"))
    assert (2, 3, 3) == (upto(found, "1.0"), upto(found, "2.5"), upto(found, "+Inf"))
    assert found.get_sample_value("signoff_ttft_seconds_sum", LABELS) == 2.201
    assert found.get_sample_value("signoff_ttft_seconds_count", LABELS) == 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1_000, 4_000_000_000_000), min_size=1, max_size=200))
def test_buckets_count_all_values_within_a_thousandth_of_the_edge(values_ns: list[int]) -> None:
    """For any values, a bucket holds all that are up to its edge and none that is 0.1 % beyond it."""
    found = samples(Exporter(totals_of(report(values_ns)), INFO))
    for edge in ("0.001", "0.1", "1.0", "40.0", "2560.0"):
        edge_ns = float(edge) * 1e9
        inside, near = (sum(value <= limit for value in values_ns) for limit in (edge_ns, edge_ns * 1.001))
        assert inside <= (upto(found, edge) or 0) <= near


def test_views_have_names_of_their_own() -> None:
    """The scheduled view starts at the dispatch of a closed loop, 5 ms before the service view."""
    found = samples(Exporter(totals_of(report([100 * MS])), INFO))
    sums = [
        found.get_sample_value(f"signoff_{name}_seconds_sum", LABELS)
        for name in ("ttft", "ttft_scheduled", "e2e", "e2e_scheduled")
    ]
    assert [0.1, 0.105, 0.13, 0.135] == sums
    assert found.get_sample_value("signoff_icl_seconds_count", LABELS) == 3


def test_a_quantile_waits_until_a_value_lies_beyond_it() -> None:
    """p99 of 99 values would be their maximum and is left out; p99 of 100 is the 99th."""
    few, enough = (samples(Exporter(totals_of(report([n * MS for n in range(1, count + 1)])), INFO)) for count in (99, 100))
    p99 = {**LABELS, "q": "0.99"}
    assert few.get_sample_value("signoff_ttft_quantile_seconds", p99) is None
    assert enough.get_sample_value("signoff_ttft_quantile_seconds", p99) == pytest.approx(0.099, rel=1e-3)
    assert enough.get_sample_value("signoff_ttft_quantile_seconds", {**LABELS, "q": "0.5"}) == pytest.approx(0.05, rel=1e-3)


def test_attempts_and_tokens_are_counted_by_kind() -> None:
    """Failures are attempts of their kind and give no latency."""
    usage = Usage(input_tokens=100, output_tokens=7)
    totals = totals_of(report([50 * MS] * 3, usage=usage), report([50 * MS] * 2, kind="http_server_error"))
    found = samples(Exporter(totals, INFO))
    assert found.get_sample_value("signoff_attempts_total", {**LABELS, "kind": "ok"}) == 3
    assert found.get_sample_value("signoff_attempts_total", {**LABELS, "kind": "http_server_error"}) == 2
    assert found.get_sample_value("signoff_output_tokens_total", LABELS) == 21
    assert found.get_sample_value("signoff_input_tokens_total", LABELS) == 300
    assert found.get_sample_value("signoff_ttft_seconds_count", LABELS) == 3


def test_spend_follows_the_rates() -> None:
    """1,000 input tokens (400 cached) and 200 output at 2.50, 0.25 and 10 per million, and 0.001 a request: 0.0046 USD."""
    usage = Usage(input_tokens=1_000, cached_read_tokens=400, output_tokens=200)
    found = samples(Exporter(totals_of(report([50 * MS] * 2, usage=usage)), INFO))
    assert found.get_sample_value("signoff_usd_total", LABELS) == 2 * 0.0046


@pytest.mark.parametrize("endpoint", ["free", "unheard_of"])
def test_without_a_price_there_is_no_spend(endpoint: str) -> None:
    """An unknown price gives no series, never 0 US dollars."""
    found = samples(
        Exporter(totals_of(report([50 * MS], endpoint=endpoint, usage=Usage(input_tokens=1, output_tokens=1))), INFO)
    )
    assert found.get_sample_value("signoff_usd_total", {**LABELS, "endpoint": endpoint}) is None


def test_the_block_that_runs_is_labelled_with_its_phase() -> None:
    """Users are those of the block, in flight is what the workers said, and the number is out of the plan's."""
    exporter = Exporter(Totals(), INFO)
    exporter.show(progress(BLOCK, phase="measure"))
    found = samples(exporter)
    assert found.get_sample_value("signoff_active_users", LABELS) == 8
    assert found.get_sample_value("signoff_in_flight_requests", LABELS) == 5
    assert (1, 12) == (found.get_sample_value("signoff_block_number"), found.get_sample_value("signoff_plan_blocks"))


def test_a_draining_block_has_no_active_users() -> None:
    """While a block drains nobody may send, and what is in flight is labelled so."""
    exporter = Exporter(Totals(), INFO)
    exporter.show(progress(BLOCK, phase="drain"))
    assert [] == [family.samples for family in exporter.collect() if family.name == "signoff_active_users" and family.samples]
    assert samples(exporter).get_sample_value("signoff_in_flight_requests", {**LABELS, "phase": "drain"}) == 5


def test_before_the_first_block_nothing_is_at_work() -> None:
    """Run and objectives are there from the start, in base units; users and requests are not."""
    exporter = Exporter(Totals(), INFO)
    exporter.show(progress(None, phase="starting"))
    found = samples(exporter)
    objective = {"metric": "ttft", "view": "service", "statistic": "p99", "op": "<="}
    assert found.get_sample_value("signoff_slo_threshold", objective) == pytest.approx(0.8)
    assert found.get_sample_value("signoff_run_info", {"run_id": "run-1", "scenario": "claims", "version": "0.1.0"}) == 1
    assert found.get_sample_value("signoff_active_users", LABELS) is None


def test_each_load_process_says_how_it_is() -> None:
    """Gauges of its newest second, in base units; a second that comes later replaces it, and what is unknown is not there."""
    workers = {1: SECOND}
    found = samples(Exporter(Totals(), INFO, workers))
    names = ("cpu_ratio", "wait_ratio", "hub_lag_p99_seconds", "read_lag_p99_seconds", "backlog")
    seen = [found.get_sample_value(f"signoff_client_{name}", {"worker": "1"}) for name in names]
    assert [0.25, 0.125, pytest.approx(0.00198), 0.003, 7] == seen
    workers[1] = Health(at_ns=2, interval_ns=1, cpu_ratio=0.5)
    seen = [found.get_sample_value(f"signoff_client_{name}", {"worker": "1"}) for name in names]
    assert [0.5, None, None, None, 0] == seen


def test_labels_are_the_scenarios_and_no_more() -> None:
    """Whatever is sent, a series is told apart by what the scenario names, the kind, a bucket or a quantile."""
    exporter = Exporter(totals_of(report([50 * MS] * 100)), INFO, {0: SECOND})
    exporter.show(progress(BLOCK, phase="measure"))
    per_cell = {name for family in exporter.collect() for each in family.samples for name in each.labels}
    about_run = {"run_id", "scenario", "version", "metric", "view", "statistic", "op", "worker"}
    assert {"endpoint", "level", "phase", "kind", "le", "q"} == per_cell - about_run


def test_openmetrics_is_served_to_who_asks() -> None:
    """Plain text by default, OpenMetrics when accepted; its own parser reads every family, and the end mark is there."""
    with started(Exporter(totals_of(report([50 * MS] * 100)), INFO)) as port:
        plain, _ = fetch(port)
        rich, body = fetch(port, "application/openmetrics-text;version=1.0.0")
    assert ("text/plain", "application/openmetrics-text") == (plain.split(";")[0], rich.split(";")[0])
    assert {"signoff_ttft_seconds", "signoff_attempts", "signoff_run"} <= {family.name for family in parse_openmetrics(body)}
    assert body.endswith("# EOF\n")


def test_it_listens_on_loopback_only() -> None:
    """Unless told otherwise, nobody outside this machine can ask."""
    exporter = Exporter(Totals(), INFO)
    with started(exporter):
        assert exporter._server.socket.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_the_users_to_mend() -> None:
    """The message names the flag and the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HarnessError, match=f"--metrics: cannot serve metrics on 127.0.0.1:{port}"):
            Exporter(Totals(), INFO).start(port)


def test_nobody_waits_for_a_scraper_that_never_came() -> None:
    """Without one scrape during the run, `stop` does not linger; the port is closed at once."""
    exporter = Exporter(Totals(), INFO)
    port = exporter.start(port=0)
    with gevent.Timeout(2):
        exporter.stop(linger_s=60)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_last_scrape_ends_the_lingering() -> None:
    """Once scraped, `stop` waits for a scrape of the final numbers, and no longer."""
    totals = totals_of(report([50 * MS]))
    exporter = Exporter(totals, INFO)
    port = exporter.start(port=0)
    fetch(port)
    totals.merge(report([50 * MS]))
    with gevent.Timeout(10):
        stopping = gevent.spawn(exporter.stop, linger_s=60)
        gevent.sleep(0)
        _, body = fetch(port)
        stopping.get()
    assert 'signoff_attempts_total{endpoint="priced",kind="ok",level="8",phase="measure"} 2.0' in body


def test_lingering_has_an_end() -> None:
    """A scraper that does not come back is not waited for beyond the limit."""
    exporter = Exporter(Totals(), INFO)
    fetch(exporter.start(port=0))
    with gevent.Timeout(5):
        exporter.stop(linger_s=0.05)


def test_promtool_finds_no_fault() -> None:
    """Names, units, types and labels keep Prometheus's conventions."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    exporter = Exporter(totals_of(report([50 * MS] * 100, usage=Usage(input_tokens=1, output_tokens=9))), INFO, {0: SECOND})
    exporter.show(progress(BLOCK, phase="measure"))
    with started(exporter) as port:
        _, body = fetch(port)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=body, capture_output=True, text=True, timeout=30, check=False
    )
    assert (0, "") == (checked.returncode, checked.stdout + checked.stderr)


def test_the_exporter_does_not_bring_locust() -> None:
    """Who only wants the exporter's port is not monkey-patched."""
    code = "import sys, harness.loadgen.exporter; print('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("text", "expected"), [("127.0.0.1:9646", ("127.0.0.1", 9646)), ("[::1]:0", ("::1", 0)), ("host:1", ("host", 1))]
)
def test_an_address_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    """HOST:PORT, brackets around an IPv6 host."""
    assert expected == address(text)


@pytest.mark.parametrize("text", ["", "9646", ":9646", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x"])
def test_anything_else_is_no_address(text: str) -> None:
    """The message quotes it."""
    with pytest.raises(HarnessError, match=f"--metrics: '{text}' is no address"):
        address(text)


def progress(block: Block | None, phase: str) -> Progress:
    return Progress(
        block=block, number=0 if block is None else 1, of=12, phase=phase, seconds_left=9.0, in_flight=5, started=9, ended=4
    )
