"""What a search for the largest load has decided, as the manifest keeps it.

The rule: these are the decisions that made the plan, not figures. The report does not make them again; it shows them beside
what they rest on.
"""

from typing import Literal

import msgspec


class Judged(msgspec.Struct, frozen=True, omit_defaults=True):
    """One load with all its runs. `level` is its name in the plan, and so in the report's figures.

    cut_short             it was ended early, for it was hopeless: it counts as not held, its requests stay counted
    offered_tokens_per_s  arrivals a second times the mean output of an answer
    """

    level: str
    load: float
    runs: int
    requests: int
    verdict: Literal["pass", "fail", "unclear"]
    reason: str
    offered_per_s: float
    achieved_per_s: float
    offered_tokens_per_s: float | None = None
    cut_short: bool = False


class Searched(msgspec.Struct, frozen=True, omit_defaults=True):
    """At one endpoint; loads are users, or requests a second.

    load      the largest that was shown to hold; None if none was
    at_least  it is the largest that was asked for: the truth may lie higher
    above     the least load that was not shown to hold; None if all were
    requests  that were sent, those of warm-ups included; `seconds` that it took
    worth     of the answer, in words that follow `at these settings an answer is ...`; None in runs of older versions
    judged    every load that was tried, ascending
    """

    endpoint: str
    unit: Literal["users", "requests/s"]
    end: Literal["resolved", "most", "none", "budget", "time", "stopped", "running"]
    load: float | None = None
    at_least: bool = False
    above: float | None = None
    requests: int = 0
    seconds: float = 0.0
    worth: str | None = None
    judged: tuple[Judged, ...] = ()
