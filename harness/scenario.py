"""What the user writes: one YAML file that says which endpoints, which prompts, how much load, what counts as right.

The model below is the whole grammar; anything it does not name is an error. Reading YAML with places is `scenario_file.py`.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from harness import base_url, plugins
from harness.errors import HarnessError, nearest
from harness.load import EvaluationLoad, Load, ReplayLoad, search_of
from harness.measure import slo
from harness.section import Positive, Ratio, Section, Whole, checking, mistake
from harness.simulated import Simulated

_SECRET_NAME = re.compile(r"authorization|api-?key|secret|cookie|(access|auth|security)-?token|subscription-?key")
_SECRET_VALUE = re.compile(r"(bearer|basic)\s.*|sk-[\w-]{16,}", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def _usd(text: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation as broken:
        raise HarnessError(f"{text!r} is not an amount of US dollars", remedy="write a number, for example 0.15") from broken
    if not amount.is_finite() or amount < 0:
        raise HarnessError(f"{text!r} is not a price", remedy="zero or more US dollars")


def _day(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as broken:
        raise HarnessError(f"{text!r} is not a date", remedy="write it as 2026-11-01") from broken


def _variable(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise HarnessError("not the name of an environment variable", remedy="write the variable's name, never the key itself")


def _public_name(name: str) -> None:
    if _SECRET_NAME.search(name.lower().replace("_", "-")):
        raise HarnessError(f"{name!r} would hold a secret in plain sight", remedy="name the key's variable with api_key_env")


def _public_value(text: str) -> None:
    if _SECRET_VALUE.fullmatch(text):
        raise HarnessError("this value looks like a key", remedy="name the key's variable with api_key_env")
    if not _PRINTABLE.fullmatch(text):
        raise HarnessError("a header can carry printable ASCII only", remedy="look for line ends and accents")


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Text = Annotated[str, Field(min_length=1)]
Usd = Annotated[str, Field(coerce_numbers_to_str=True), checking(_usd), WithJsonSchema({"type": ["number", "string"]})]
Objective = Annotated[str, checking(slo.parse)]
Variable = Annotated[str, checking(_variable)]
ProxyUrl = Annotated[str, checking(base_url.checked_proxy)]
PublicName = Annotated[str, checking(_public_name)]
PublicValue = Annotated[str, checking(_public_value)]


class Price(Section):
    """US dollars per 1,000,000 tokens, or `catalog: provider/model` to look it up in genai-prices."""

    input: Usd | None = None
    output: Usd | None = None
    cached_read: Usd | None = None
    cache_write: Usd | None = None
    reasoning: Usd | None = None
    per_request: Usd = "0"
    source: Text | None = None
    dated: Annotated[str, checking(_day)] | None = None
    catalog: Annotated[str, Field(pattern=r"^[^/\s]+/\S+$")] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.catalog is not None and (self.input is not None or self.output is not None):
            raise mistake("both a contract price and a catalog entry", "keep input and output, or catalog")
        if self.catalog is None and (self.input is None or self.output is None):
            raise mistake("no price", "give both input and output in USD per 1,000,000 tokens, or `catalog: provider/model`")
        return self


class Tls(Section):
    """`client_cert` is shown to a server that asks for one; its key may stand in the same PEM file."""

    ca_file: Path | None = None
    verify: bool = True
    client_cert: Path | None = None
    client_key: Path | None = None
    client_key_password_env: Variable | None = None

    @model_validator(mode="after")
    def _key_of_something(self) -> Self:
        if self.client_cert is None and (self.client_key or self.client_key_password_env) is not None:
            key = "client_key" if self.client_key is not None else "client_key_password_env"
            raise mistake(f"{key} without client_cert", "name the certificate's file, too")
        return self


class DeadlinesConfig(Section):
    """Seconds; what each one limits is said at `records.Deadlines`."""

    connect: Positive = 10.0
    headers: Positive = 60.0
    first_token: Positive = 120.0
    idle: Positive = 60.0
    total: Positive = 600.0


class Limits(Section):
    """A quota that load shall stay under, at this endpoint and over all workers; no more than a `burst_s` of it at once.

    `tokens_per_minute` is of input and output together, as OpenAI and Azure count them.
    """

    requests_per_minute: Whole | None = None
    tokens_per_minute: Whole | None = None
    input_tokens_per_minute: Whole | None = None
    output_tokens_per_minute: Whole | None = None
    burst_s: Annotated[float, Field(ge=0.001, le=60)] = 1.0

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        names = [name for name in type(self).model_fields if name.endswith("_per_minute")]
        if all(getattr(self, name) is None for name in names):
            raise mistake("limits without a limit", f"give at least one of {', '.join(names)}, or drop `limits`")
        return self


class Endpoint(Section):
    """A candidate: either an address (`base_url`) or a part that the simulator plays (`simulated`)."""

    dialect: Annotated[str, checking(lambda name: plugins.load("dialect", name))] = "openai_chat"
    allow_http: bool = False
    base_url: str | None = None
    model: Text
    api_key_env: Variable | None = None
    stream: bool = True
    parameters: dict[PublicName, Any] = {}
    headers: dict[PublicName, PublicValue] = {}
    extra_body: dict[PublicName, Any] = {}
    deadlines: DeadlinesConfig = DeadlinesConfig()
    tls: Tls = Tls()
    proxy: ProxyUrl | None = None
    proxy_auth_env: Variable | None = None
    price: Price | None = None
    limits: Limits | None = None
    simulated: Simulated | None = None

    @field_validator("base_url")
    @classmethod
    def _is_base(cls, url: str | None, info: ValidationInfo) -> str | None:
        try:
            return None if url is None else base_url.checked(url, allow_http=info.data.get("allow_http", False))
        except HarnessError as wrong:
            raise mistake(wrong.what, wrong.remedy) from wrong

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.base_url is None) == (self.simulated is None):
            what = "neither base_url nor simulated" if self.base_url is None else "both base_url and simulated"
            raise mistake(what, "give exactly one: the address of a real endpoint, or what the simulator shall play")
        return self

    @model_validator(mode="after")
    def _shown_to_somebody(self) -> Self:
        if self.tls.client_cert is not None and not (self.base_url or "").startswith("https:"):
            remedy = "drop tls.client_cert, or let base_url begin with https"
            raise mistake("a client certificate, and no TLS to show it in", remedy)
        return self

    @model_validator(mode="after")
    def _by_a_way_that_fits(self) -> Self:
        if self.proxy is None:
            if self.proxy_auth_env is not None:
                raise mistake("proxy_auth_env without a proxy", "name the proxy, too: `proxy: http://host:port`")
        elif not (self.base_url or "").startswith("https:") and not self.allow_http and not base_url.is_local(self.proxy):
            what = f"a proxy on another host, {self.proxy}, would get prompts and the key unencrypted"
            raise mistake(what, "let base_url begin with https, or set `allow_http: true` for a network that you trust")
        return self


class Sample(Section):
    n: Annotated[int, Field(ge=1)]


class Prompts(Section):
    """`format` is by the file's ending where it is not given; `columns` maps our names to the file's.

    nonce        what stands before each prompt, so that no cache has it: nothing, a word of the run's own, or a word of each
                 request's own
    reuse_share  the share of requests that have the nonce and prompt of an earlier one all the same
    """

    dataset: Path
    format: Annotated[str, checking(lambda name: plugins.load("dataset format", name))] | None = None
    columns: dict[str, Text] = {}
    system: str | None = None
    template: Text = "{{ prompt }}"
    sample: Sample | None = None
    nonce: Literal["none", "run", "attempt"] = "none"
    reuse_share: Ratio = 0.0

    @model_validator(mode="after")
    def _reused(self) -> Self:
        if self.reuse_share and self.nonce != "attempt":
            what = f"a reuse_share of {self.reuse_share:g} with `nonce: {self.nonce}`"
            raise mistake(what, "write `nonce: attempt`: without it, the data set alone says what repeats")
        return self


class Grading(Section):
    """A scorer by name, and its options, which are checked against its signature."""

    scorer: Annotated[str, checking(lambda name: plugins.load("scorer", name))]
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _accepted(self) -> Self:
        factory = plugins.load("scorer", self.scorer).scorer
        try:
            _call_checked(factory, self.options)
        except HarnessError as wrong:
            raise mistake(f"scorer {self.scorer!r}: {wrong.what}", wrong.remedy) from wrong
        return self


def _call_checked(factory: Callable[..., object], options: dict[str, Any]) -> None:
    signature = inspect.signature(factory)
    unknown = next((name for name in options if name not in signature.parameters), None)
    if unknown is not None:
        raise HarnessError(f"unknown option {unknown!r}", remedy=nearest(unknown, signature.parameters))
    lacking = _required(signature.parameters.values()) - options.keys()
    if lacking:
        raise HarnessError(f"option {min(lacking)!r} is required", remedy=nearest(min(lacking), signature.parameters))
    factory(**options)


def _required(parameters: Iterable[inspect.Parameter]) -> set[str]:
    return {each.name for each in parameters if each.default is inspect.Parameter.empty}


class Business(Section):
    monthly_volume: Annotated[int, Field(ge=0)] | None = None


class Budget(Section):
    """What stops a run before its plan is over.

    errors  share of the requests at one endpoint that fail, once there are `errors_after` of them
    """

    usd: Usd | None = None
    errors: Ratio | None = None
    errors_after: Whole = 100
    minutes: Positive | None = None


class Scenario(Section):
    name: Name
    description: str = ""
    endpoints: Annotated[dict[Name, Endpoint], Field(min_length=1)]
    prompts: Prompts
    load: Load
    grading: Grading | None = None
    slo: tuple[Objective, ...] = ()
    business: Business = Business()
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _asked_as_two(self) -> Self:
        """An A/A test has one endpoint under two names, also when it is read back from a manifest."""
        name, again = self.load.aa, self.load.again
        if name is None or again is None:
            return self
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            raise mistake(f"load.aa: no endpoint {name!r}", nearest(name, self.endpoints))
        if self.endpoints.get(again, endpoint) != endpoint:
            raise mistake(f"load.aa: {again!r} is an endpoint of its own", "give it another name: the second arm is called so")
        return self.model_copy(update={"endpoints": {name: endpoint, again: endpoint}})

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        """Endpoints that run at once shall not be each other's load."""
        if self.load.design == "parallel":
            first: dict[tuple[str | None, str], str] = {}
            for name, endpoint in self.endpoints.items():
                other = first.setdefault((endpoint.base_url, endpoint.model), name)
                if other != name and endpoint.base_url is not None:
                    what = f"load.design parallel: {other} and {name} are the same model at the same address"
                    raise mistake(what, "write `design: interleaved`: at once, each would be the other's load")
        return self

    @model_validator(mode="after")
    def _countable(self) -> Self:
        unpriced = [name for name, endpoint in self.endpoints.items() if endpoint.price is None]
        if self.budget.usd is not None and unpriced:
            raise mistake(
                f"budget.usd, and no price of {', '.join(unpriced)}", "give every endpoint a price, or drop budget.usd"
            )
        return self

    @model_validator(mode="after")
    def _shared_as_traced(self) -> Self:
        if self.prompts.nonce == "attempt" and isinstance(self.load, ReplayLoad) and self.load.prompts == "trace":
            what = "prompts.nonce attempt, and prompts that share what the trace says was shared"
            raise mistake(what, "write `nonce: run`, which keeps what they share, or `load.prompts: examples`")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.prompts.reuse_share and isinstance(self.load, EvaluationLoad):
            what = "prompts.reuse_share, and an evaluation, which asks each example once"
            raise mistake(what, "drop reuse_share, or write `kind: closed` or `kind: open`")
        return self

    @model_validator(mode="after")
    def _gradable(self) -> Self:
        if self.grading is not None and isinstance(self.load, ReplayLoad) and self.load.prompts == "trace":
            raise mistake("grading of answers to filler", "write `load.prompts: examples`, or drop grading")
        return self

    @model_validator(mode="after")
    def _searchable(self) -> Self:
        if search_of(self.load) is None:
            return self
        if not any(slo.is_share(slo.parse(text)) for text in self.slo):
            what = f"a search for the largest load that holds {'; '.join(self.slo) or 'nothing'}"
            raise mistake(what, "give `slo` at least one percentile of a latency, for example `ttft.p99 <= 800 ms`")
        return self
