"""Processor time for each streamed token, everything included, beside a bare epoll client (and the C one) in the same round."""

from collections.abc import Sequence

from tests.benchmarks.paced import Paced
from tests.benchmarks.table import median_of

HEAD = ("streams", "tokens/s", "worker us", "with master us", "bare us", "worker/bare", "C us", "worker/C")


def row(rounds: Sequence[Paced]) -> list[str]:
    """Microseconds per token and ratios: medians of the rounds."""
    figures = [_figures(each) for each in rounds]
    return [str(rounds[0].streams), *(median_of(column) for column in zip(*figures, strict=True))]


def _figures(paced: Paced) -> tuple[float | None, ...]:
    first, last = paced.signoff.used()
    tokens = sum(first.at_ns <= stamp < last.at_ns for line in paced.truth for stamp in line.sent_ns)
    worker = (last.worker_s - first.worker_s) / tokens * 1e6
    master = (last.master_s - first.master_s) / tokens * 1e6
    bare = paced.bare["cpu_s"] / paced.bare["tokens"] * 1e6
    c = None if paced.c is None else paced.c["cpu_s_per_Mtok"]
    per_s = tokens / (last.at_ns - first.at_ns) * 1e9
    return per_s, worker, worker + master, bare, worker / bare, c, None if c is None else worker / c
