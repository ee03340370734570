"""Processor time for each streamed token, everything included, beside a bare epoll client (and the C one) in the same round."""

from collections.abc import Sequence

from tests.benchmarks import fidelity, matching, streams, work
from tests.benchmarks.options import Options
from tests.benchmarks.streams import Round
from tests.benchmarks.table import figure, medians
from tests.benchmarks.work import Work

HEAD = (
    *("streams", "gap ms", "tokens/s", "worker us", "with master us", "bare us", "worker/bare", "C us", "worker/C"),
    *("TLS worker us", "TLS/plain", "TTFT p99 error ms"),
)


def cases(options: Options) -> list[Work]:
    return [work.paced(each, options) for each in options.streams]


def measure(case: Work, options: Options) -> Round:
    """One round, about a minute."""
    return streams.measure(case, options)


def row(rounds: Sequence[Round]) -> list[str]:
    """Microseconds per token and ratios: medians of the rounds."""
    task = rounds[0].work
    return [str(task.streams), figure(task.itl.median_s * 1e3), *medians(_figures(each) for each in rounds)]


def _figures(each: Round) -> tuple[float | None, ...]:
    worker, everything = each.plain.cost_us()
    tls, _ = each.tls.cost_us()
    c = each.c_us
    error = fidelity.error_ms(matching.matched(each.plain.signoff.run, each.plain.truth), "TTFT", 0.99)
    return (
        *(each.plain.tokens_per_s, worker, everything, each.bare_us, worker / each.bare_us),
        *(c, None if c is None else worker / c, tls, tls / worker, error),
    )
