"""One endpoint as a process calls it: target, key, deadlines, TLS, and one prebuilt request per example."""

import ssl
from pathlib import Path

import httpx

from harness.loadgen.attempt import Asked
from harness.loadgen.transport import tls_context
from harness.records import Call, Deadlines, Target
from harness.scenario import Endpoint
from harness.wire.reading import dialect


class Port:
    """`url` is the base address, which a simulated endpoint's scenario lacks. The key is here and in request headers only.

    A relative `tls.ca_file` stands relative to `folder`, the scenario's.
    """

    def __init__(self, name: str, config: Endpoint, url: str, key: str | None, folder: Path = Path()) -> None:
        self.name, self.url = name, url
        self.deadlines = Deadlines(**config.deadlines.model_dump())
        self.asked = Asked(dialect(config.dialect), config.stream, config.model, key)
        self.tls: ssl.SSLContext | None = None
        if url.startswith("https:"):
            authority = None if config.tls.ca_file is None else folder / config.tls.ca_file
            self.tls = tls_context(authority, verify=config.tls.verify)
        self._target = Target(
            base_url=url,
            model=config.model,
            stream=config.stream,
            parameters=config.parameters,
            headers=config.headers,
            extra_body=config.extra_body,
        )
        self._requests: dict[str, httpx.Request] = {}

    def request(self, call: Call) -> httpx.Request:
        """Built once per example: handing a built request to the transport costs 2 us, building one 80."""
        made = self._requests.get(call.example)
        if made is None:
            spelled = self.asked.dialect.request(call, self._target, self.asked.key)
            made = httpx.Request(spelled.method, spelled.url, headers=list(spelled.headers), content=spelled.body)
            self._requests[call.example] = made
        return made
