"""The `simulated` section: it says what the simulator's own configuration says, and refuses what that would refuse."""

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from harness.simulated import Simulated
from harness.simulator.candidate import Candidate

FULL = {
    "service": {"mean_s": 0.1, "kind": "lognormal", "sigma": 0.3, "first_ratio": 0.5},
    "servers": 4,
    "freeze": {"every_s": 20, "for_s": 2, "first_s": 5},
    "limits": {"requests_per_minute": 60, "output_tokens_per_minute": 1_000, "burst_s": 10, "output": "counted"},
    "prefix_cache": True,
}


def candidate(told: dict[str, Any]) -> Candidate:
    return msgspec.convert({"name": "a", "model": "m", **told}, Candidate)


@pytest.mark.parametrize("told", [{}, FULL, {"limits": {"requests_per_minute": 9}}, {"freeze": {"every_s": 2, "for_s": 1}}])
def test_a_section_becomes_the_candidate_that_the_same_words_make(told: dict[str, Any]) -> None:
    """Keys and defaults are those of the simulator's configuration."""
    assert candidate(told) == candidate(Simulated.model_validate(told).model_dump())


def test_a_section_that_was_written_down_is_read_again() -> None:
    """As the manifest of a run does."""
    section = Simulated.model_validate(FULL)
    assert section == Simulated.model_validate(section.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"freeze": {"every_s": 2, "for_s": 2}}, "a freeze of 2 s every 2 s never ends"),
        ({"limits": {"burst_s": 2}}, "limits without a limit"),
        ({"limits": {"requests_per_minute": 20, "burst_s": 2}}, "20 a minute make less than 1 in "),
        ({"cached_ratio": 0.5, "prefix_cache": True}, "both cached_ratio and prefix_cache"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_both(told: dict[str, Any], why: str) -> None:
    """With the values in the message."""
    with pytest.raises(ValidationError, match=why):
        Simulated.model_validate(told)
    with pytest.raises(msgspec.ValidationError, match=why):
        candidate(told)


@pytest.mark.parametrize(
    "told",
    [
        {"servers": 0},
        {"service": {"mean_s": 0}},
        {"service": {"mean_s": 1, "kind": "pareto"}},
        {"service": {"mean_s": 1, "first_ratio": 2}},
        {"freeze": {"every_s": 2, "for_s": 1, "first_s": -1}},
        {"freeze": {"every_s": 2}},
        {"limits": {"requests_per_minute": 0}},
        {"limits": {"requests_per_minute": 60, "output": "guessed"}},
        {"limits": {"tokens_per_minute": 60}},
    ],
)
def test_bad_values_are_refused_by_both(told: dict[str, Any]) -> None:
    """Ranges, words and names are checked in the scenario as in the simulator."""
    with pytest.raises(ValidationError):
        Simulated.model_validate(told)
    with pytest.raises(msgspec.ValidationError):
        candidate(told)


def test_service_takes_the_place_of_drawn_times() -> None:
    """A scenario that states both is told which of them contradict each other."""
    with pytest.raises(ValidationError, match="both service and itl"):
        Simulated.model_validate({"service": {"mean_s": 1}, "itl": {"median_s": 0.001}})
