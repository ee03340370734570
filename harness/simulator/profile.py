"""The parts of a candidate's profile that make it a provider under load: service times, freezes, rate limits.

The rule: what cannot be meant is refused here, with the values in the message.
"""

import math
import statistics
from typing import Annotated, Literal

import msgspec

NS = 1_000_000_000

Seconds = Annotated[float, msgspec.Meta(gt=0)]
PerMinute = Annotated[int, msgspec.Meta(ge=1)] | None


class ServiceTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From the begin of service to the last token; `mean_s` is the mean of every kind.

    sigma        of the lognormal's logarithm
    first_ratio  share of the service time after which the first token comes; the others follow evenly
    """

    mean_s: Seconds
    kind: Literal["exponential", "lognormal", "fixed"] = "exponential"
    sigma: Annotated[float, msgspec.Meta(gt=0, le=3)] = 0.5
    first_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.25

    def drawn_ns(self, uniform: float) -> int:
        """The quantile at `uniform`, a number in [0, 1)."""
        if self.kind == "exponential":
            factor = -math.log1p(-uniform)
        elif self.kind == "lognormal":
            normal = statistics.NormalDist().inv_cdf(max(uniform, 2.0**-54))
            factor = math.exp(self.sigma * normal - self.sigma**2 / 2)  # so that its mean, not its median, is 1
        else:
            factor = 1.0
        return round(factor * self.mean_s * NS)


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For `for_s` every `every_s`, the first `first_s` after the candidate's first request; None: after half of `every_s`."""

    every_s: Seconds
    for_s: Seconds
    first_s: Annotated[float, msgspec.Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if self.for_s >= self.every_s:
            raise ValueError(
                f"a freeze of {self.for_s:g} s every {self.every_s:g} s never ends: for_s must be less than every_s"
            )


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a candidate takes in a minute; None is unlimited.

    burst_s  a bucket holds what its rate fills in so many seconds, and is full at first
    output   `reserved`, as at OpenAI: a request takes its max_tokens (without one, its answer's length) when it comes and gets
             nothing back; `counted`, as at Anthropic: it takes what was sent when its reply has ended, so the bucket may owe
    """

    requests_per_minute: PerMinute = None
    input_tokens_per_minute: PerMinute = None
    output_tokens_per_minute: PerMinute = None
    burst_s: Seconds = 60.0
    output: Literal["reserved", "counted"] = "reserved"

    def __post_init__(self) -> None:
        rates = [self.requests_per_minute, self.input_tokens_per_minute, self.output_tokens_per_minute]
        stated = [rate for rate in rates if rate is not None]
        if not stated:
            raise ValueError(
                "limits without a limit: give requests_per_minute, input_tokens_per_minute or output_tokens_per_minute"
            )
        if min(stated) * self.burst_s < 60:
            raise ValueError(
                f"{min(stated)} a minute make less than 1 in burst_s = {self.burst_s:g}, so nothing would ever pass"
            )
