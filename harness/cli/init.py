"""`signoff init`: a bundled scenario as a folder of the user's own, to change and run."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness import bundled
from harness.errors import ExitCode, HarnessError


def init(
    scenario: Annotated[str | None, typer.Argument(help="Name of a bundled scenario.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where to put it.  [default: ./NAME]")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Print the bundled scenarios and exit.")] = False,
) -> ExitCode:
    """Copy a bundled scenario to start from. Nothing is overwritten."""
    if listing:
        print("\n".join(bundled.scenarios()))
        return ExitCode.OK
    if scenario is None:
        raise HarnessError("which scenario?", remedy=f"one of {', '.join(bundled.scenarios())}")
    source = bundled.scenario(scenario)
    target = folder or Path(scenario)
    _copy(source, target)
    print(f"{target} holds {', '.join(sorted(path.name for path in target.iterdir()))}")
    print(f"next: signoff validate {target}")
    return ExitCode.OK


def _copy(source: Path, target: Path) -> None:
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise HarnessError("is there already", where=str(target), remedy="give a new or empty folder")
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc", "runs", ".env")
    try:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=left_out)
    except OSError as failed:
        raise HarnessError(f"cannot be copied: {failed}", where=str(target), remedy="give a folder you may write") from failed
