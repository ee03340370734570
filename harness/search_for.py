"""The `load.search` of a scenario: which load is looked for, and what may be spent on it."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from harness.effort import EFFORTS, SETTINGS, Name, worth
from harness.section import Positive, Section, Whole, mistake

_QUICK = EFFORTS["quick"]


class SearchFor(Section):
    """Look for the largest level that holds `slo`, in place of `levels`: doubling from `begin`, then bisection.

    begin, most    the least and the largest level that is asked for
    effort         names what those below are if they are not said: `quick` for a first answer, `full` for one near the truth
    ratio          it ends when what was not shown to hold is at most so many times the answer
    confidence     of each bound, one-sided; `looks`: independent ones at the queue that a level needs
    requests       of the first step at a level; what stays unclear is run again, up to `requests_most` together
    least_s        a step is as long as its requests need, and no shorter than this
    budget         requests of the search at one endpoint, warm-ups included; `minutes` as well

    What an answer is worth is in `harness.effort`, for the report, and in scenarios/README.md.
    """

    begin: Annotated[float, Field(gt=0, le=100_000)]
    most: Annotated[float, Field(gt=0, le=100_000)]
    effort: Name = "quick"
    ratio: Annotated[float, Field(gt=1, le=10)] = _QUICK.ratio
    confidence: Annotated[float, Field(ge=0.8, le=0.9999)] = _QUICK.confidence
    looks: Whole = _QUICK.looks
    requests: Annotated[int, Field(ge=400)] = _QUICK.requests
    requests_most: Whole = _QUICK.requests_most
    least_s: Positive = 5.0
    budget: Whole = _QUICK.budget
    minutes: Positive = _QUICK.minutes

    @property
    def worth(self) -> str:
        """Of an answer, in words."""
        return worth({name: getattr(self, name) for name in SETTINGS})

    @model_validator(mode="before")
    @classmethod
    def _as_named(cls, given: Any) -> Any:
        named = EFFORTS.get(given.get("effort", "quick")) if isinstance(given, dict) else None
        return given if named is None else {name: getattr(named, name) for name in SETTINGS} | given

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begin > self.most:
            raise mistake(f"a search from {self.begin:g} to {self.most:g}", "begin no higher than most")
        if not self.requests <= self.requests_most <= self.budget:
            what = f"requests {self.requests:,}, requests_most {self.requests_most:,}, budget {self.budget:,}"
            raise mistake(what, "each at least as many as the one before it")
        return self
