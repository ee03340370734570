"""An evaluation asks again: what is written of each attempt at the same answer, and which failures are worth another one.

The rule: only what may pass by itself is tried again. What the endpoint has answered, however badly, is its answer.
"""

import msgspec

# The endpoint was too busy, or the way to it failed: the same request may well be answered in a moment. All else is not here
# because it says something of request, account or model that another attempt would only repeat: a refusal, a filter, an answer
# that is empty or too long, a bad request or key (400, 401, 403, 404), a quota that is used up for the month, a certificate.
TRANSIENT = frozenset(
    {
        *("http_rate_limited", "http_request_timeout", "http_overloaded"),
        *("http_server_error", "http_bad_gateway", "http_unavailable", "http_gateway_timeout", "http_5xx"),
        *("dns", "connect_refused", "connect_error", "conn_lost", "stream_reset", "stream_truncated"),
        *("timeout_connect", "timeout_headers", "timeout_first_token", "timeout_idle", "timeout_total"),
    }
)


class Trial(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Which attempt at the same answer it is, from 0.

    first      id of the first of them, which has its own
    waited_ns  from the end of the one before to this one's dispatch; 0 for the first
    """

    number: int = 0
    first: str | None = None
    waited_ns: int = 0
