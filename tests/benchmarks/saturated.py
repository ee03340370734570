"""64 streams as fast as they come: tokens/s, how much of a core that took, and what one whole core would take."""

from collections.abc import Sequence

from tests.benchmarks import streams, work
from tests.benchmarks.options import Options
from tests.benchmarks.streams import Round, Run
from tests.benchmarks.table import medians
from tests.benchmarks.work import Work

STREAMS = 64
HEAD = (
    *("streams", "tokens/s", "core %", "tokens per core s", "bare tokens/s", "bare core %", "bare tokens per core s"),
    *("signoff/bare", "C tokens/s", "TLS tokens/s", "TLS tokens per core s"),
)


def cases(options: Options) -> list[Work]:
    return [work.saturating(STREAMS, options)]


def measure(case: Work, options: Options) -> Round:
    """One round, about a minute."""
    return streams.measure(case, options)


def row(rounds: Sequence[Round]) -> list[str]:
    """Medians of the rounds. `core %` and `per core s` are the worker's."""
    return [str(rounds[0].work.streams), *medians(_figures(each) for each in rounds)]


def _figures(each: Round) -> tuple[float | None, ...]:
    bare_core = each.bare["cpu_s"] / each.bare["wall_s"]
    ours = _per_core_s(each.plain)
    return (
        *(each.plain.tokens_per_s, 100 * each.plain.signoff.used()[0].core_ratio, ours),
        *(each.bare["tokens"] / each.bare["wall_s"], 100 * bare_core, 1e6 / each.bare_us),
        *(ours * each.bare_us / 1e6, None if each.c is None else each.c["tokens_per_s"]),
        *(each.tls.tokens_per_s, _per_core_s(each.tls)),
    )


def _per_core_s(run: Run) -> float:
    return 1e6 / run.cost_us()[0]
