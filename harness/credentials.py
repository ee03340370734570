"""API keys: from the environment, else from a private `.env` beside the scenario. A key is never in a message."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HarnessError
from harness.scenario import Endpoint, Scenario

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_KEY = re.compile(r"[\x21-\x7e]+")


def secrets(scenario: Scenario, folder: Path, environ: Mapping[str, str]) -> dict[str, str | None]:
    """The key of each endpoint, None where it names no variable. `.env` in `folder` is opened only for what is missing.

    Raises `HarnessError` for a variable that is nowhere, a `.env` that others may read, or a key that no header can carry.
    """
    named = {name: endpoint.api_key_env for name, endpoint in scenario.endpoints.items()}
    missing = {variable for variable in named.values() if variable and not environ.get(variable)}
    known = {**(_private(folder / ".env") if missing else {}), **{name: value for name, value in environ.items() if value}}
    return {name: _key(name, scenario.endpoints[name], known, folder) for name in named}


def _key(name: str, endpoint: Endpoint, known: Mapping[str, str], folder: Path) -> str | None:
    variable = endpoint.api_key_env
    if variable is None:
        return None
    where = f"endpoints.{name}.api_key_env"
    key = known.get(variable)
    if not key:
        remedy = f"run `export {variable}=...`, or write {variable}=... in {folder / '.env'} (chmod 600)"
        raise HarnessError(f"variable {variable!r} with the key of endpoint {name!r} is not set", where=where, remedy=remedy)
    if not _KEY.fullmatch(key):
        remedy = "a header can carry visible ASCII only: look for blanks, line ends and quotes around the key"
        raise HarnessError(f"the key in {variable!r} has a character that cannot be sent", where=where, remedy=remedy)
    return key


def _private(file: Path) -> dict[str, str]:
    """The `NAME=value` lines of a `.env` that only its owner can read; empty when there is no such file."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as failed:
        raise HarnessError("cannot be read as text", where=str(file), remedy="it must be yours: NAME=value lines") from failed
    if mode & 0o077:
        raise HarnessError(f"others can read this file (mode {mode:04o})", where=str(file), remedy=f"chmod 600 {file}")
    lines = text.splitlines()
    return dict(_assignment(line.strip(), f"{file}:{at}") for at, line in enumerate(lines, 1) if _says_something(line))


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _assignment(line: str, where: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise HarnessError("not a NAME=value line", where=where, remedy="comments begin with #")
    name, value = found.groups()
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return name, value[1:-1] if quoted else value
