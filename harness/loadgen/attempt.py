"""From an exchange that has ended to the journal's line: the one place where wire, stamps and record meet."""

import hashlib
import itertools
import json
import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from harness.errors import StorageError
from harness.journal_log import LineLog
from harness.loadgen.exchange import Exchange
from harness.measure import histogram, holes, timing
from harness.measure.histogram import Values
from harness.quota import Quota
from harness.records import Answer, AttemptEnd, AttemptStart, LateJoin
from harness.wire.limits import ERROR_CHARS
from harness.wire.limits_told import told
from harness.wire.outcome import classify
from harness.wire.pieces import replaced
from harness.wire.reading import Dialect
from harness.wire.transcript import Transcript

DRAIN_LIMIT = "still in flight at the drain limit"
HIDDEN = "[key]"
NO_FIRST_TOKEN = frozenset({"not_streamed", "buffered"})
OF_THE_EXCHANGE = (
    *("sent_ns", "first_byte_ns", "done_ns", "reused", "stale_retry", "unstamped"),
    *("limited_ns", "dns_ns", "connect_ns", "proxy_ns", "tls_ns", "address"),
    *("rtt_ns", "min_rtt_ns", "retransmits", "out_of_order"),
)


class Window(NamedTuple):
    """The measure window of a cell on this worker; `close_ns` None while it is open."""

    open_ns: int
    close_ns: int | None

    def holds(self, stamp_ns: int) -> bool:
        return self.open_ns <= stamp_ns and (self.close_ns is None or stamp_ns < self.close_ns)


class Finished(NamedTuple):
    """`answer` is None where there is none, and where `steps` have written it."""

    end: AttemptEnd
    icl_ns: Values
    answer: Answer | None = None


class Asked(NamedTuple):
    """What is true of every attempt at one endpoint. `hidden` are secrets beside the key."""

    dialect: Dialect
    stream: bool
    model: str
    key: str | None
    hidden: tuple[str, ...] = ()

    def clean(self, text: str | None) -> str | None:
        """Providers and proxies echo secrets: ours are never written down, nor is a part of one, so they go before any cut."""
        return None if text is None else self._cleaned(text)

    def cleaned(self, texts: Iterable[str]) -> Iterator[str]:
        """The same for a text that comes in pieces, across which a secret may lie; most come in one."""
        texts = iter(texts)
        head = list(itertools.islice(texts, 2))
        if len(head) < 2:
            yield from map(self._cleaned, head)
            return
        texts = itertools.chain(head, texts)
        for spelled in self._spelled:
            texts = replaced(texts, spelled, HIDDEN)
        yield from texts

    def _cleaned(self, text: str) -> str:
        for spelled in self._spelled:
            text = text.replace(spelled, HIDDEN)
        return text

    @property
    def _spelled(self) -> tuple[str, ...]:
        return _spellings(self.hidden if self.key is None else (self.key, *self.hidden))


class Digest:
    """What the end record says of an answer: its `chars`, and the SHA-256 of its UTF-8 bytes in hex, None without text."""

    def __init__(self) -> None:
        self.chars = 0
        self._hash = hashlib.sha256()

    def take(self, text: str) -> None:
        self._hash.update(text.encode())
        self.chars += len(text)

    def of(self, texts: Iterable[str]) -> Iterator[str]:
        """These texts, as they are, taken into account one by one."""
        for text in texts:
            self.take(text)
            yield text

    @property
    def sha256(self) -> str | None:
        return self._hash.hexdigest() if self.chars else None


def steps(
    start: AttemptStart,
    exchange: Exchange,
    transcript: Transcript,
    asked: Asked,
    window: Callable[[], Window | None],
    answers: LineLog | None,
    fail: Callable[[StorageError], object],
) -> Generator[bool, None, Finished]:
    """What is to do for an exchange that has ended. Yields True where the rest may wait, so that no step is a long one.

    The answer is in its file before there is an end record: a finished attempt always has its answer. Where the file cannot be
    written `fail` is told, and the record is as if it could; where there is no file, likewise.
    """
    while exchange.decode_some():
        yield True
    exchange.decode()
    digest = Digest()
    if transcript.has_text:
        texts = digest.of(asked.cleaned(transcript.pieces()))
        try:
            for _ in () if answers is None else answers.write_long(_answer(start, ""), texts):
                yield True
        except StorageError as failed:
            fail(failed)
        for _ in texts:
            yield True
    return _finished(start, exchange, transcript, asked, window(), digest)


