"""Was the client fast enough? Rules over what load processes saw of themselves, and over what they read late.

The rule: figures that our own lateness may have bent are never printed without a word. Where it is more than a tail can bear,
the run is INVALID(client_limited), with place, value, limit and remedy.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.health import Health
from harness.measure import apart, timing
from harness.measure.lateness import ABSOLUTE_NS, QUANTILES, RELATIVE, bounds
from harness.measure.spread import beyond_ns, merged, wait_ns
from harness.records import AttemptEnd, Finding

CLIENT_LIMITED = "client_limited"

# A token every 20 ms is a usual stream: who looks later than that, 1 % of the time, reads tokens together that came apart.
HUB_LAG_NS = 20_000_000
HUB_LAG_RATIO = 0.01
# One stall in a short window is an accident. From 50 ms on, which is 1 % of five seconds, it is more than a handful of tokens.
LEAST_LATE_NS = 50_000_000

# Near a whole core queues grow without bound, and any burst is read late. Time spent waiting for the core is as lost as time
# spent on it. The first second of a level (connecting, waking its users) may be full, so it takes two of them.
BUSY_RATIO = 0.85
BUSY_TIME_RATIO = 0.05
LEAST_BUSY_NS = 2_000_000_000

# What touches 1 % of the values can move a p99. Below so many of them there is no p99 to move.
LATE_RATIO = 0.01
LEAST_LATE_CHUNKS = 50
LEAST_LATE_ANSWERS = 5

# Said, but not against the figures: kernel stamps bear these, and what they cannot bear shows in the rules above.
WAIT_RATIO = 0.10
PAUSE_NS = 20_000_000
BACKLOG = 1_000  # from here on users wait until decoding has caught up (loadgen/user.py), so less load is made than asked for

_MORE_CORES = "spread the users over more processes (--processes), each with a core of its own, or measure fewer users"


class Watched(NamedTuple):
    """One endpoint at one level, as far as the client is concerned.

    place    how a reader calls it
    windows  the samples of every measure window at every load process
    ends     of the attempts that its figures are about
    """

    place: str
    windows: Sequence[Sequence[Health]]
    ends: Sequence[AttemptEnd]


class Rule(NamedTuple):
    """`breach` is what there is to say of a cell that breaks the rule, None for one that keeps it."""

    code: str
    invalid: bool
    breach: Callable[[Watched], str | None]
    what: str
    limit: str
    why: str
    remedy: str


def findings(cells: Iterable[Watched]) -> Iterator[Finding]:
    """A finding for each rule that is broken anywhere, with every place and its value."""
    watched = list(cells)
    for rule in RULES:
        broken = [f"{cell.place} {said}" for cell in watched if (said := rule.breach(cell)) is not None]
        if broken:
            what = f"{rule.what}: {', '.join(broken)} (limit: {rule.limit})"
            yield Finding(code=rule.code, what=what, why=rule.why, remedy=rule.remedy, invalid=rule.invalid)


def hub_lag_ns(samples: Iterable[Health], q: float) -> float | None:
    """The q-quantile of how long what comes at any moment waits until the process looks at its sockets."""
    return wait_ns(merged(sample.gaps for sample in samples), q)


def _looks_late(cell: Watched) -> str | None:
    late = [lag for samples in cell.windows if (lag := _late_ns(samples)) is not None]
    return f"{max(late) / 1e6:.0f} ms" if late else None


def _late_ns(samples: Sequence[Health]) -> float | None:
    """p99 of the wait in one window, where it is beyond the limit and there is enough evidence of it."""
    gaps = merged(sample.gaps for sample in samples)
    lag_ns = wait_ns(gaps, 1 - HUB_LAG_RATIO)
    if lag_ns is None or lag_ns <= HUB_LAG_NS or beyond_ns(gaps, HUB_LAG_NS) < LEAST_LATE_NS:
        return None
    return lag_ns


def _is_busy(cell: Watched) -> str | None:
    spent = [(sum(each.interval_ns for each in samples if _full(each)), _length_ns(samples)) for samples in cell.windows]
    broken = [(busy, whole) for busy, whole in spent if busy > BUSY_TIME_RATIO * whole and busy >= min(LEAST_BUSY_NS, whole)]
    if not broken:
        return None
    busy_ns, whole_ns = max(broken, key=lambda each: each[0] / each[1])
    return f"in {busy_ns / 1e9:.1f} of {whole_ns / 1e9:.1f} s"


def _full(sample: Health) -> bool:
    return sample.cpu_ratio + (sample.wait_ratio or 0.0) > BUSY_RATIO


def _joins_late(cell: Watched) -> str | None:
    chunks, late = sum(end.chunks for end in cell.ends), sum(end.late_coalesced for end in cell.ends)
    return _share(late, chunks, LEAST_LATE_CHUNKS)


def _starts_late(cell: Watched) -> str | None:
    streamed = [end for end in cell.ends if end.first_token_ns is not None]
    return _share(sum(timing.LATE_FIRST_TOKEN in end.flags for end in streamed), len(streamed), LEAST_LATE_ANSWERS)


def _is_unsure(cell: Watched) -> str | None:
    unsure = [each for each in bounds(cell.ends) if not each.is_known]
    return " and ".join(f"{each.figure} {each.low_ns / 1e6:.2f} to {each.high_ns / 1e6:.2f} ms" for each in unsure) or None


def _is_close(cell: Watched) -> str | None:
    unsure = list(apart.unsure(cell.ends, QUANTILES))
    told = [
        f"{metric.upper()} {name} {each.low_ns / 1e6:.2f} to {each.high_ns / 1e6:.2f} ms"
        for metric, name, each in unsure
        if name in QUANTILES
    ]
    return " and ".join(told) or None


def _share(late: int, of: int, least: int) -> str | None:
    return f"{100 * late / of:.1f} %" if late >= least and late > LATE_RATIO * of else None


def _waits(cell: Watched) -> str | None:
    waits = [wait for samples in cell.windows if (wait := _mean_wait(samples)) is not None]
    return f"{100 * max(waits):.0f} % of the time" if waits and max(waits) > WAIT_RATIO else None


def _mean_wait(samples: Sequence[Health]) -> float | None:
    known = [sample for sample in samples if sample.wait_ratio is not None]
    length_ns = _length_ns(known)
    return sum((sample.wait_ratio or 0.0) * sample.interval_ns for sample in known) / length_ns if length_ns else None


def _pauses(cell: Watched) -> str | None:
    longest_ns = max((sample.gc_max_ns for samples in cell.windows for sample in samples), default=0)
    return f"{longest_ns / 1e6:.0f} ms" if longest_ns > PAUSE_NS else None


def _is_behind(cell: Watched) -> str | None:
    most = max((sample.backlog for samples in cell.windows for sample in samples), default=0)
    return f"{most:,}" if most > BACKLOG else None


def _is_unwatched(cell: Watched) -> str | None:
    without = sum(not samples for samples in cell.windows)
    return f"{without} of {len(cell.windows)}" if without else None


def _length_ns(samples: Iterable[Health]) -> int:
    return sum(sample.interval_ns for sample in samples)


RULES = (
    Rule(
        code=CLIENT_LIMITED,
        invalid=True,
        breach=_looks_late,
        what="signoff looked at its sockets late, p99",
        limit=f"{HUB_LAG_NS / 1e6:.0f} ms",
        why="what comes meanwhile is read together, and the next requests go out late: the figures are partly signoff's own",
        remedy=_MORE_CORES,
    ),
    Rule(
        code=CLIENT_LIMITED,
        invalid=True,
        breach=_is_busy,
        what=f"the load process used its core, or waited for it, for more than {100 * BUSY_RATIO:.0f} % of the time",
        limit=f"{100 * BUSY_TIME_RATIO:.0f} % of the measure window",
        why="a core without slack reads late whenever answers come together: the figures may be signoff's own",
        remedy=_MORE_CORES,
    ),
    Rule(
        code=CLIENT_LIMITED,
        invalid=True,
        breach=_joins_late,
        what="chunks were read together with the one before because signoff looked late",
        limit=f"{100 * LATE_RATIO:.0f} % of the chunks",
        why="they have no gap of their own and lengthen another: the upper percentiles of ICL and ITL are not the endpoint's",
        remedy=_MORE_CORES,
    ),
    Rule(
        code=CLIENT_LIMITED,
        invalid=True,
        breach=_starts_late,
        what="first tokens were read together with later ones because signoff looked late",
        limit=f"{100 * LATE_RATIO:.0f} % of the answers",
        why="one stamp serves one read, so TTFT is that of a later token there",
        remedy=_MORE_CORES,
    ),
    Rule(
        code=CLIENT_LIMITED,
        invalid=True,
        breach=_is_unsure,
        what="chunks were read late and together, which leaves percentiles uncertain",
        limit=f"{ABSOLUTE_NS / 1e6} ms or {100 * RELATIVE} %",
        why="only the last chunk of a read has a stamp of its own, so the truth may lie anywhere between the two values",
        remedy=_MORE_CORES,
    ),
    Rule(
        code="close_chunks",
        invalid=False,
        breach=_is_close,
        what="chunks come closer together than signoff looks, once a millisecond, so these are not given",
        limit=f"{ABSOLUTE_NS / 1e6} ms or {100 * RELATIVE} %",
        why="of chunks that one read brought in several segments only the last has a stamp of its own",
        remedy="nothing has to be done: what is printed is right, TPOT, ITL, e2e and tokens/s among it",
    ),
    Rule(
        code="core_shared",
        invalid=False,
        breach=_waits,
        what="the load process was ready to run and had no processor",
        limit=f"{100 * WAIT_RATIO:.0f} % of the time",
        why="another process uses its core; kernel stamps stay true, but chunks are read together more often",
        remedy="stop what else runs on this machine, or give the load process a core of its own (taskset)",
    ),
    Rule(
        code="gc_pause",
        invalid=False,
        breach=_pauses,
        what="the garbage collector stopped a load process",
        limit=f"{PAUSE_NS / 1e6:.0f} ms",
        why="kernel stamps stay true, but what came meanwhile was read together and requests went out late",
        remedy="fewer users per process (--processes)",
    ),
    Rule(
        code="decoding_behind",
        invalid=False,
        breach=_is_behind,
        what="answers waited to be decoded",
        limit=f"{BACKLOG:,}",
        why="users are held back until decoding has caught up, so less load was made than asked for",
        remedy=_MORE_CORES,
    ),
    Rule(
        code="client_unwatched",
        invalid=False,
        breach=_is_unwatched,
        what="measure windows without a sample of the load process's health",
        limit="none",
        why="nobody can say whether signoff itself was fast enough there",
        remedy="measure again",
    ),
)
