"""What an endpoint tells of its rate limits in the headers of one response; `wire.limits_told` reads them.

The rule: a number that was not told, or that nobody can read, is None. Over which time a limit holds no header says.
"""

import msgspec


class Allowance(msgspec.Struct, frozen=True, array_like=True):
    """Of one kind of limit: how much, what is left of it, and in how many seconds from the response it is whole again."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


class Quota(msgspec.Struct, frozen=True, omit_defaults=True):
    """As told with one response; they are limits of the account, so other clients use them up too.

    tokens         of input and output together
    retry_after_s  how long to wait, told with a refusal
    unreadable     headers whose values are none of their documented formats, or no sane ones (negative, or far away)
    """

    requests: Allowance | None = None
    tokens: Allowance | None = None
    input_tokens: Allowance | None = None
    output_tokens: Allowance | None = None
    retry_after_s: float | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def wait_s(self) -> float | None:
        """How long to send nothing after a refusal: as told, or until all that is used up is whole again; None: not told."""
        if self.retry_after_s is not None:
            return self.retry_after_s
        known = (each for each in (self.requests, self.tokens, self.input_tokens, self.output_tokens) if each is not None)
        return max((each.reset_s for each in known if each.remaining == 0 and each.reset_s is not None), default=None)
