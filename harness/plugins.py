"""A file is a plugin and its name is its name: dialects, formats, scorers and importers are modules found by path.

There is no registry. A name without a dot is a module of ours; a dotted name is a third party's module.
"""

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from harness.errors import HarnessError, nearest

FOLDERS = {
    "dialect": "harness.wire.dialects",
    "dataset format": "harness.workload.datasets",
    "trace format": "harness.workload.traces",
    "scorer": "harness.score.scorers",
    "importer": "harness.report.importers",
}


def names(kind: str) -> list[str]:
    """The plugins of one kind that come with the package, sorted."""
    folder = FOLDERS[kind]
    if importlib.util.find_spec(folder) is None:
        return []
    return sorted(info.name for info in pkgutil.iter_modules(importlib.import_module(folder).__path__))


def load(kind: str, name: str) -> ModuleType:
    """The plugin's module; `HarnessError` names the nearest valid ones when there is none of that name."""
    module = name if "." in name else f"{FOLDERS[kind]}.{name}"
    if "." not in name and name not in names(kind):
        raise HarnessError(f"unknown {kind} {name!r}", remedy=nearest(name, names(kind)))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or not (module == missing.name or module.startswith(missing.name + ".")):
            raise
        remedy = "a dotted name is a third-party module: is it installed, and is its folder on PYTHONPATH?"
        raise HarnessError(f"no module {module!r} for {kind} {name!r}", remedy=remedy) from missing
