"""The Prometheus exporter of a run: the master's merged totals, turned into metrics when somebody asks for them.

The one rule: nothing happens per request. A scrape reads the histograms into which the workers' one-second reports were merged,
and labels come from the scenario (endpoint, level, phase, outcome kind), so that traffic cannot make series.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from harness.errors import HarnessError
from harness.health import Health
from harness.loadgen.guard import estimated_usd
from harness.loadgen.progress import Progress
from harness.measure.histogram import HIGHEST_NS, Histogram, bucket_counts
from harness.measure.recorder import Cell, CellTotals, Totals
from harness.measure.slo import Objective
from harness.measure.spread import quantile_ns, wait_ns
from harness.rates import Rates

DEFAULT_PORT = 9646  # Locust's in Prometheus's list of default ports
CONNECTIONS = 32
NS_PER_S = 1_000_000_000
QUANTILES = {0.5: 2, 0.9: 10, 0.95: 20, 0.99: 100, 0.999: 1000}  # q: the fewest values of which one lies beyond it
Cells = Sequence[tuple[Cell, CellTotals]]

# The edges of vLLM's own histograms (vllm/v1/metrics/loggers.py), so that a server's curve can be subtracted from ours.
_TTFT_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560)
_GAP_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_E2E_S = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)


@dataclass(frozen=True)
class RunInfo:
    """What does not change during a run. `rates` has None for an endpoint without a price; it then has no spend, not 0."""

    run_id: str
    scenario: str
    version: str
    rates: Mapping[str, Rates | None]
    objectives: tuple[Objective, ...] = ()


class _Edges:
    """Bucket edges as Prometheus writes them, and the HDR bucket that each of them falls into."""

    def __init__(self, edges_s: tuple[float, ...]) -> None:
        self.labels = [str(float(edge)) for edge in edges_s]
        self.buckets = [bucket_counts([min(round(edge * NS_PER_S), HIGHEST_NS)])[0][0] for edge in edges_s]

    def cumulative(self, histogram: Histogram) -> list[tuple[str, float]]:
        """(edge, how many values up to it), `+Inf` last. The HDR bucket of an edge counts whole: 0.1 % of the edge too high."""
        filled, counts = np.array(histogram.sparse(), dtype=np.int64).reshape(-1, 2).T
        upto = np.concatenate(([0], np.cumsum(counts)))[np.searchsorted(filled, self.buckets, side="right")]
        return [*zip(self.labels, upto.tolist(), strict=True), ("+Inf", histogram.n)]


_LATENCIES = {
    "ttft": ("Time to first token, from the first byte sent.", _Edges(_TTFT_S)),
    "ttfo": ("Time to first output that is not reasoning, from the first byte sent.", _Edges(_TTFT_S)),
    "icl": ("Inter-chunk latency: gaps between reads that carried tokens.", _Edges(_GAP_S)),
    "tpot": ("Time per output token after the first read, one value per answer.", _Edges(_GAP_S)),
    "e2e": ("From the first byte sent to the last token.", _Edges(_E2E_S)),
    "ttft_scheduled": ("Time to first token, from the intended start.", _Edges(_TTFT_S)),
    "e2e_scheduled": ("From the intended start to the last token.", _Edges(_E2E_S)),
}


def _seconds(duration_ns: float | None) -> float | None:
    return None if duration_ns is None else duration_ns / NS_PER_S


# Each of them is of the last second; `measure.health` has the limits beyond which a run is INVALID(client_limited).
_CLIENT: tuple[tuple[str, str, Callable[[Health], float | None]], ...] = (
    ("cpu_ratio", "Processor time of a load process, as a share of one core.", lambda sample: sample.cpu_ratio),
    ("wait_ratio", "Time in which a load process could run and had no processor.", lambda sample: sample.wait_ratio),
    (
        "hub_lag_p99_seconds",
        "How long what comes at any moment waits, at most 99 % of the time, until a load process looks at its sockets.",
        lambda sample: _seconds(wait_ns(sample.gaps, 0.99)),
    ),
    (
        "read_lag_p99_seconds",
        "How long the newest bytes of a read had been readable in a load process, p99.",
        lambda sample: _seconds(quantile_ns(sample.reads, 0.99)),
    ),
    ("backlog", "Most pieces of decoding work that waited at once in a load process.", lambda sample: sample.backlog),
)


class Exporter:
    """Serves /metrics from the hub of the process that merges: a scrape and a merge cannot interleave, so nothing is locked.

    `workers` has the newest sample of each load process, by its number; it changes while the run goes on, as `totals` do.
    """

    def __init__(self, totals: Totals, info: RunInfo, workers: Mapping[int, Health] | None = None) -> None:
        self._totals, self._info = totals, info
        self._workers = {} if workers is None else workers
        self._progress: Progress | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._server: Any = None
        self._scraped = Event()

    def show(self, progress: Progress) -> None:
        """Where the run is now."""
        self._progress = progress

    def start(self, port: int = DEFAULT_PORT, addr: str = "127.0.0.1") -> int:
        """Serve until `stop`; returns the port, which the system chooses for 0. `HarnessError` when it cannot be had."""
        try:
            listener = socket.create_server((addr, port), family=socket.AF_INET6 if ":" in addr else socket.AF_INET)
        except OSError as failed:
            remedy = "give another address, as in --metrics 127.0.0.1:0 for any free port, or --metrics '' for none"
            raise HarnessError(f"cannot serve metrics on {addr}:{port}: {failed}", where="--metrics", remedy=remedy) from failed
        listener.setblocking(False)  # the server asks for more connections until one would block
        self._server = WSGIServer(listener, self._answer, spawn=Pool(CONNECTIONS), log=None)
        self._server.start()
        return int(self._server.server_port)

    def stop(self, linger_s: float = 0.0) -> None:
        """Wait for one scrape of the final numbers, no longer than this and only if somebody has scraped at all; then close."""
        if self._server is None:
            return
        if self._scraped.is_set():
            self._scraped.clear()
            self._scraped.wait(linger_s)
        self._server.stop(timeout=0)
        self._server = None

    def collect(self) -> Iterator[Metric]:
        """All metrics as of now: prometheus_client's protocol of a collector."""
        cells = list(self._totals)
        yield from _about(self._info)
        if self._progress is not None:
            yield from _position(self._progress)
        yield from _counts(cells, self._info.rates)
        for metric in _LATENCIES:
            yield from _latency(metric, cells)
        yield from _client(self._workers)

    def _answer(self, environ: Mapping[str, str], start_response: Callable[..., Any]) -> Iterator[bytes]:
        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        body = encode(self._registry)
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        yield body
        self._scraped.set()  # only now: the server comes back here when the kernel has the bytes


