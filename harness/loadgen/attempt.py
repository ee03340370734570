"""From an exchange that has ended to the journal's line: the one place where wire, stamps and record meet."""

import hashlib
from typing import NamedTuple

from harness.loadgen.exchange import Exchange
from harness.measure import histogram, timing
from harness.records import Answer, AttemptEnd, AttemptStart
from harness.wire.outcome import Outcome, classify
from harness.wire.reading import Dialect
from harness.wire.transcript import Transcript

NO_FIRST_TOKEN = frozenset({"not_streamed", "buffered"})


class Window(NamedTuple):
    """The measure window of a cell on this worker; `close_ns` None while it is open."""

    open_ns: int
    close_ns: int | None

    def holds(self, stamp_ns: int) -> bool:
        return self.open_ns <= stamp_ns and (self.close_ns is None or stamp_ns < self.close_ns)


class Finished(NamedTuple):
    end: AttemptEnd
    answer: Answer | None
    icl_ns: list[int]


class Asked(NamedTuple):
    """What is true of every attempt at one endpoint."""

    dialect: Dialect
    stream: bool
    model: str
    key: str | None


def finish(start: AttemptStart, exchange: Exchange, transcript: Transcript, asked: Asked, window: Window | None) -> Finished:
    """Decode what is left, classify, and build the end record and the answer."""
    exchange.decode()
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
    gaps = timing.gaps(transcript.reads)
    text = transcript.text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else None
    streamed = not (transcript.whole or NO_FIRST_TOKEN & set(kind.flags))
    end = AttemptEnd(
        id=start.id,
        kind="internal" if exchange.bug is not None else kind.kind,
        flags=kind.flags,
        http_status=exchange.parser.status,
        sent_ns=exchange.sent_ns,
        headers_ns=exchange.parser.head_ns,
        first_byte_ns=exchange.first_byte_ns,
        first_token_ns=transcript.first_token_ns if streamed else None,
        first_output_ns=transcript.first_output_ns if streamed else None,
        last_token_ns=transcript.last_token_ns,
        done_ns=exchange.done_ns,
        dns_ns=exchange.dns_ns,
        connect_ns=exchange.connect_ns,
        tls_ns=exchange.tls_ns,
        reused=exchange.reused,
        stale_retry=exchange.stale_retry,
        chunks=transcript.chunks,
        first_chunk_tokens=transcript.first_chunk_tokens,
        coalesced=gaps.coalesced,
        clamped=exchange.clamped,
        unstamped=exchange.unstamped,
        window_chunks=_inside(transcript, window),
        lag_max_ns=exchange.lag_max_ns,
        icl=histogram.bucket_counts(gaps.icl_ns) if streamed else (),
        icl_max_ns=gaps.icl_max_ns if streamed else None,
        itl=histogram.bucket_counts(gaps.itl_ns) if streamed and gaps.itl_ns is not None else None,
        usage=transcript.usage,
        finish=transcript.finish,
        model=transcript.model,
        answer_sha256=digest,
        answer_chars=len(text) if text else None,
        error=_without_key(kind, asked.key),
        error_code=kind.code,
    )
    answer = Answer(id=start.id, example=start.example, endpoint=start.endpoint, text=text) if text else None
    return Finished(end, answer, gaps.icl_ns if streamed else [])


def _inside(transcript: Transcript, window: Window | None) -> int:
    if window is None:
        return 0
    return sum(chunks for stamp_ns, chunks, _ in transcript.reads if window.holds(stamp_ns))


def _without_key(outcome: Outcome, key: str | None) -> str | None:
    """Providers echo keys in their error texts; ours is never written down."""
    if outcome.error is None or key is None:
        return outcome.error
    return outcome.error.replace(key, "[key]")
