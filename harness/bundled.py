"""Finds what ships beside the code: scenarios, locustfiles and dashboards.

In a wheel they are inside the package; in a checkout they stand next to it. Nobody else may know the difference.
"""

from importlib.resources import files
from pathlib import Path

from harness.errors import HarnessError, nearest


def folder(kind: str) -> Path:
    """The folder `scenarios`, `locustfiles` or `grafana` of this installation."""
    package = Path(str(files("harness")))
    installed = package / "bundled" / kind
    return installed if installed.is_dir() else package.parent / kind


def scenarios() -> list[str]:
    """Names of the bundled scenarios, sorted."""
    return sorted(path.parent.name for path in folder("scenarios").glob("*/scenario.yaml"))


def scenario(name: str) -> Path:
    """The folder of one bundled scenario; `HarnessError` names the nearest ones when there is none of that name."""
    if name not in scenarios():
        raise HarnessError(f"no bundled scenario {name!r}", remedy=nearest(name, scenarios()))
    return folder("scenarios") / name
