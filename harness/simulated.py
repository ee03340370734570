"""The `simulated` section of an endpoint: what the bundled simulator shall play.

The rule: each key is one of `simulator.candidate.Candidate`, which says what it means; what cannot be meant is refused here.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.section import Positive, Ratio, Section, Whole, mistake


class Lognormal(Section):
    """A duration: `median_s` times exp(sigma x standard normal). sigma 0 is exact."""

    median_s: Annotated[float, Field(ge=0)]
    sigma: Annotated[float, Field(ge=0, le=3)] = 0.0


class ServiceTime(Section):
    """The whole service time of a request, from its begin to the last token. `sigma` is for `lognormal`."""

    mean_s: Positive
    kind: Literal["exponential", "lognormal", "fixed"] = "exponential"
    sigma: Annotated[float, Field(gt=0, le=3)] = 0.5
    first_ratio: Ratio = 0.25


class Freeze(Section):
    """Nothing is sent for `for_s` every `every_s`, first `first_s` after the first request (default: half of `every_s`)."""

    every_s: Positive
    for_s: Positive
    first_s: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.for_s >= self.every_s:
            raise mistake(f"a freeze of {self.for_s:g} s every {self.every_s:g} s never ends", "let for_s be less than every_s")
        return self


class Limits(Section):
    """Rates beyond which requests get 429. `output`: max_tokens is reserved at the start, or what was sent is counted later."""

    requests_per_minute: Whole | None = None
    input_tokens_per_minute: Whole | None = None
    output_tokens_per_minute: Whole | None = None
    burst_s: Positive = 60.0
    output: Literal["reserved", "counted"] = "reserved"

    @model_validator(mode="after")
    def _some_pass(self) -> Self:
        rates = [self.requests_per_minute, self.input_tokens_per_minute, self.output_tokens_per_minute]
        stated = [rate for rate in rates if rate is not None]
        if not stated:
            names = "requests_per_minute, input_tokens_per_minute or output_tokens_per_minute"
            raise mistake("limits without a limit", f"give {names}")
        if min(stated) * self.burst_s < 60:
            what = f"{min(stated)} a minute make less than 1 in {self.burst_s:g} s, so nothing would ever pass"
            raise mistake(what, "raise burst_s")
        return self


class Simulated(Section):
    """A candidate that the bundled simulator plays, with speed and accuracy that are known and written down."""

    ttft: Lognormal = Lognormal(median_s=0.2, sigma=0.3)
    itl: Lognormal = Lognormal(median_s=0.02, sigma=0.3)
    accuracy: Ratio = 0.9
    error_rate: Ratio = 0.0
    cached_ratio: Ratio = 0.0
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    tokens_per_chunk: Annotated[int, Field(ge=1)] = 1
    seed: int = 1
    service: ServiceTime | None = None
    servers: Whole | None = None
    freeze: Freeze | None = None
    limits: Limits | None = None
    prefix_cache: bool = False

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        told = [name for name in ("ttft", "itl") if getattr(self, name) != type(self).model_fields[name].default]
        if self.service is not None and told:
            raise mistake(f"both service and {' and '.join(told)}", "service is the whole time: keep it, or ttft and itl")
        if self.prefix_cache and self.cached_ratio:
            raise mistake("both cached_ratio and prefix_cache", "keep one: a fixed share, or what earlier prompts began with")
        return self
