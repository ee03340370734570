"""What every section of a scenario is made of: strict and frozen, with mistakes told in our own words."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from harness.errors import HarnessError

MISTAKE = "mistake"  # type of our own errors among pydantic's; their context holds `what` and `remedy`

Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Whole = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    # Inputs stay out of pydantic's own messages: a traceback must not show a key that somebody wrote into a header.
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def mistake(what: str, remedy: str | None) -> PydanticCustomError:
    return PydanticCustomError(MISTAKE, "{what}", {"what": what, "remedy": remedy})


def checking(check: Callable[[str], object]) -> AfterValidator:
    """A validator that keeps the text and lets `check` refuse it with a `HarnessError`."""

    def keep(text: str) -> str:
        try:
            check(text)
        except HarnessError as wrong:
            raise mistake(wrong.what, wrong.remedy) from wrong
        return text

    return AfterValidator(keep)
