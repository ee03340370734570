"""What an evaluation takes: at least, where nothing fails, and at most, where every attempt does and all are used up.

The rule: requests are known exactly, attempts only between these two; what a Retry-After would ask for is in neither.
"""

import math
from typing import NamedTuple

from harness.load import EvaluationLoad
from harness.workload.backoff import Backoff


class Taken(NamedTuple):
    """At one endpoint, over all repetitions."""

    requests: int
    max_requests: int
    min_s: float
    max_s: float


def taken(load: EvaluationLoad, examples: int, requests_each: float, answer_s: float, think_s: float) -> Taken:
    """An example is `requests_each` requests, which are more than one where it is a conversation."""
    backoff = Backoff(load.attempts_most, load.backoff_s, load.backoff_most_s)
    waits_s = sum(backoff.longest_s(tried) for tried in range(1, load.attempts_most))
    requests = math.ceil(load.repetitions * examples * requests_each - 1e-9)
    one_after_the_other = load.repetitions * math.ceil(examples / load.users) * requests_each
    return Taken(
        requests,
        requests * load.attempts_most,
        one_after_the_other * (answer_s + think_s),
        one_after_the_other * (load.attempts_most * answer_s + waits_s + think_s),
    )
