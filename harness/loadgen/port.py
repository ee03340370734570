"""One endpoint as a process calls it: target, key, deadlines, TLS, and one prebuilt request per example."""

from pathlib import Path

import httpx

from harness.credentials import Secrets
from harness.loadgen import tls
from harness.loadgen.attempt import Asked
from harness.loadgen.proxy import Proxy
from harness.loadgen.transport import wire_bytes
from harness.records import Call, Deadlines, Target, WireRequest
from harness.scenario import Endpoint
from harness.wire.reading import dialect

KEPT_BYTES = (
    64 * 1024 * 1024
)  # of built requests, per endpoint and process: 64 prompts of 1 MB, or all that most data sets have
PARSED = 64
LIMITS = ("max_completion_tokens", "max_tokens")


class Port:
    """`url` is the base address, which a simulated endpoint's scenario lacks. The secrets are here and in headers only.

    Relative files of `tls` stand relative to `folder`, the scenario's.
    """

    def __init__(self, name: str, config: Endpoint, url: str, secrets: Secrets, folder: Path = Path()) -> None:
        self.name, self.url = name, url
        self.deadlines = Deadlines(**config.deadlines.model_dump())
        self.tls = tls.of(name, config, url, folder, secrets.client_key_password)
        self.proxy = None if config.proxy is None else Proxy.at(config.proxy, secrets.proxy_auth)
        hidden = () if self.proxy is None else self.proxy.secrets
        self.asked = Asked(dialect(config.dialect), config.stream, config.model, secrets.key, hidden)
        self._target = Target(
            base_url=url,
            model=config.model,
            stream=config.stream,
            parameters=config.parameters,
            headers=config.headers,
            extra_body=config.extra_body,
        )
        asked = dict(config.parameters) | dict(config.extra_body)
        self.most_tokens: int | None = next((asked[name] for name in LIMITS if isinstance(asked.get(name), int)), None)
        self._requests: dict[str, httpx.Request] = {}
        self._kept_bytes = 0
        self._parsed: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[httpx.URL, httpx.Headers]] = {}

    def request(self, call: Call) -> httpx.Request:
        """Built once per example, as far as `KEPT_BYTES` allow: building one costs 20 us and its size."""
        made = None if call.once else self._requests.get(call.example)
        if made is None:
            made = self._build(self.asked.dialect.request(call, self._target, self.asked.key))
            size = len(wire_bytes(made, self.proxy))
            if not call.once and self._kept_bytes + size <= KEPT_BYTES:
                self._kept_bytes += size
                self._requests[call.example] = made
        return made

    def _build(self, spelled: WireRequest) -> httpx.Request:
        """Address and headers are parsed once, since nearly all calls at an endpoint have the same."""
        key = spelled.url, spelled.headers
        if key not in self._parsed:
            if len(self._parsed) >= PARSED:
                self._parsed.clear()  # a dialect that signs each request: nothing repeats
            self._parsed[key] = httpx.URL(spelled.url), httpx.Headers(list(spelled.headers))
        url, headers = self._parsed[key]
        return httpx.Request(spelled.method, url, headers=headers, content=spelled.body)
