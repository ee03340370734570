"""`signoff list`: the names that a scenario may use, and the scenarios that come with the package."""

from typing import Annotated

import msgspec
import typer

from harness import bundled, marked_yaml, plugins
from harness.errors import ExitCode


def listing(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> ExitCode:
    """List dialects, scorers, data set formats and bundled scenarios."""
    found = {
        "dialects": {name: _first_line("dialect", name) for name in plugins.names("dialect")},
        "scorers": {name: _first_line("scorer", name) for name in plugins.names("scorer")},
        "dataset_formats": {name: _first_line("dataset format", name) for name in plugins.names("dataset format")},
        "scenarios": {name: _description(name) for name in bundled.scenarios()},
    }
    as_text = "\n\n".join(map(_table, found, found.values()))
    print(msgspec.json.format(msgspec.json.encode(found)).decode() if as_json else as_text)
    return ExitCode.OK


def _first_line(kind: str, name: str) -> str:
    return (plugins.load(kind, name).__doc__ or "").partition("\n")[0]


def _description(name: str) -> str:
    document = marked_yaml.read(bundled.scenario(name) / "scenario.yaml").value
    return str(document.get("description", "")).partition("\n")[0]


def _table(title: str, lines: dict[str, str]) -> str:
    width = max(map(len, lines), default=0)
    return "\n".join([title.replace("_", " "), *(f"  {name:<{width}}  {line}" for name, line in lines.items())])
