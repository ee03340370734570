"""What workers collect and a master adds up is what happened: nothing lost, nothing counted twice."""

import subprocess
import sys

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.recorder import METRICS, Cell, Interval, Recorder, Totals
from harness.records import AttemptEnd, AttemptStart, Phase, Usage

KINDS = st.sampled_from(["ok", "ok", "ok", "refused", "stream_reset", "connect_refused"])
ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(["fast", "slow"]),
        st.sampled_from([Phase.WARMUP, Phase.MEASURE]),
        KINDS,
        st.lists(st.integers(1, 10**10), max_size=12),
        st.none() | st.integers(0, 500),
    ),
    max_size=30,
)


def attempt(
    endpoint: str, phase: Phase, kind: str, icl_ns: list[int], output_tokens: int | None
) -> tuple[AttemptStart, AttemptEnd, list[int]]:
    start = AttemptStart(
        id="0-1", endpoint=endpoint, level="4", phase=phase, block=1, example="a", user=0, dispatched_ns=0, scheduled_ns=-50_000
    )
    end = AttemptEnd(
        id="0-1",
        kind=kind,
        sent_ns=100_000,
        first_token_ns=5_100_000,
        first_output_ns=6_100_000,
        last_token_ns=5_100_000 + sum(icl_ns),
        chunks=len(icl_ns) + 1,
        usage=Usage(input_tokens=7, output_tokens=output_tokens),
    )
    return start, end, icl_ns


def figures(totals: Totals) -> dict[Cell, object]:
    return {
        cell: (
            dict(total.kinds),
            (total.chunks, total.input_tokens, total.output_tokens, total.uncounted),
            {name: (h.sparse(), h.n, h.min_ns, h.max_ns, h.sum_ns) for name, h in total.histograms.items()},
        )
        for cell, total in totals
    }


@given(ATTEMPTS, st.integers(1, 4), st.integers(1, 5))
def test_many_recorders_merged_are_one_recorder(
    attempts: list[tuple[str, Phase, str, list[int], int | None]], workers: int, flush_every: int
) -> None:
    """Attempts spread over workers and flushes add up to the same counts, quantiles, sums and kinds as one worker's."""
    alone, together = Totals(), Totals()
    one, many = Recorder(), [Recorder() for _ in range(workers)]
    for number, values in enumerate(attempts):
        one.observe(*attempt(*values))
        many[number % workers].observe(*attempt(*values))
        if number % flush_every == 0:
            together.merge(many[number % workers].flush())
    alone.merge(one.flush())
    for recorder in many:
        together.merge(recorder.flush())
    assert figures(alone) == figures(together)
    assert len(attempts) == sum(total.attempts for _, total in together)


def test_every_metric_of_a_good_attempt() -> None:
    """Stamps become the seven live metrics, each with its exact value."""
    recorder, totals = Recorder(), Totals()
    recorder.observe(*attempt("fast", Phase.MEASURE, "ok", [10_000_000, 30_000_000], 5))
    totals.merge(recorder.flush())
    ((cell, total),) = totals
    assert Cell("fast", "4", "measure") == cell
    expected = {
        "ttft": 5_000_000,
        "ttfo": 6_000_000,
        "icl": 40_000_000,
        "tpot": 10_000_000,
        "e2e": 45_000_000,
        "ttft_scheduled": 5_150_000,
        "e2e_scheduled": 45_150_000,
    }
    assert expected == {name: histogram.sum_ns for name, histogram in total.histograms.items()}
    assert set(METRICS) == expected.keys()
    assert 2 == total.histograms["icl"].n


def test_failures_are_counted_and_not_timed() -> None:
    """A refused or broken answer adds to its kind, its chunks and its tokens, and to no latency."""
    recorder, totals = Recorder(), Totals()
    recorder.observe(*attempt("fast", Phase.MEASURE, "stream_reset", [10_000_000], 3))
    totals.merge(recorder.flush())
    ((_, total),) = totals
    assert ({"stream_reset": 1}, 2, 7, 3, {}) == (
        dict(total.kinds), total.chunks, total.input_tokens, total.output_tokens, total.histograms
    )  # fmt: skip
    assert (1, 1) == (total.attempts, total.errors)


def test_missing_tokens_are_counted() -> None:
    """An attempt without an output count adds no token, and says so."""
    recorder, totals = Recorder(), Totals()
    recorder.observe(*attempt("fast", Phase.MEASURE, "ok", [10_000_000], None))
    totals.merge(recorder.flush())
    ((_, total),) = totals
    assert (0, 1) == (total.output_tokens, total.uncounted)
    assert "tpot" not in total.histograms


def test_a_flush_empties() -> None:
    """What was flushed is not sent again."""
    recorder = Recorder()
    recorder.observe(*attempt("fast", Phase.MEASURE, "ok", [10_000_000], 3))
    assert 1 == len(msgspec.msgpack.decode(recorder.flush(), type=list[Interval]))
    assert [] == msgspec.msgpack.decode(recorder.flush(), type=list[Interval])


def test_workers_load_no_scipy() -> None:
    """The modules that a worker imports bring numpy and the histogram library, and neither scipy nor pandas."""
    code = (
        "import sys; from harness.measure import histogram, recorder, slo, timing; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'scipy', 'pandas', 'locust', 'gevent', 'numpy'}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "['numpy']" == told.strip()
