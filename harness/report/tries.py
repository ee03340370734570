"""The shape of what summary.json says of an evaluation: how many answers there are, and what it took to get them."""

import msgspec


class AnswersTried(msgspec.Struct, frozen=True, kw_only=True):
    """Of one endpoint, over all repetitions, each of which asks every example.

    answers      examples that were answered, rightly or wrongly, refusals included
    given_up     that were not, after their last attempt; not_retried of them at once, for it would not have helped
    not_reached  whose answer nobody waited for, because the run was cut; examples is the sum of the three
    attempts     in all; per_answer and most are of answers that were not cut: of a conversation each turn is one
    first_k      successes (of success.n) without any retry, so what load mode would have had
    retried      attempts after which there was another one, by kind
    waited_s     from failed attempts to the ones after them, added up over all users; waited_most_s before one answer
    not_judged   objectives that are of a load
    """

    examples: int
    answers: int
    given_up: int
    not_retried: int
    not_reached: int
    attempts: int
    attempts_per_answer: float | None
    attempts_most: int | None
    first_k: int | None
    first_ratio: float | None
    retried: dict[str, int]
    waited_s: float
    waited_most_s: float
    not_judged: tuple[str, ...]
