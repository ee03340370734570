"""A reply as planned: pieces of bytes, each with the time it is due.

A plan is a generator, so that drawing and encoding are spread over the stream and do not delay others at its start; it works
a block of events ahead, because making many at once is cheaper.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from harness.simulator import http1
from harness.simulator.answer import Answer
from harness.simulator.http1 import Request

BLOCK = 32  # events that are made at once, and go in one piece where all are due at once
BLOCK_BYTES = 64 << 10  # of text; a block is shorter where its events are long


class Pace(Protocol):
    """When the tokens of one answer come: `candidate.Draws`, or `spread.Spread` where its service time is drawn whole."""

    ttft_ns: int

    def gaps_ns(self, n: int) -> list[int]: ...
    def gap_ns(self, tokens: int) -> int: ...


class Piece(NamedTuple):
    """What one `send` hands to the kernel, not before `due_ns` (monotonic), and how many tokens it carries.

    `events` has (size, tokens) of what was joined in it, in order; empty for one event.
    """

    due_ns: int
    data: bytes
    tokens: int
    events: Sequence[tuple[int, int]] = ()

    def split(self, taken: int) -> tuple[int, "Piece"]:
        """(tokens of the events that were begun when so many bytes were taken, the rest). The rest has only its own tokens."""
        if not taken:
            return 0, self
        begun = size = kept = 0
        events = []
        for length, tokens in self.events or [(len(self.data), self.tokens)]:
            if size < taken:
                begun, kept = begun + tokens, max(0, size + length - taken)
                events += [(kept, 0)] if kept else []
            else:
                events.append((length, tokens))
            size += length
        rest = bytes(memoryview(self.data)[taken:])
        return begun, Piece(self.due_ns, rest, self.tokens - begun, events)


@dataclass(frozen=True, slots=True)
class Script:
    """One streamed answer in the bytes of a dialect."""

    content_type: str
    opening: bytes  # events before the first token
    reasoning: Callable[[str], bytes]
    content: Callable[[str], bytes]
    closing: bytes  # events after the last token


def streamed(
    request: Request,
    own: Mapping[str, str],
    script: Script,
    answer: Answer,
    pace: Pace,
    tokens_per_chunk: int,
    *,
    joined: bool = False,
) -> Iterator[Piece]:
    """The head at once, then each event of tokens in its own piece, then the end right after the last of them.

    Times count from `request.received_ns`; `own` are headers of this reply.
    `joined` is for gaps of zero: after the first event, as many as make a block go in one piece, and the end with the last.
    """
    headers = {"content-type": script.content_type, "transfer-encoding": "chunked", "cache-control": "no-cache"}
    yield Piece(request.received_ns, http1.head(request, 200, {**headers, **own}), 0)
    due_ns = request.received_ns + pace.ttft_ns
    opening = http1.chunk(script.opening)
    closing = http1.chunk(script.closing) + http1.LAST_CHUNK
    for made in _blocks(script, answer, tokens_per_chunk):
        block = made
        if opening:  # the first event, alone
            (data, tokens), *block = made
            yield Piece(due_ns, opening + data, tokens)
            opening = b""
        if joined:
            if block:
                yield _joined(due_ns, block)
            continue
        gaps_ns = iter(pace.gaps_ns(sum(tokens for _, tokens in block)))
        for data, tokens in block:
            due_ns += next(gaps_ns) if tokens == 1 else sum(itertools.islice(gaps_ns, tokens))
            yield Piece(due_ns, data, tokens)
    yield Piece(due_ns, opening + closing, 0)


def whole(
    request: Request, own: Mapping[str, str], body: bytes, answer: Answer, pace: Pace, tokens_per_chunk: int
) -> Iterator[Piece]:
    """One piece, when the last token of the same answer as a stream would be due."""
    due_ns = request.received_ns + pace.ttft_ns + pace.gap_ns(later(answer, tokens_per_chunk))
    return iter([Piece(due_ns, http1.document(request, 200, body, own), answer.completion_tokens)])


def later(answer: Answer, tokens_per_chunk: int) -> int:
    """How many tokens come after the first event."""
    return answer.completion_tokens - min(tokens_per_chunk, len(answer.reasoning) or len(answer.content))


def _blocks(script: Script, answer: Answer, tokens_per_chunk: int) -> Iterator[list[tuple[bytes, int]]]:
    """(event in its chunk, its tokens), several at a time; reasoning and content never share an event."""
    chunk = http1.chunk
    for spell, said in ((script.reasoning, answer.reasoning), (script.content, answer.content)):
        if not said:
            continue
        step = tokens_per_chunk * max(1, min(BLOCK, BLOCK_BYTES // (tokens_per_chunk * len(said[-1]))))
        for start in range(0, len(said), step):
            part = said[start : start + step]
            if tokens_per_chunk == 1:
                yield [(chunk(spell(token)), 1) for token in part]
            else:
                events = [part[at : at + tokens_per_chunk] for at in range(0, len(part), tokens_per_chunk)]
                yield [(chunk(spell("".join(event))), len(event)) for event in events]


def _joined(due_ns: int, block: Sequence[tuple[bytes, int]]) -> Piece:
    data = b"".join([data for data, _ in block])
    return Piece(due_ns, data, sum(tokens for _, tokens in block), [(len(data), tokens) for data, tokens in block])
