"""The `load` of a scenario: who sends, how much, when, for how long.

A closed loop keeps so many users busy; an open loop sends on a schedule, however slow the endpoint is. An evaluation is no load
test: it asks every example once, and what failed by accident again.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from harness import plugins
from harness.measure import slo
from harness.search_for import SearchFor
from harness.section import Positive, Ratio, Section, Whole, checking, mistake

Users = Annotated[int, Field(ge=1, le=100_000)]
Speed = Annotated[float, Field(gt=0, le=1_000)]
Rate = Annotated[float, Field(gt=0, le=100_000)]
N = TypeVar("N", int, float)


def _rising(levels: tuple[N, ...], what: str) -> tuple[N, ...]:
    if not levels:
        raise mistake("no levels", f"give at least one {what}")
    if any(low >= high for low, high in pairwise(levels)):
        raise mistake(f"{list(levels)}: levels must increase", f"write {sorted(set(levels))}")
    return levels


def _closed_unless_said(load: Any) -> Any:
    return {"kind": "closed"} | load if isinstance(load, dict) else load


class Flat(Section):
    """The same rate from beginning to end; `soak` is the name of one that is held for hours, to see what wears out."""

    kind: Literal["flat", "soak"] = "flat"


class Ramp(Section):
    """In a straight line from a share of the rate to all of it."""

    kind: Literal["ramp"] = "ramp"
    begin: Ratio = 0.0


class Steps(Section):
    """Shares of the rate, one after the other, each for the same time."""

    kind: Literal["steps"] = "steps"
    shares: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] = (0.25, 0.5, 0.75, 1.0)


class Spike(Section):
    """`factor` times the rate for `for_s`, from `from_s` after the beginning of the measure window, or less where that ends."""

    kind: Literal["spike"] = "spike"
    factor: Positive = 5.0
    from_s: Annotated[float, Field(ge=0)] = 10.0
    for_s: Positive = 10.0


class Sine(Section):
    """Round the rate, by a share of it."""

    kind: Literal["sine"] = "sine"
    amplitude: Ratio = 0.5
    period_s: Positive = 60.0


class Diurnal(Section):
    """A day by weights of its hours, of which the rate is the mean, squeezed into `day_s`."""

    kind: Literal["diurnal"] = "diurnal"
    hours: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=24, max_length=24)] = (
        *(0.2, 0.15, 0.1, 0.1, 0.1, 0.15, 0.3, 0.6, 1.2, 1.8, 2.0, 1.9),
        *(1.6, 1.8, 2.0, 1.9, 1.7, 1.4, 1.1, 0.9, 0.8, 0.6, 0.4, 0.3),
    )
    day_s: Positive = 86_400.0

    @field_validator("hours")
    @classmethod
    def _some(cls, hours: tuple[float, ...]) -> tuple[float, ...]:
        if not any(hours):
            raise mistake("a day without requests", "give at least one hour a weight")
        return hours


def _named(shape: Any) -> Any:
    """`shape: ramp` is short for `shape: {kind: ramp}`."""
    return {"kind": shape} if isinstance(shape, str) else shape


Shape = Annotated[Flat | Ramp | Steps | Spike | Sine | Diurnal, Field(discriminator="kind"), BeforeValidator(_named)]


class Arrivals(Section):
    """How requests come: how regularly (`process`), and how many a second at each moment (`shape`).

    `burstiness` is the shape of gamma gaps: below 1 they come in bursts, above it more regularly than at random.
    """

    process: Literal["constant", "poisson", "gamma"] = "poisson"
    burstiness: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    shape: Shape = Flat()

    @model_validator(mode="after")
    def _only_gamma_bursts(self) -> Self:
        if self.burstiness != 1.0 and self.process != "gamma":  # the resolved scenario has every default written out
            raise mistake(f"burstiness of {self.process} arrivals", "write `process: gamma`, or drop burstiness")
        return self


def _levels(levels: tuple[N, ...], what: str, info: ValidationInfo) -> tuple[N, ...]:
    """Of a load that may name a search in their place."""
    if "search" not in info.data:  # it was written, and something in it is wrong: that is told, and is enough
        return levels
    if info.data["search"] is None:
        return _rising(levels, what)
    if levels:
        raise mistake("both levels and search", "keep one: the levels to run, or where to look for the largest that holds")
    return levels


def _check_search(load: "ClosedLoad | OpenLoad") -> None:
    """A search has no use for what says how long and how often a level runs."""
    if load.search is not None and load.measure_s != _Load.model_fields["measure_s"].default:
        raise mistake("measure_s of a search", "drop it: a step is as long as `search.requests` need, and search.least_s")
    if load.search is not None and load.repetitions != 1:
        raise mistake("repetitions of a search", "drop them: a level that stays unclear is run again by itself")
    if load.search is not None and load.design == "parallel":
        raise mistake("a search in the parallel design", "search by turns, then run what was found in parallel")
    if load.search is not None and load.aa is not None:
        raise mistake("a search as an A/A test", "give levels: the noise floor is of a load that is known")


class Think(Section):
    """How long a user takes from the end of an answer to the next turn: median_s times exp(sigma x standard normal)."""

    median_s: Annotated[float, Field(ge=0)]
    sigma: Annotated[float, Field(ge=0, le=3)] = 0.0


class _Load(Section):
    """`is_open`: requests come on a schedule, whatever the endpoint does.

    aa  an endpoint that is asked as if it were two, and no other one is asked: what differs then is noise
    """

    is_open: ClassVar[bool] = True
    warmup_s: Annotated[float, Field(ge=0, description="seconds at each level before anything is measured")] = 5.0
    measure_s: Annotated[Positive, Field(description="seconds that each level is measured")] = 60.0
    drain_s: Annotated[Positive, Field(description="seconds that what is in flight may take at the end of a cell")] = 30.0
    design: Literal["interleaved", "sequential", "parallel"] = "interleaved"
    repetitions: Annotated[Whole, Field(description="how often all of it is done")] = 1
    aa: Annotated[str | None, Field(description="an endpoint that is asked as two, to see what is noise")] = None
    seed: Annotated[int, Field(description="of every draw: order, arrivals, thinking")] = 1

    @property
    def again(self) -> str | None:
        """The second name of the endpoint that is asked as two."""
        return None if self.aa is None else f"{self.aa}-again"

    @model_validator(mode="after")
    def _in_turns(self) -> Self:
        if self.aa is not None and self.design != "interleaved":
            raise mistake(f"A/A in the {self.design} design", "write `design: interleaved`, so that time meets both arms alike")
        return self


class ClosedLoad(_Load):
    """Each level is a number of users, each with one request in flight: they wait for the endpoint, as few real ones do.

    They begin at random moments of the first `start_over_s`, for together they would stay in step: half of the warm-up if you
    do not say. Without a warm-up it is a second, or a tenth of a window shorter than ten: enough to part them, and over the
    window at most a twentieth of its load is lacking.

    requests  a level ends when so many have been made after its warm-up, in each repetition; measure_s is then the longest that
              it may take. User u of n makes those at u, u + n, ..., so what is asked does not depend on how fast anybody is
    """

    is_open: ClassVar[bool] = False
    unit: ClassVar[str] = "users"  # of a level
    view: ClassVar[slo.View] = "service"  # of objectives that name none

    kind: Literal["closed"] = "closed"
    search: SearchFor | None = None
    levels: tuple[Users, ...] = ()
    start_over_s: Annotated[float, Field(ge=0)] | None = None
    requests: Whole | None = None
    think_s: Think | None = None

    @property
    def starts_s(self) -> float:
        if self.start_over_s is not None:
            return self.start_over_s
        return self.warmup_s / 2 if self.warmup_s else min(1.0, self.measure_s / 10)

    @field_validator("levels")
    @classmethod
    def _increasing(cls, levels: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        return _levels(levels, "number of users", info)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _check_search(self)
        if self.search is not None and (self.search.begin % 1 or self.search.most % 1):
            raise mistake(f"a search from {self.search.begin:g} to {self.search.most:g} users", "whole numbers of users")
        if self.search is not None and self.requests is not None:
            raise mistake("requests of a search", "write `search.requests`: those of a step")
        if self.requests is not None and self.requests < max(self.levels):
            what = f"{self.requests} requests at a level of {max(self.levels)} users"
            raise mistake(what, "give at least as many requests as users, better a hundred times as many")
        return self


class OpenLoad(_Load):
    """Each level is a rate: requests arrive so many times a second, however slow the endpoint is.

    `users` is how many may be in flight at once; an arrival that finds all of them busy waits, and its wait is counted. An
    arrival may begin a conversation, whose user is busy to its end, thinking included.
    """

    view: ClassVar[slo.View] = "scheduled"
    unit: ClassVar[str] = "requests/s"

    kind: Literal["open"]
    search: SearchFor | None = None
    levels: tuple[Rate, ...] = ()
    arrivals: Arrivals = Arrivals()
    users: Users = 1_000
    think_s: Think | None = None

    @field_validator("levels")
    @classmethod
    def _increasing(cls, levels: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        return _levels(levels, "rate, in requests a second", info)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _check_search(self)
        if self.search is not None and not isinstance(self.arrivals.shape, Flat):
            remedy = "drop arrivals.shape: a level is held while it is judged"
            raise mistake(f"a search with the shape {self.arrivals.shape.kind!r}", remedy)
        if self.search is not None:
            self._check_first_step(self.search)
        return self

    @model_validator(mode="after")
    def _spike_inside(self) -> Self:
        shape = self.arrivals.shape
        if isinstance(shape, Spike) and shape.from_s >= self.measure_s:
            what = f"a spike from {shape.from_s:g} s on, in a measure window of {self.measure_s:g} s"
            raise mistake(what, f"let arrivals.shape.from_s be less than {self.measure_s:g}, or measure_s more than it")
        return self

    def _check_first_step(self, search: SearchFor) -> None:
        """A search that cannot make one step would end without a word."""
        measure_s = max(search.least_s, search.requests / search.begin)
        takes_s, sends = self.warmup_s + measure_s + self.drain_s, math.ceil((self.warmup_s + measure_s) * search.begin)
        first = f"the first step, {search.requests:,} requests at {search.begin:g}/s with warm-up and drain,"
        if takes_s > 60 * search.minutes:
            remedy = f"minutes of at least {math.ceil(takes_s / 6) / 10:g}, a higher begin, or a shorter warmup_s and drain_s"
            raise mistake(f"{first} may take {takes_s:.0f} s, and search.minutes is {search.minutes:g}", remedy)
        if sends > search.budget:
            raise mistake(
                f"{first} is {sends:,} requests, and search.budget {search.budget:,}", f"a budget of {sends:,} or more"
            )


class ReplayLoad(_Load):
    """Requests arrive as those of a trace did. Each level is a speed: 2 is twice as fast, so with twice the rate.

    from_s, to_s  the window of the trace that is replayed, in seconds from its earliest request; it stands for measure_s
    prompts       the team's own `examples` in their order, or filler of the `trace`'s lengths, answers limited to its lengths
    """

    view: ClassVar[slo.View] = "scheduled"
    unit: ClassVar[str] = "times its speed"

    kind: Literal["replay"]
    trace: Path
    format: Annotated[str, checking(lambda name: plugins.load("trace format", name))] | None = None
    from_s: Annotated[float, Field(ge=0)] | None = None
    to_s: Positive | None = None
    levels: tuple[Speed, ...] = (1.0,)
    prompts: Literal["examples", "trace"] = "examples"
    users: Users = 1_000

    @field_validator("levels")
    @classmethod
    def _increasing(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        return _rising(levels, "speed")

    @model_validator(mode="after")
    def _as_long_as_the_trace(self) -> Self:
        if self.measure_s != _Load.model_fields["measure_s"].default:
            raise mistake("measure_s of a replay", "give from_s and to_s: the window of the trace is what is measured")
        return self


_STRANGE = {
    "levels": "write `users: 8`, how many are asked at once; an evaluation has one level",
    "measure_s": "it is over when every example is answered; `budget.minutes` ends it before",
    "warmup_s": "an evaluation measures no load, so there is nothing to warm up",
    "start_over_s": "its users begin at once",
    "arrivals": "write `kind: open` for a schedule; an evaluation asks as fast as its users allow",
    "search": "a search is for the largest load: write `kind: closed` or `kind: open`",
    "aa": "the noise floor is of a load: write `kind: closed` or `kind: open`",
}


class EvaluationLoad(Section):
    """Each example is asked once in each repetition, as fast as so many `users` allow; what fails by accident is asked again.

    attempts_most   at one answer, the first included; `harness.trial` says what is tried again
    backoff_s       at most so long before the second attempt; it doubles with each, up to backoff_most_s
    """

    is_open: ClassVar[bool] = False
    unit: ClassVar[str] = "users"
    view: ClassVar[slo.View] = "service"
    warmup_s: ClassVar[float] = 0.0
    aa: ClassVar[None] = None
    again: ClassVar[None] = None

    kind: Literal["evaluation"]
    users: Users = 8
    attempts_most: Annotated[int, Field(ge=1, le=100)] = 5
    backoff_s: Annotated[float, Field(ge=0, le=3_600)] = 1.0
    backoff_most_s: Annotated[float, Field(ge=0, le=3_600)] = 60.0
    think_s: Think | None = None
    drain_s: Positive = 30.0
    design: Literal["interleaved", "sequential", "parallel"] = "interleaved"
    repetitions: Whole = 1
    seed: int = 1

    @property
    def levels(self) -> tuple[int, ...]:
        return (self.users,)

    @model_validator(mode="before")
    @classmethod
    def _of_a_load(cls, load: Any) -> Any:
        strange = next((key for key in _STRANGE if isinstance(load, dict) and key in load), None)
        if strange is not None:
            raise mistake(f"{strange} of an evaluation", f"drop it: {_STRANGE[strange]}")
        return load

    @model_validator(mode="after")
    def _by_turns(self) -> Self:
        if self.design == "parallel":
            raise mistake("an evaluation in the parallel design", "write `design: interleaved`: endpoints take turns")
        if self.backoff_s > self.backoff_most_s:
            what = f"backoff_s of {self.backoff_s:g} and backoff_most_s of {self.backoff_most_s:g}"
            raise mistake(what, "let backoff_most_s be no less: it caps what doubles")
        return self


Load = Annotated[
    ClosedLoad | OpenLoad | ReplayLoad | EvaluationLoad, Field(discriminator="kind"), BeforeValidator(_closed_unless_said)
]


def search_of(load: Load) -> SearchFor | None:
    """None where the levels are known beforehand."""
    return load.search if isinstance(load, ClosedLoad | OpenLoad) else None