def address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, as --metrics has it. `HarnessError` when it is none."""
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) < 65_536):
        remedy = f"write HOST:PORT, as in 127.0.0.1:{DEFAULT_PORT}; port 0 takes any that is free"
        raise HarnessError(f"{text!r} is no address", where="--metrics", remedy=remedy)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _about(info: RunInfo) -> Iterator[Metric]:
    about = {"run_id": info.run_id, "scenario": info.scenario, "version": info.version}
    yield InfoMetricFamily("signoff_run", "The run that these metrics belong to.", about)
    labels = ("metric", "view", "statistic", "op")
    slo = GaugeMetricFamily("signoff_slo_threshold", "Objectives of the scenario, in base units.", labels=labels)
    for each in info.objectives:
        slo.add_metric((each.metric, each.view, each.statistic or "", each.op), each.bound)
    yield slo


def _position(progress: Progress) -> Iterator[Metric]:
    yield GaugeMetricFamily("signoff_plan_blocks", "Blocks in the plan of the run.", progress.of)
    yield GaugeMetricFamily("signoff_block_number", "The block that runs now, from 1; 0 before the first.", progress.number)
    block = progress.block
    if block is None:
        return
    blocks = (block, *progress.beside)
    is_open = progress.phase == block.phase
    at_work = [(Cell(each.endpoint, each.level, progress.phase), each.concurrency) for each in blocks if is_open]
    yield _per_cell(GaugeMetricFamily, "active_users", "Users that send requests now; none while a block drains.", at_work)
    where = Cell(" + ".join(each.endpoint for each in blocks), block.level, progress.phase)  # workers count all they have
    in_flight = [(where, progress.in_flight)]
    yield _per_cell(GaugeMetricFamily, "in_flight_requests", "Requests that were sent and have not ended.", in_flight)


def _client(workers: Mapping[int, Health]) -> Iterator[Metric]:
    """How each load process is; what one does not know has no sample."""
    for name, about, read in _CLIENT:
        metric = GaugeMetricFamily(f"signoff_client_{name}", about, labels=("worker",))
        for index, sample in sorted(workers.items()):
            value = read(sample)
            if value is not None:
                metric.add_metric((str(index),), value)
        yield metric


def _counts(cells: Cells, rates: Mapping[str, Rates | None]) -> Iterator[Metric]:
    output = [(cell, totals.output_tokens) for cell, totals in cells]
    yield _per_cell(CounterMetricFamily, "output_tokens", "Output tokens as the server's usage counts them.", output)
    input_ = [(cell, totals.input_tokens) for cell, totals in cells]
    yield _per_cell(CounterMetricFamily, "input_tokens", "Input tokens as the server's usage counts them.", input_)
    priced = [(cell, totals, price) for cell, totals in cells if (price := rates.get(cell.endpoint)) is not None]
    usd = [(cell, float(estimated_usd(totals, price))) for cell, totals, price in priced]
    yield _per_cell(CounterMetricFamily, "usd", "Estimated spend in US dollars; the report prices each attempt.", usd)
    kinds = CounterMetricFamily("signoff_attempts", "Attempts that ended, by outcome kind.", labels=(*Cell._fields, "kind"))
    for cell, totals in cells:
        for kind, count in sorted(totals.kinds.items()):
            kinds.add_metric((*cell, kind), count)
    yield kinds


def _per_cell(
    family: type[GaugeMetricFamily | CounterMetricFamily], name: str, about: str, values: Iterable[tuple[Cell, float]]
) -> Metric:
    metric = family(f"signoff_{name}", about, labels=Cell._fields)
    for cell, value in values:
        metric.add_metric(cell, value)
    return metric


def _latency(metric: str, cells: Cells) -> Iterator[Metric]:
    """A classic histogram, and gauges of the HDR quantiles: what PromQL reads from such wide buckets is tens of percent off.

    A quantile is there once a value lies beyond it; before, it would be the maximum under another name.
    """
    about, edges = _LATENCIES[metric]
    buckets = HistogramMetricFamily(f"signoff_{metric}_seconds", about, labels=Cell._fields)
    read = f"{about} Quantile since the start of the run, from HdrHistogram."
    quantiles = GaugeMetricFamily(f"signoff_{metric}_quantile_seconds", read, labels=(*Cell._fields, "q"))
    for cell, totals in cells:
        histogram = totals.histograms.get(metric)
        if histogram is None:
            continue
        buckets.add_metric(cell, edges.cumulative(histogram), histogram.sum_ns / NS_PER_S)
        for q, enough in QUANTILES.items():
            value_ns = histogram.value_at(q) if histogram.n >= enough else None
            if value_ns is not None:
                quantiles.add_metric((*cell, str(q)), value_ns / NS_PER_S)
    yield from (buckets, quantiles)
