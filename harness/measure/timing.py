"""One function per metric, from an attempt's stamps to nanoseconds (the definitions are the project's only ones).

The rule: a metric whose stamps did not all happen is None, never 0. Service views begin at `sent`, just before the first
request byte goes out on an established connection; scheduled views begin at the intended arrival, so they hold every wait.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from harness.records import AttemptEnd, AttemptStart, LateJoin

Read = tuple[int, int, int | None]


def _between(earlier_ns: int | None, later_ns: int | None) -> int | None:
    return None if earlier_ns is None or later_ns is None else later_ns - earlier_ns


def _intended_ns(start: AttemptStart) -> int:
    """When the attempt was to begin: a closed loop intends it when it dispatches it."""
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


def tpot_ns(end: AttemptEnd) -> float | None:
    """Time per output token after the first chunk: (last_token - first_token) / (output tokens - tokens in the first chunk).

    The first chunk counts as one token where its tokens are unknown. Undefined, so None, when no token came after it.
    """
    decoding_ns = _between(end.first_token_ns, end.last_token_ns)
    if decoding_ns is None or end.usage is None or end.usage.output_tokens is None:
        return None
    first = 1 if end.first_chunk_tokens is None else end.first_chunk_tokens
    tokens = end.usage.output_tokens - first
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


def connect_wait_ns(start: AttemptStart, end: AttemptEnd) -> int | None:
    """Dispatched to sent: name look-up, connect, TLS and the limiter, which no service view holds."""
    return _between(start.dispatched_ns, end.sent_ns)


def window_tokens(end: AttemptEnd) -> float | None:
    """Output tokens inside the measure window: usage spread evenly over the chunks, of which `window_chunks` arrived there.

    None where chunks arrived there whose tokens are unknown.
    """
    if not end.window_chunks:
        return 0.0
    if end.usage is None or end.usage.output_tokens is None:
        return None
    return end.usage.output_tokens * end.window_chunks / end.chunks


class Gaps(NamedTuple):
    """The waits inside one answer.

    icl_ns     inter-chunk latency: one per pair of successive reads that carried tokens
    itl_ns     inter-token latency: one per token of the later read; None where the tokens of a read are unknown
    coalesced  chunks that were read together with the one before, which therefore have no gap of their own
    """

    icl_ns: list[int]
    itl_ns: list[int] | None
    coalesced: int
    icl_max_ns: int | None


def gaps(reads: Sequence[Read]) -> Gaps:
    """Gaps from (stamp_ns, chunks, tokens or None) of each read that carried tokens, in order of arrival.

    Tokens that were read together after a gap share it: k of them give k times gap / k, never one gap and zeros.
    """
    icl_ns = [later[0] - earlier[0] for earlier, later in pairwise(reads)]
    return Gaps(icl_ns, _per_token(reads, icl_ns), sum(chunks - 1 for _, chunks, _ in reads), max(icl_ns, default=None))


def late_joins(reads: Sequence[Read], late: Mapping[int, int]) -> tuple[LateJoin, ...]:
    """The late reads among these that held more than one chunk. `late` has, by stamp, how long their socket may have waited."""
    found = []
    for before, (stamp_ns, chunks, _) in zip([None, *reads], reads, strict=False):
        if chunks > 1 and stamp_ns in late:
            gap_ns = None if before is None else stamp_ns - before[0]
            wait_ns = late[stamp_ns] if gap_ns is None else min(late[stamp_ns], gap_ns)
            found.append(LateJoin(gap_ns, wait_ns, chunks - 1))
    return tuple(found)


def _per_token(reads: Sequence[Read], icl_ns: list[int]) -> list[int] | None:
    known = [tokens for _, _, tokens in reads if tokens is not None]
    if not reads or len(known) < len(reads):
        return None
    itl_ns: list[int] = []
    for gap_ns, tokens in zip(icl_ns, known[1:], strict=True):
        itl_ns += [-(-gap_ns // tokens)] * tokens  # rounded up: a share of a real gap is never nothing
    return itl_ns
