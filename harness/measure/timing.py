"""One function per metric, from an attempt's stamps to nanoseconds (the definitions are the project's only ones).

The rule: a metric whose stamps did not all happen is None, never 0. Service views begin at `sent`, just before the first
request byte goes out on an established connection; scheduled views begin at the intended arrival, so they hold every wait.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measure.histogram import bucket_counts
from harness.records import Apart, AttemptEnd, AttemptStart, LateJoin

UNSURE_SHARE = 20  # a gap is known well enough when the moment it ended is known to a twentieth of it
LATE_FIRST_TOKEN = "late_first_token"  # noqa: S105 - a flag of attempts: what was read with later ones, and late
HIDDEN_REASONING = "hidden_reasoning"  # a flag of attempts: tokens that were counted as output and never streamed
NOTHING_LATE: Mapping[int, int] = {}

Durations = NDArray[np.int64]


def _between(earlier_ns: int | None, later_ns: int | None) -> int | None:
    return None if earlier_ns is None or later_ns is None else later_ns - earlier_ns


def _intended_ns(start: AttemptStart) -> int | None:
    """When the attempt was to begin: a closed loop intends it when it dispatches it.

    No schedule has the later turns of a conversation: they come when the answer before has been read.
    """
    if start.turn:
        return None
    return start.dispatched_ns if start.scheduled_ns is None else start.scheduled_ns


def ttft_ns(end: AttemptEnd) -> int | None:
    """Time to first token: sent to the first chunk that carries one, be it content, reasoning, tool call or refusal."""
    return _between(end.sent_ns, end.first_token_ns)


def ttfo_ns(end: AttemptEnd) -> int | None:
    """Time to first output: sent to the first chunk that is not reasoning."""
    return _between(end.sent_ns, end.first_output_ns)


def e2e_ns(end: AttemptEnd) -> int | None:
    """End to end: sent to the last token."""
    return _between(end.sent_ns, end.last_token_ns)


def done_ns(end: AttemptEnd) -> int | None:
    """Sent to the end of the response, which usage and terminal marker make later than the last token."""
    return _between(end.sent_ns, end.done_ns)


def arrived_tokens(end: AttemptEnd) -> int | None:
    """Output tokens that came over the wire: those of usage, but for reasoning that the server counts and keeps to itself."""
    if end.usage is None or end.usage.output_tokens is None:
        return None
    return end.usage.output_tokens - ((end.usage.reasoning_tokens or 0) if HIDDEN_REASONING in end.flags else 0)


def tpot_ns(end: AttemptEnd) -> float | None:
    """Time per output token after the first read: (last_token - first_token) / (tokens that arrived - those in the first read).

    The first token's stamp is that of its read, so all that came in it came by then. Where the tokens of that read are unknown
    each of its chunks counts as one, which is the least: TPOT is then a lower bound, and off by the share of the answer that
    came in the first read at most. Undefined, so None, when no token came after it.
    """
    decoding_ns = _between(end.first_token_ns, end.last_token_ns)
    arrived = arrived_tokens(end)
    if decoding_ns is None or arrived is None:
        return None
    first = max(1, end.first_read_chunks) if end.first_read_tokens is None else end.first_read_tokens
    tokens = arrived - first
    return decoding_ns / tokens if tokens >= 1 else None


def ttft_scheduled_ns(start: AttemptStart, end: AttemptEnd) -> int | None:
    """Intended arrival to the first token."""
    return _between(_intended_ns(start), end.first_token_ns)


def ttfo_scheduled_ns(start: AttemptStart, end: AttemptEnd) -> int | None:
    """Intended arrival to the first chunk that is not reasoning."""
    return _between(_intended_ns(start), end.first_output_ns)


def e2e_scheduled_ns(start: AttemptStart, end: AttemptEnd) -> int | None:
    """Intended arrival to the last token."""
    return _between(_intended_ns(start), end.last_token_ns)


def dispatch_wait_ns(start: AttemptStart) -> int | None:
    """Intended arrival to dispatched: our own lateness, and the wait for a free user; None in a closed loop."""
    return _between(start.scheduled_ns, start.dispatched_ns)


def user_wait_ns(start: AttemptStart) -> int | None:
    """How long of that all users were busy."""
    return None if start.scheduled_ns is None or start.dispatched_ns is None else start.waited_ns


def lateness_ns(start: AttemptStart) -> int | None:
    """Of it what is ours alone: from the intended arrival to the dispatch, where a user was free."""
    wait_ns = dispatch_wait_ns(start)
    return None if wait_ns is None else wait_ns - start.waited_ns


def connect_wait_ns(start: AttemptStart, end: AttemptEnd) -> int | None:
    """Dispatched to sent: name look-up, connect, TLS and the limiter, which no service view holds."""
    return _between(start.dispatched_ns, end.sent_ns)


def window_tokens(end: AttemptEnd) -> float | None:
    """Tokens inside the measure window: those that arrived, spread evenly over the chunks, of which `window_chunks` came there.

    None where chunks arrived there whose tokens are unknown.
    """
    if not end.window_chunks:
        return 0.0
    arrived = arrived_tokens(end)
    return None if arrived is None else arrived * end.window_chunks / end.chunks


class Gaps(NamedTuple):
    """The waits inside one answer, in ns.

    icl_ns     inter-chunk latency: one per pair of successive reads that carried tokens, but for those that nobody knows
    itl_ns     inter-token latency: one per token of the later read; None where the tokens of a read are unknown
    coalesced  chunks that were read together with the one before, which therefore have no gap of their own
    joins      of those, the reads that came late, so that it may be us who joined them
    icl_max_ns the longest wait; where it ended in a late read, what of it is certain
    """

    icl_ns: Durations
    itl_ns: Durations | None
    coalesced: int
    joins: tuple[LateJoin, ...]
    icl_max_ns: int | None


_NO_GAPS = np.empty(0, dtype=np.int64)


def gaps(
    stamps_ns: Sequence[int],
    tokens: Sequence[int | None] = (),
    late_ns: Mapping[int, int] = NOTHING_LATE,
    *,
    one_each: bool = False,
) -> Gaps:
    """Gaps from the stamp of each chunk, in order of arrival; chunks that were read together have the same one.

    `tokens` are those of each chunk, or nothing where the server does not count along; `one_each` says that they are ones.
    Tokens that were read together after a gap share it: k of them give k times gap / k, never one gap and zeros. `late_ns` has,
    for the stamp of each late read, the time since its socket was last found empty: the first of several chunks may have come
    so much earlier. A gap that ends there is no ICL unless that is a small part of it.
    """
    n = len(stamps_ns)
    if n < 2:
        counted = one_each or (tokens and tokens[0] is not None)
        return Gaps(_NO_GAPS, _NO_GAPS if n and counted else None, 0, (), None)
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    steps = _distances(stamps)
    before = np.flatnonzero(steps)  # the last chunk of each read but the last
    waits = steps[before]
    coalesced = n - 1 - len(before)
    if one_each:
        itl_ns: Durations | None = _shared(waits, _distances(np.append(before, n - 1))) if coalesced else waits
    else:
        itl_ns = _per_token(waits, before + 1, tokens)
    if not (coalesced and late_ns):
        return Gaps(waits, itl_ns, coalesced, (), int(waits.max()) if len(waits) else None)
    joins = list(_joins(stamps_ns, waits, before + 1, late_ns))
    unsure = {join.read - 1: join.late.wait_ns for join in joins if join.read and is_unsure(join.late)}
    icl_ns = np.delete(waits, list(unsure))
    certain_ns = [*icl_ns.tolist(), *(int(waits[place]) - wait_ns for place, wait_ns in unsure.items())]
    return Gaps(icl_ns, itl_ns, coalesced, tuple(join.late for join in joins), max(certain_ns, default=None))


def is_unsure(join: LateJoin) -> bool:
    """Whether the gap that ends in this read is no ICL: the moment its first chunk came is not known well enough."""
    return join.gap_ns is None or join.wait_ns * UNSURE_SHARE > join.gap_ns


def apart(stamps_ns: Sequence[int], several: Mapping[int, tuple[int, int]]) -> Apart | None:
    """What looking may have joined of chunks with these stamps (ascending, equal where read together); None for nothing.

    several  by stamp of a read of several segments: how many ns before it the first may have come, and how many but one
    """
    if not several or len(stamps_ns) < 2:
        return None
    gaps_ns: list[int] = []
    chunks, longest_ns, first_ns = 0, 0, None
    for read_ns, (wait_ns, more) in several.items():
        first = bisect_left(stamps_ns, read_ns)
        size = bisect_right(stamps_ns, read_ns, first) - first
        if size < 2 or not more:
            continue
        chunks += min(more, size - 1)
        longest_ns = max(longest_ns, wait_ns)
        if first:
            gaps_ns.append(read_ns - stamps_ns[first - 1])
        else:
            first_ns = wait_ns
    return Apart(bucket_counts(gaps_ns) if gaps_ns else (), chunks, longest_ns, first_ns) if chunks else None


class _Join(NamedTuple):
    """`read` is its place among the reads; no gap ends in the first one."""

    read: int
    late: LateJoin


def _joins(stamps_ns: Sequence[int], waits: Durations, first: NDArray[np.int64], late_ns: Mapping[int, int]) -> Iterator[_Join]:
    edges = [0, *first.tolist(), len(stamps_ns)]
    for read, (begin, end) in enumerate(itertools.pairwise(edges)):
        wait_ns = late_ns.get(stamps_ns[begin]) if end > begin + 1 else None
        if wait_ns is not None:
            gap_ns = int(waits[read - 1]) if read else None
            most_ns = wait_ns if gap_ns is None else min(wait_ns, gap_ns)
            yield _Join(read, LateJoin(gap_ns, most_ns, end - begin - 1))


def _per_token(waits: Durations, first: NDArray[np.int64], tokens: Sequence[int | None]) -> Durations | None:
    if not tokens or None in tokens:
        return None
    return _shared(waits, np.add.reduceat(np.array(tokens, dtype=np.int64), [0, *first])[1:])


def _distances(ascending: NDArray[np.int64]) -> NDArray[np.int64]:
    """What np.diff gives, which takes six times as long for an answer's worth."""
    return ascending[1:] - ascending[:-1]


def _shared(waits: Durations, tokens: NDArray[np.int64]) -> Durations:
    """The share that each token has in its wait, rounded up: a share of a real gap is never nothing."""
    return np.repeat(-(-waits // tokens), tokens)
