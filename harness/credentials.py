"""API keys and other secrets: from the environment, else from a private `.env` beside the scenario. A message holds none."""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.scenario import Endpoint, Scenario

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_KEY = re.compile(r"[\x21-\x7e]+")
_USER_AND_PASSWORD = re.compile(r"[^:\x00-\x1f\x7f]+:[^\x00-\x1f\x7f]*")  # RFC 7617


@dataclass(frozen=True, slots=True)
class Secrets:
    """What one endpoint needs and no file of ours may hold; None where the scenario names no variable for it.

    proxy_auth           `user:password` for the proxy
    client_key_password  opens the encrypted key of the client's certificate
    """

    key: str | None = field(default=None, repr=False)
    proxy_auth: str | None = field(default=None, repr=False)
    client_key_password: str | None = field(default=None, repr=False)


def secrets(scenario: Scenario, folder: Path, environ: Mapping[str, str]) -> dict[str, Secrets]:
    """The secrets of each endpoint. `.env` in `folder` is opened only for what the environment lacks.

    Raises `HarnessError` for a variable that is nowhere, a `.env` that others may read, or a value that cannot be sent.
    """
    named = {variable for endpoint in scenario.endpoints.values() for variable in _variables(endpoint).values() if variable}
    missing = {variable for variable in named if not environ.get(variable)}
    known = {**(_private(folder / ".env") if missing else {}), **{name: value for name, value in environ.items() if value}}
    return {name: _secrets(name, endpoint, known, folder) for name, endpoint in scenario.endpoints.items()}


def _variables(endpoint: Endpoint) -> dict[str, str | None]:
    """The variables that an endpoint names, by the key that names them."""
    return {
        "api_key_env": endpoint.api_key_env,
        "proxy_auth_env": endpoint.proxy_auth_env,
        "tls.client_key_password_env": endpoint.tls.client_key_password_env,
    }


def _secrets(name: str, endpoint: Endpoint, known: Mapping[str, str], folder: Path) -> Secrets:
    found = {}
    for place, variable in _variables(endpoint).items():
        where = f"endpoints.{name}.{place}"
        if variable is not None and not known.get(variable):
            remedy = f"run `export {variable}=...`, or write {variable}=... in {folder / '.env'} (chmod 600)"
            what = f"variable {variable!r} with the {_MEANING[place]} of endpoint {name!r} is not set"
            raise HarnessError(what, where=where, remedy=remedy)
        found[place] = None if variable is None else _sendable(known[variable], variable, place, where)
    return Secrets(found["api_key_env"], found["proxy_auth_env"], found["tls.client_key_password_env"])


_MEANING = {
    "api_key_env": "key",
    "proxy_auth_env": "proxy's user and password",
    "tls.client_key_password_env": "client key's password",
}


def _sendable(value: str, variable: str, place: str, where: str) -> str:
    if place == "api_key_env" and not _KEY.fullmatch(value):
        remedy = "a header can carry visible ASCII only: look for blanks, line ends and quotes around the key"
        raise HarnessError(f"the key in {variable!r} has a character that cannot be sent", where=where, remedy=remedy)
    if place == "proxy_auth_env" and not _USER_AND_PASSWORD.fullmatch(value):
        remedy = "write it as user:password, in one line, the user without a colon"
        raise HarnessError(f"{variable!r} does not hold a user and a password", where=where, remedy=remedy)
    return value


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
