"""A run that never was: an exporter in a patched process, as Locust's master is, whose totals grow as the constants here say.

`python moving_run.py` prints its port, plays the batches when a line comes on stdin, says so, and ends with stdin.
"""

import sys
from decimal import Decimal

from harness.health import Health
from harness.measure import slo
from harness.measure.recorder import Recorder, Totals
from harness.rates import Rates
from harness.records import AttemptEnd, AttemptStart, Block, Phase, Usage

MS = 1_000_000
BATCHES, BATCH_S = 16, 0.1
OK_PER_BATCH, FAILED_PER_BATCH = 20, 1
SLOWNESS = {"alpha": 1, "beta": 2}  # endpoint -> what its times are multiplied by
INPUT_TOKENS, OUTPUT_TOKENS = 500, 11
RATES = Rates(source="test", input=Decimal(2), output=Decimal(8), per_request=Decimal("0.0001"))
WORKERS = {  # the first looks every millisecond and the second every two; each reads after half of that
    index: Health(
        at_ns=1,
        interval_ns=10**9,
        cpu_ratio=0.2 * index + 0.2,
        wait_ratio=0.1 * index + 0.1,
        gaps=(((index + 1) * MS, 1_000),),
        reads=(((index + 1) * MS // 2, 1_000),),
    )
    for index in range(2)
}
OBJECTIVES = tuple(
    slo.parse(text)
    for text in (
        "ttft.p99 <= 800 ms",
        "icl.p99 <= 60 ms",
        "tpot.p50 <= 50 ms",
        "e2e.p95 <= 2 s",
        "scheduled.e2e.p99 <= 3 s",
        "errors <= 1 %",
        "usd_per_attempt <= 0.02 USD",
        "requests_per_s >= 10",
    )
)


def ttft_ns(endpoint: str, number: int) -> int:
    """100, 110, ... 290 ms within each batch, times the endpoint's slowness."""
    return (100 + 10 * number) * MS * SLOWNESS[endpoint]


def batch(endpoint: str) -> bytes:
    """One report of one worker: 20 answers of 11 tokens, 20 ms apart, and one refusal to serve."""
    recorder = Recorder()
    for number in range(OK_PER_BATCH):
        sent_ns, gap_ns = 10**9, 20 * MS * SLOWNESS[endpoint]
        first_ns = sent_ns + ttft_ns(endpoint, number)
        end = AttemptEnd(
            id=str(number),
            kind="ok",
            sent_ns=sent_ns,
            first_token_ns=first_ns,
            first_output_ns=first_ns,
            last_token_ns=first_ns + (OUTPUT_TOKENS - 1) * gap_ns,
            chunks=OUTPUT_TOKENS,
            usage=Usage(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS),
        )
        recorder.observe(_start(endpoint, number, sent_ns - 5 * MS), end, [gap_ns] * (OUTPUT_TOKENS - 1))
    recorder.observe(_start(endpoint, OK_PER_BATCH, 0), AttemptEnd(id=str(OK_PER_BATCH), kind="http_rate_limited"), [])
    return recorder.flush()


def _start(endpoint: str, number: int, dispatched_ns: int) -> AttemptStart:
    return AttemptStart(
        id=str(number),
        endpoint=endpoint,
        level="8",
        phase=Phase.MEASURE,
        block=0,
        example="e",
        user=0,
        dispatched_ns=dispatched_ns,
    )


def main() -> None:
    from gevent import get_hub, monkey, sleep

    monkey.patch_all()
    from harness.loadgen.exporter import Exporter, RunInfo
    from harness.loadgen.progress import Progress

    read_line = get_hub().threadpool.apply  # stdin would block the hub
    totals = Totals()
    exporter = Exporter(totals, RunInfo("run-1", "moving", "0", dict.fromkeys(SLOWNESS, RATES), OBJECTIVES), WORKERS)
    print(exporter.start(port=0), flush=True)
    read_line(sys.stdin.readline)
    for number in range(1, BATCHES + 1):
        endpoint = list(SLOWNESS)[2 * (number - 1) // BATCHES]  # one half of the time each
        block = Block(id=number, cell=number, endpoint=endpoint, level="8", concurrency=8, phase=Phase.MEASURE, seconds=BATCH_S)
        exporter.show(Progress(block, number, BATCHES, "measure", seconds_left=0.1, in_flight=7, started=0, ended=0))
        for each in SLOWNESS:
            totals.merge(batch(each))
        sleep(BATCH_S)
    print("played", flush=True)
    read_line(sys.stdin.readline)
    exporter.stop()


if __name__ == "__main__":
    main()
