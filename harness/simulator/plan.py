"""A reply as planned: pieces of bytes, each with the time it is due.

A plan is a generator, so that drawing and encoding are spread over the stream and do not delay others at its start.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.simulator import http1
from harness.simulator.answer import Answer
from harness.simulator.candidate import Draws
from harness.simulator.http1 import Request


class Piece(NamedTuple):
    """What one `send` hands to the kernel, not before `due_ns` (monotonic), and how many tokens it carries."""

    due_ns: int
    data: bytes
    tokens: int


@dataclass(frozen=True, slots=True)
class Script:
    """One streamed answer in the bytes of a dialect."""

    content_type: str
    opening: bytes  # events before the first token
    reasoning: Callable[[str], bytes]
    content: Callable[[str], bytes]
    closing: bytes  # events after the last token


def streamed(
    request: Request, id_: str, script: Script, answer: Answer, draws: Draws, tokens_per_chunk: int
) -> Iterator[Piece]:
    """The head at once, then each event of tokens in its own piece, then the end right after the last of them."""
    headers = {"content-type": script.content_type, "transfer-encoding": "chunked", "cache-control": "no-cache"}
    yield Piece(request.received_ns, http1.head(request, 200, headers | {"x-request-id": id_}), 0)
    due_ns = request.received_ns + draws.ttft_ns
    opening = http1.chunk(script.opening)
    for spell, said in ((script.reasoning, answer.reasoning), (script.content, answer.content)):
        for event in events(said, tokens_per_chunk):
            if not opening:
                due_ns += draws.gap_ns(len(event))
            yield Piece(due_ns, opening + http1.chunk(spell("".join(event))), len(event))
            opening = b""
    yield Piece(due_ns, opening + http1.chunk(script.closing) + http1.LAST_CHUNK, 0)


def whole(request: Request, id_: str, body: bytes, answer: Answer, draws: Draws, tokens_per_chunk: int) -> Iterator[Piece]:
    """One piece, when the last token of the same answer as a stream would be due."""
    parts = [*events(answer.reasoning, tokens_per_chunk), *events(answer.content, tokens_per_chunk)]
    due_ns = request.received_ns + draws.ttft_ns + sum(draws.gap_ns(len(event)) for event in parts[1:])
    yield Piece(due_ns, http1.document(request, 200, body, {"x-request-id": id_}), answer.completion_tokens)


def events(said: Sequence[str], tokens_per_chunk: int) -> Iterator[Sequence[str]]:
    """The tokens by event; reasoning and content never share one."""
    return (said[start : start + tokens_per_chunk] for start in range(0, len(said), tokens_per_chunk))
