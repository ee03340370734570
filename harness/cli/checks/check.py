"""One check of `signoff doctor`: what it found, why that matters, what to do; and how the kernel's files are read for it."""

from pathlib import Path
from typing import Literal

import msgspec


class Check(msgspec.Struct, frozen=True):
    """`remedy` is empty where nothing needs to be done."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    why: str
    remedy: str = ""


def warn_if(wrong: bool, name: str, found: str, why: str, remedy: str) -> Check:
    """A warning with its remedy, or all well."""
    return Check(name, "warn", found, why, remedy) if wrong else Check(name, "ok", found, why)


def kernel_text(path: str) -> str | None:
    """A file of /proc or /sys without the white space around it; None where there is none, or it may not be read."""
    try:
        return Path(path).read_text("ascii", "replace").strip()
    except OSError:
        return None
