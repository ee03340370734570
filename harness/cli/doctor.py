"""`signoff doctor`: can this machine measure? Each check says what it found, why that matters and what to do."""

from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from harness.cli.checks import installation, limits, processor, stamps, timing
from harness.cli.checks.check import Check
from harness.errors import ExitCode

CHECKS: tuple[Callable[[], Check], ...] = (
    installation.python,
    installation.packages,
    stamps.plain,
    stamps.through_tls,
    limits.open_files,
    timing.clock,
    timing.wake_ups,
    processor.cores,
    processor.idleness,
    processor.governor,
    installation.exporter_port,
    installation.sandbox,
    installation.prometheus,
)
NEXT = "What this machine can measure under load: `signoff calibrate` finds out, in about a minute."


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> ExitCode:
    """Check whether this machine can measure. Exits 2 when a check fails; a warning alone does not."""
    checks = [check() for check in CHECKS]
    print(msgspec.json.format(msgspec.json.encode(checks)).decode() if as_json else "\n".join([*map(_line, checks), NEXT]))
    return ExitCode.USAGE if any(check.status == "fail" for check in checks) else ExitCode.OK


def _line(check: Check) -> str:
    advice = "" if check.status == "ok" else f"\n      why: {check.why}\n      do:  {check.remedy}"
    return f"{check.status:<4}  {check.name}: {check.found}{advice}"
