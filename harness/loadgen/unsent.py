"""What was due and is not sent: why, in the words of the journal.

The rule: it has its two lines like any attempt. Nothing that was due vanishes, not even by a bug of ours.
"""

from harness.loadgen.schedule import Calls
from harness.records import Block, Call

NOBODY = -1  # the user of what was dropped
LINE_FULL, NO_USER = "too many arrivals waited for a user", "no user was free before the drain limit"
NO_QUOTA = "the declared quota did not let it go before the drain limit"
STOPPED = "the run was stopped before a user was free"
UNKNOWN = "?"  # the example of a call that could not be made


def call_at(calls: Calls, block: Block, position: int, bugs: list[BaseException]) -> Call:
    """The call of this position; where a bug met it, one without a message, which `check` refuses to send."""
    try:
        return calls.at(block, position)
    except Exception as bug:  # noqa: BLE001 - kept in bugs, which make the run INVALID
        bugs.append(bug)
        return Call(example=UNKNOWN, messages=())


def check(call: Call) -> None:
    if not call.messages:
        raise LookupError("this call could not be made")
