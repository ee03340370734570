"""The two programs at the ends of the lossy link: a server that writes down what it sends and when, and our transport.

    python lossy_ends.py server|client DEVICE

They say and are told JSON lines, see `lossy_link.End`.
"""

import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import trustme

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def say(said: object) -> None:
    print(json.dumps(said), flush=True)


def told() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def bring_up(device: str) -> str:
    """Wait for the device, take the address; returns it."""
    say("there")
    address = told()["address"]
    for words in (["addr", "add", f"{address}/24", "dev", device], ["link", "set", device, "up"]):
        subprocess.run(["ip", *words], check=True)
    say("up")
    return address


# ------------------------------------------------------------------------------------------------------------------ the server


class Wire:
    """One accepted connection, plain or TLS, that counts the bytes that it gives to TCP."""

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket, self.sent = sock, 0
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None if tls is None else tls.wrap_bio(self._in, self._out, server_side=True)
        while self._tls is not None:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._push(self._out.read())
                self._pull()
        self._push(self._out.read())

    def read(self) -> bytes:
        while True:
            if self._tls is None:
                return self._socket.recv(65536)
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._pull()

    def write(self, data: bytes) -> tuple[int, int]:
        """(ns before it went to TCP, byte of the connection after its last)."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._out.read()
        return self._push(data)

    def _push(self, data: bytes) -> tuple[int, int]:
        self.sent += len(data)
        now = time.monotonic_ns()
        self._socket.sendall(data)
        return now, self.sent

    def _pull(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError
        self._in.write(data)


def event(text: str, **more: object) -> bytes:
    said = {"choices": [{"index": 0, "delta": {"content": text}}], **more}
    data = b"data: " + json.dumps(said).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def finish(tokens: int) -> bytes:
    said = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": tokens}}
    data = b"data: " + json.dumps(said).encode() + b"\n\ndata: [DONE]\n\n"
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


def converse(wire: Wire, ports: tuple[int, int], truth: dict[str, Any]) -> None:
    """Answer requests whose prompt says `NAME tokens=N gap_ms=G bytes=B`, and write down when each token went out."""
    data = b""
    while True:
        asked = None
        while asked is None:
            piece = wire.read()
            if not piece:
                return
            data += piece
            asked = re.search(rb"(\S+) tokens=(\d+) gap_ms=(\d+) bytes=(\d+)", data)
        data = b""
        name, (tokens, gap_ms, size) = asked[1].decode().rpartition('"')[2], map(int, asked.groups()[1:])
        log = truth[name] = {"ports": ports, "tokens": []}
        wire.write(HEAD)
        for _ in range(tokens):
            time.sleep(gap_ms / 1000)
            log["tokens"].append(wire.write(event("x" * size)))
        wire.write(finish(tokens))


def serve(address: str) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(address).configure_cert(tls)
    truth: dict[str, Any] = {}

    def one(sock: socket.socket, ports: tuple[int, int], context: ssl.SSLContext | None) -> None:
        try:
            converse(Wire(sock, context), ports, truth)
        except OSError:
            pass
        finally:
            sock.close()

    def accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            sock, (_, port) = listener.accept()
            threading.Thread(target=one, args=(sock, (port, listener.getsockname()[1]), context), daemon=True).start()

    ports = []
    for context in (None, tls):
        listener = socket.create_server((address, 0), backlog=256)
        ports.append(listener.getsockname()[1])
        threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    say({"http": ports[0], "https": ports[1], "authority": authority.cert_pem.bytes().decode()})
    while told():
        say(truth)


# ------------------------------------------------------------------------------------------------------------------ the client


def load(_: str) -> None:
    """Told where to and which prompts: users, each with its prompts one after the other. Says each attempt, then "done"."""
    import gevent

    from harness.loadgen.drain import Drain
    from harness.loadgen.resolver import Resolver
    from harness.loadgen.tls import context
    from harness.scenario import Tls

    asked = told()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(asked["authority"])
        file.flush()
        trusting = context(Tls(ca_file=Path(file.name)))
    drain, resolver = Drain(), Resolver()
    users = [gevent.spawn(_use, drain, resolver, trusting, url, prompts) for url, prompts in asked["users"]]
    gevent.joinall(users, raise_error=True)
    say("done")
    drain.close()


def _use(drain: Any, resolver: Any, trusting: ssl.SSLContext, url: str, prompts: list[str]) -> None:
    import httpx

    from harness.loadgen import attempt
    from harness.loadgen.exchange import Exchange
    from harness.loadgen.transport import Transport
    from harness.records import AttemptStart, Deadlines, Phase
    from harness.wire.dialects import openai_chat
    from harness.wire.transcript import Transcript

    asked = attempt.Asked(openai_chat, stream=True, model="m", key=None)
    with Transport(drain, resolver, trusting) as transport:
        for prompt in prompts:
            now = time.monotonic_ns()
            start = AttemptStart(prompt, "e", "1", Phase.MEASURE, 0, "q", 0, now)
            transcript = Transcript(openai_chat)
            exchange = Exchange(transcript, Deadlines(headers=10, first_token=10, idle=10, total=30), now)
            transport.perform(httpx.Request("POST", url, content=json.dumps({"prompt": prompt}).encode()), exchange)
            end = attempt.finish(start, exchange, transcript, asked, None).end
            fields = ("kind", "error", "sent_ns", "first_token_ns", "last_token_ns", "rtt_ns", "min_rtt_ns", "retransmits")
            fields += ("out_of_order", "clamped", "unstamped", "coalesced", "reused", "headers_ns", "first_byte_ns", "done_ns")
            said = {name: getattr(end, name) for name in fields}
            say({"name": prompt.split()[0], "stamps_ns": list(transcript.stamps_ns), **said})


if __name__ == "__main__":
    {"server": serve, "client": load}[sys.argv[1]](bring_up(sys.argv[2]))
