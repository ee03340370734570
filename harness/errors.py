"""Bad news for the user, and the exit codes that tell a caller which kind it was.

Four kinds of bad news are never mixed: an endpoint that misbehaves is an outcome kind in the attempt's record, a doubtful
measurement is a `Finding`, a bug is a traceback, and only what the *user* can mend is a `HarnessError`.
"""

import difflib
import enum
from collections.abc import Iterable


class ExitCode(enum.IntEnum):
    """What the process returns; where several hold, the first of `PRECEDENCE` wins."""

    OK = 0
    BUG = 1
    USAGE = 2
    UNREACHABLE = 3
    INVALID = 4
    GUARD = 5
    STORAGE = 6
    NOT_PROVEN = 98
    SLO_FAILED = 99
    INTERRUPTED = 130


PRECEDENCE = (
    ExitCode.BUG,
    ExitCode.STORAGE,
    ExitCode.INVALID,
    ExitCode.UNREACHABLE,
    ExitCode.GUARD,
    ExitCode.INTERRUPTED,
    ExitCode.SLO_FAILED,
    ExitCode.NOT_PROVEN,
    ExitCode.USAGE,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The one code to exit with when several conditions hold; OK when none does."""
    held = set(codes)
    return next((code for code in PRECEDENCE if code in held), ExitCode.OK)


class HarnessError(Exception):
    """Something the user can mend. Printed on one screen, without a traceback.

    what    one sentence that quotes the offending value
    where   file, line or key path of the value, as `scenario.yaml:12 load.levels`
    remedy  what to do instead
    """

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  {self.remedy}" if self.remedy else ""
        return f"{place}{self.what}{advice}"


class UnreachableError(HarnessError):
    """No endpoint answers there, or it does not let us in (exit 3)."""

    exit_code = ExitCode.UNREACHABLE


class InvalidRunError(HarnessError):
    """The measurement cannot be used (exit 4)."""

    exit_code = ExitCode.INVALID


class StorageError(HarnessError):
    """The run directory cannot be written or read (exit 6)."""

    exit_code = ExitCode.STORAGE


def nearest(value: str, allowed: Iterable[str]) -> str:
    """The allowed names for a message, the likeliest one first: `'a', 'b' (did you mean 'a'?)`."""
    names = sorted(allowed)
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    listed = ", ".join(names) if names else "(none)"
    return f"allowed: {listed}" + (f" (did you mean {close[0]!r}?)" if close else "")
