"""One check of `signoff doctor`: what it found, why that matters, what to do; and how the kernel's files are read for it."""

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec


class Planned(NamedTuple):
    """The load that a machine is checked for. `users` at once, over all processes; None: nothing is planned yet."""

    users: int | None = None
    endpoints: int = 1
    processes: int = 1


class Check(msgspec.Struct, frozen=True):
    """`remedy` is empty where nothing needs to be done. `none`: it cannot be found out here, which is neither good nor bad."""

    name: str
    status: Literal["ok", "none", "warn", "fail"]
    found: str
    why: str
    remedy: str = ""


def warn_if(wrong: bool, name: str, found: str, why: str, remedy: str) -> Check:
    """A warning with its remedy, or all well."""
    return Check(name, "warn", found, why, remedy) if wrong else Check(name, "ok", found, why)


def counted(number: int, what: str) -> str:
    """`1 process`, `2 processes`."""
    return f"{number:,} {what}{'' if number == 1 else 'es' if what.endswith('s') else 's'}"


def kernel_text(path: str) -> str | None:
    """A file of /proc or /sys without the white space around it; None where there is none, or it may not be read."""
    try:
        return Path(path).read_text("ascii", "replace").strip()
    except OSError:
        return None