def finish(start: AttemptStart, exchange: Exchange, transcript: Transcript, asked: Asked, window: Window | None) -> Finished:
    """All of it at once, with the answer in hand."""
    exchange.decode()
    digest = Digest()
    text = asked.clean(transcript.text)
    if not text:
        return _finished(start, exchange, transcript, asked, window, digest)
    digest.take(text)
    return _finished(start, exchange, transcript, asked, window, digest, _answer(start, text))


def _answer(start: AttemptStart, text: str) -> Answer:
    return Answer(id=start.id, example=start.example, endpoint=start.endpoint, text=text)


@cache
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Each secret as it is, and as it stands in JSON and in a Python message."""
    spelled = (each for secret in secrets for each in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]))
    return tuple(dict.fromkeys(filter(None, spelled)))


def _finished(
    start: AttemptStart,
    exchange: Exchange,
    transcript: Transcript,
    asked: Asked,
    window: Window | None,
    digest: Digest,
    answer: Answer | None = None,
) -> Finished:
    """Classify, and build the end record."""
    assert exchange.ending is not None, "only an exchange that has ended is finished"
    kind = classify(
        exchange.ending,
        exchange.parser.status,
        transcript,
        asked.dialect,
        asked_stream=asked.stream,
        asked_model=asked.model,
        detail=exchange.detail,
    )
    late_ns, several = _settle(exchange, transcript)
    gaps = _gaps(transcript, late_ns)
    streamed = not (transcript.whole or NO_FIRST_TOKEN & set(kind.flags))
    joins = gaps.joins if streamed else ()
    end = AttemptEnd(
        id=start.id,
        kind="internal" if exchange.bug is not None else kind.kind,
        flags=(*kind.flags, *_our_flags(exchange, transcript, joins)),
        http_status=exchange.parser.status,
        headers_ns=exchange.parser.head_ns,
        first_token_ns=transcript.first_token_ns if streamed else None,
        first_output_ns=transcript.first_output_ns if streamed else None,
        last_token_ns=transcript.last_token_ns,
        **{name: getattr(exchange, name) for name in OF_THE_EXCHANGE},
        chunks=transcript.chunks,
        first_read_chunks=transcript.first_read_chunks,
        first_read_tokens=_first_tokens(transcript),
        coalesced=gaps.coalesced,
        late_coalesced=sum(join.chunks for join in joins),
        clamped=len(exchange.clamps),
        window_chunks=_inside(transcript, window),
        lag_max_ns=exchange.lag_max_ns if exchange.lag_max_ns >= 0 else None,
        icl=histogram.bucket_counts(gaps.icl_ns) if streamed and len(gaps.icl_ns) else (),
        icl_max_ns=gaps.icl_max_ns if streamed else None,
        late_joins=joins,
        apart=timing.apart(transcript.stamps_ns, several) if streamed and gaps.coalesced else None,
        itl=_own_itl(gaps) if streamed else None,
        usage=transcript.usage,
        finish=_short(asked.clean(transcript.finish)),
        model=_short(asked.clean(transcript.model)),
        answer_sha256=digest.sha256,
        answer_chars=digest.chars or None,
        error=_short(asked.clean(kind.error)),
        error_code=_short(asked.clean(kind.code)),
        quota=_quota(exchange),
    )
    return Finished(end, gaps.icl_ns if streamed else (), answer)


def _quota(exchange: Exchange) -> Quota | None:
    """Subtle: this may run long after the head came, so its moment is reckoned back."""
    parser = exchange.parser
    if parser.status is None or parser.head_ns is None:
        return None
    return told(dict(parser.headers), parser.status, time.time() - (time.monotonic_ns() - parser.head_ns) / 1e9)


class _Doubts(NamedTuple):
    """Reads by their final stamp: how long the late ones may have waited, and of the others those of several segments."""

    late_ns: Mapping[int, int]
    several: Mapping[int, tuple[int, int]]


def _settle(exchange: Exchange, transcript: Transcript) -> _Doubts:
    """Stamps that segments out of order may have made too early are put right."""
    late_ns = exchange.late_reads()
    several = {at_ns: more for at_ns, more in exchange.reads_apart().items() if at_ns not in late_ns}
    if not exchange.out_of_order or exchange.done_ns is None:
        return _Doubts(late_ns, several)
    moved = holes.corrected(transcript.stamps_ns, exchange.done_ns, exchange.lag_max_ns, exchange.clamps)
    transcript.restamp(moved)
    exchange.restamp(moved)
    later_ns = {at_ns: moved.get(at_ns, at_ns) - at_ns for at_ns in (*late_ns, *several)}
    return _Doubts(
        {at_ns + later_ns[at_ns]: since_ns + later_ns[at_ns] for at_ns, since_ns in late_ns.items()},
        {at_ns + later_ns[at_ns]: (since_ns + later_ns[at_ns], more) for at_ns, (since_ns, more) in several.items()},
    )


def _gaps(transcript: Transcript, late_ns: Mapping[int, int]) -> timing.Gaps:
    """A running count does not say of which chunks hidden tokens are."""
    if _is_single(transcript):
        return timing.gaps(transcript.stamps_ns, (), late_ns, one_each=True)
    return timing.gaps(transcript.stamps_ns, () if _hidden_tokens(transcript) else transcript.tokens, late_ns)


def _first_tokens(transcript: Transcript) -> int | None:
    if _is_single(transcript):
        return transcript.first_read_chunks
    return None if _hidden_tokens(transcript) else transcript.first_read_tokens


def _is_single(transcript: Transcript) -> bool:
    """Where the server counts as many tokens as chunks, each chunk was one token."""
    usage = transcript.usage
    told = None if usage is None else usage.output_tokens
    return told is not None and told - _hidden_tokens(transcript) == transcript.chunks


def _hidden_tokens(transcript: Transcript) -> int:
    """Reasoning that the server counts as output and did not stream; 0 where its sum shows it counted apart from the output."""
    usage = transcript.usage
    if usage is None or usage.output_tokens is None or not usage.reasoning_tokens or transcript.reasoning:
        return 0
    asked = usage.input_tokens  # where it is unknown, the sum tells nothing
    apart = asked is not None and usage.total_tokens == asked + usage.output_tokens + usage.reasoning_tokens
    fits = 0 < usage.reasoning_tokens <= usage.output_tokens - bool(transcript.chunks)
    return usage.reasoning_tokens if fits and not apart else 0


def _our_flags(exchange: Exchange, transcript: Transcript, joins: Sequence[LateJoin]) -> Iterator[str]:
    """What is to be said of an attempt because of us, and how to count its tokens."""
    if _hidden_tokens(transcript):
        yield timing.HIDDEN_REASONING
    if exchange.detail == DRAIN_LIMIT:
        yield "drain_limit"
    if joins and joins[0].gap_ns is None:
        yield timing.LATE_FIRST_TOKEN


def _inside(transcript: Transcript, window: Window | None) -> int:
    """Chunks inside the measure window; the stamps ascend."""
    if window is None:
        return 0
    stamps_ns = transcript.stamps_ns
    begin = bisect_left(stamps_ns, window.open_ns)
    return (len(stamps_ns) if window.close_ns is None else bisect_left(stamps_ns, window.close_ns)) - begin


def _own_itl(gaps: timing.Gaps) -> histogram.Pairs | None:
    """The token gaps where they differ from the chunk gaps; the report takes those where this is None and counts agree."""
    if gaps.itl_ns is None or gaps.itl_ns is gaps.icl_ns or np.array_equal(gaps.itl_ns, gaps.icl_ns):
        return None
    return histogram.bucket_counts(gaps.itl_ns)


def _short(text: str | None) -> str | None:
    return None if text is None else text[:ERROR_CHARS]
