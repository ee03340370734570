"""A relay that stamps the bytes which pass between signoff and a server: a second opinion that shares none of signoff's code.

It runs in a thread of its own and stamps with CLOCK_MONOTONIC, which is signoff's clock too. A stamp is taken before the bytes
are passed on, so a true stamp of signoff is never earlier.
"""

import asyncio
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EVENT = re.compile(rb"^data: (\{.*\})\r?$", re.MULTILINE)


@dataclass
class Exchange:
    """One request and the bytes of its response, as (stamp_ns, bytes)."""

    request_ns: int
    request: bytes
    reads: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Testimony:
    """What one exchange came to: stamps of the first and last chunk with text, how many such, tokens by the server's count."""

    request_ns: int
    status: int
    first_token_ns: int | None
    last_token_ns: int | None
    chunks: int
    output_tokens: int | None
    answer_sha256: str
    done_marker: bool


class Witness:
    """Give `port` to the client instead of the server's; read `testimonies` when it has stopped."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._exchanges: list[Exchange] = []
        self.port = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._connection, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            server.close()
            loop.close()

    def testimonies(self) -> list[Testimony]:
        return [testify(exchange) for exchange in self._exchanges if exchange.reads]

    async def _connection(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        mine: list[Exchange] = []
        await asyncio.gather(self._requests(client, forth, mine), self._responses(server, back, mine))

    async def _requests(self, client: asyncio.StreamReader, forth: asyncio.StreamWriter, mine: list[Exchange]) -> None:
        while data := await client.read(65536):
            if not mine or mine[-1].reads:
                mine.append(Exchange(time.monotonic_ns(), b""))
                self._exchanges.append(mine[-1])
            mine[-1].request += data
            forth.write(data)
        forth.close()

    async def _responses(self, server: asyncio.StreamReader, back: asyncio.StreamWriter, mine: list[Exchange]) -> None:
        while data := await server.read(65536):
            mine[-1].reads.append((time.monotonic_ns(), data))
            back.write(data)
        back.close()


def testify(exchange: Exchange) -> Testimony:
    """Events are found by their lines in the raw bytes: the servers of these rigs never split one between two HTTP chunks."""
    body = b"".join(data for _, data in exchange.reads)
    spoken, text, output_tokens = [], "", None
    for event in EVENT.finditer(body):
        said = json.loads(event[1])
        output_tokens = (said.get("usage") or {}).get("completion_tokens", output_tokens)
        content = said["choices"][0]["delta"].get("content") if said.get("choices") else None
        if content:
            text += content
            spoken.append(_stamp_at(exchange, event.end()))
    return Testimony(
        request_ns=exchange.request_ns,
        status=int(body.split(b" ", 2)[1]),
        first_token_ns=spoken[0] if spoken else None,
        last_token_ns=spoken[-1] if spoken else None,
        chunks=len(spoken),
        output_tokens=output_tokens,
        answer_sha256=hashlib.sha256(text.encode()).hexdigest(),
        done_marker=b"data: [DONE]" in body,
    )


def _stamp_at(exchange: Exchange, offset: int) -> int:
    """When the byte at this offset of the response passed."""
    for stamp_ns, data in exchange.reads:
        offset -= len(data)
        if offset <= 0:
            return stamp_ns
    raise AssertionError("an event ends inside the response")
