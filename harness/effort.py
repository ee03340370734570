"""How hard a search tries, and what its answer is then worth.

The rule: a name stands for settings that were simulated, and what is said of an answer holds for those settings only.
"""

from typing import Literal, NamedTuple

Name = Literal["quick", "full"]


class Effort(NamedTuple):
    """Settings of a search, and what came of them at M/M/c queues of 1 to 16 servers with objectives on p95 and p99.

    low, high  of the true limit: nine in ten of the simulated searches ended there (tests/measure/test_search_effort.py)
    spent      requests that they took on average, warm-ups apart
    """

    ratio: float
    confidence: float
    looks: int
    requests: int
    requests_most: int
    budget: int
    minutes: float
    low: float
    high: float
    spent: int


EFFORTS: dict[Name, Effort] = {
    "quick": Effort(1.1, 0.993, 65, 1_500, 4_500, 20_000, 60.0, 0.62, 0.98, 16_000),
    "full": Effort(1.04, 0.995, 250, 2_000, 80_000, 500_000, 600.0, 0.93, 0.99, 240_000),
}
DECIDING = ("ratio", "confidence", "looks", "requests", "requests_most")  # what an answer's worth hangs on, beside its budget
SETTINGS = (*DECIDING, "budget", "minutes")


def worth(settings: dict[str, float]) -> str:
    """What an answer at these settings is worth, in words that follow `at these settings an answer is ...`."""
    for name, effort in EFFORTS.items():
        if all(settings[each] == getattr(effort, each) for each in DECIDING) and settings["budget"] >= effort.budget:
            near = f"about {effort.low:.2f} to {effort.high:.2f} of the true limit"
            return f"{near} in nine of ten searches (effort {name}, simulated on M/M/c), and above it in one of twenty at most"
    return "of unknown worth: only `effort: quick` and `effort: full` were simulated, as they are"
