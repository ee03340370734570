"""From a scenario's file to a checked `Scenario`: overrides applied, every mistake with its line, key path and remedy.

All mistakes of one reading are told together, because a user who mends them one by one reads the file as often.
"""

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from harness import bundled, editor_schema, marked_yaml, remedies
from harness.errors import HarnessError, nearest
from harness.load import ReplayLoad
from harness.marked_yaml import KeyPath, Marked, dotted
from harness.scenario import Scenario
from harness.section import MISTAKE

FILE = "scenario.yaml"
TOLD = 10  # mistakes that fit one screen

_SECRET_KEYS = {"api_key_env", "headers", "base_url", "proxy", "proxy_auth_env", "client_key_password_env"}
_OF_PYDANTIC = re.compile(r" or instance of \w+| or object to extract fields from|, unable to parse string as an? \w+")
_NUMBERS = {"float_parsing", "float_type", "int_parsing", "int_type", "int_from_float"}
_SECTIONS = {"model_type", "model_attributes_type", "dict_type"}
_ALLOWED = re.compile(r"'([^']+)'")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked scenario. `resolved` has every default written out; `sha256` is of its canonical JSON, so holds no folder."""

    scenario: Scenario
    folder: Path
    path: Path
    resolved: dict[str, Any]
    sha256: str

    @property
    def dataset(self) -> Path:
        """The data set's file; relative ones stand relative to the scenario's folder."""
        return self.folder / self.scenario.prompts.dataset


def load(path: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read a scenario file, a folder that holds `scenario.yaml`, or a bundled scenario by name.

    overrides  `key.path=value` texts as of `--set`, applied in order, the value read as YAML
    """
    file = locate(path)
    marked = marked_yaml.read(file)
    if not isinstance(marked.value, dict):
        remedy = "start from a bundled one: `signoff init --list`"
        raise HarnessError("a scenario is a mapping of keys to values", where=f"{file.name}:1", remedy=remedy)
    places = _Places(file.name, marked)
    mistakes = list(marked.mistakes)
    for text in overrides:
        _override(marked.value, text, places)
    try:
        scenario = Scenario.model_validate(marked.value)
    except ValidationError as wrong:
        mistakes += [_told(error, places) for error in wrong.errors(include_url=False)]
    else:
        mistakes += _missing_files(scenario, file.parent, places)
    if mistakes:
        raise _together(mistakes, file.name)
    resolved = scenario.model_dump(mode="json")
    return Loaded(scenario, file.parent, file, resolved, digest(resolved))


def digest(resolved: Mapping[str, Any]) -> str:
    """The hash that names a scenario with every default written out."""
    return hashlib.sha256(msgspec.json.encode(resolved, order="deterministic")).hexdigest()


def locate(path: str | Path) -> Path:
    """The YAML file that `path` means; the folder wins over a bundled scenario of the same name."""
    given = Path(path)
    if given.is_dir():
        given = given / FILE
    if given.is_file():
        return given
    if given.name == str(path) and not given.suffix:
        return bundled.scenario(given.name) / FILE
    raise HarnessError("no such scenario file", where=str(given), remedy=f"a file, a folder with {FILE}, or a bundled name")


def schema() -> dict[str, Any]:
    """The grammar as JSON Schema 2020-12, for editors."""
    found = editor_schema.described(Scenario.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


class _Places:
    """Where each key path was written: a line of the file, or an override."""

    def __init__(self, name: str, marked: Marked) -> None:
        self._places = {path: f"{name}:{line}" for path, line in marked.lines.items()}

    def override(self, path: KeyPath) -> None:
        depth = len(path)
        self._places = {each: place for each, place in self._places.items() if each[:depth] != path}
        self._places[path] = "--set"

    def of(self, path: KeyPath) -> str:
        """`scenario.yaml:12 load.levels`: the line of the nearest enclosing key that was written."""
        written = next(path[:depth] for depth in range(len(path), -1, -1) if path[:depth] in self._places)
        return f"{self._places[written]} {dotted(path)}".rstrip()


# ------------------------------------------------------------------------------------------------------------------- overrides


def _override(document: dict[str, Any], text: str, places: _Places) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise HarnessError(f"{text!r} is not KEY=VALUE", where="--set", remedy="for example --set load.levels=[1,4]")
    path = tuple(_steps(document, key))
    holder: Any = document
    for depth, step in enumerate(path[:-1], 1):
        if isinstance(holder, dict) and step not in holder:
            if path[: depth - 1] == ("endpoints",):  # a misspelt name must not make a new candidate
                raise HarnessError(f"no endpoint {step!r}", where=f"--set {key}", remedy=nearest(str(step), holder))
            holder[step] = {}
            places.override(path[:depth])
        holder = holder[step]
        if not isinstance(holder, dict | list):
            raise HarnessError(f"{dotted(path[:depth])!r} holds no keys", where=f"--set {key}", remedy="set that key itself")
    holder[path[-1]] = marked_yaml.parse(value, f"--set {key}").value
    places.override(path)


def _steps(document: Any, key: str) -> Iterator[str | int]:
    """Split at dots, but keep keys that have dots in them and are there: `endpoints.gpt-4.1.model`."""
    here = document
    while key:
        if isinstance(here, list):
            step, _, key = key.partition(".")
            yield _index(here, step)
            here = here[int(step)]
            continue
        known = here if isinstance(here, dict) else {}
        whole = [name for name in known if key == name or key.startswith(f"{name}.")]
        step = max(whole, key=len, default=key.partition(".")[0])
        yield step
        here, key = known.get(step), key[len(step) + 1 :]


def _index(items: list[Any], step: str) -> int:
    if not step.isdecimal() or int(step) >= len(items):
        raise HarnessError(f"no item {step!r} in a list of {len(items)}", where="--set", remedy="items count from 0")
    return int(step)


# -------------------------------------------------------------------------------------------------------------------- mistakes


def _told(error: Mapping[str, Any], places: _Places) -> HarnessError:
    """One of pydantic's errors in our words: quoted value, allowed names, nearest one; never a value that may be a secret."""
    spelled = tuple(part for part in error["loc"] if part != "[key]")
    path = _untagged(spelled)
    where, context = places.of(path), error.get("ctx", {})
    value = "this value" if _SECRET_KEYS.intersection(path) else _quoted(error["input"])
    match error["type"]:
        case "extra_forbidden":
            return HarnessError(f"unknown key {path[-1]!r}", where=where, remedy=nearest(str(path[-1]), _keys_at(spelled[:-1])))
        case "missing":
            return HarnessError(f"key {path[-1]!r} is required and missing", where=where)
        case "literal_error" | "union_tag_invalid":
            if "tag" in context:  # of a load, or of a shape of arrivals: its `kind` is what is wrong
                where, value = places.of((*path, "kind")), repr(context["tag"])
            allowed = _ALLOWED.findall(context.get("expected") or context["expected_tags"])
            return HarnessError(f"{value} is not allowed", where=where, remedy=nearest(value.strip("'"), allowed))
        case "string_type" if isinstance(error["input"], bool | int | float):
            return HarnessError(f"{value} is not text", where=where, remedy="put it in quotes")
        case kind if kind == MISTAKE:
            return HarnessError(context["what"], where=where, remedy=context["remedy"])
        case _:
            _, should, rest = error["msg"].partition(" should ")  # the subject ("Input", "String") is not the user's word
            words = rest.replace("tuple", "list").replace("dictionary", "mapping of keys to values")
            what = f"{value}{should}{words}" if should else f"{value}: {error['msg']}"
            return HarnessError(_OF_PYDANTIC.sub("", what), where=where, remedy=_remedy(error, spelled))


def _remedy(error: Mapping[str, Any], spelled: KeyPath) -> str | None:
    """For a value of the wrong kind, how it is written; never one that may be a secret."""
    key = next((part for part in reversed(spelled) if isinstance(part, str)), "")
    value = None if _SECRET_KEYS.intersection(spelled) else error["input"]
    match error["type"]:
        case kind if kind in _SECTIONS:
            return remedies.section(key, value, _schema_at(spelled))
        case "tuple_type" | "list_type":
            return remedies.listed(key, value, _schema_at(spelled))
        case kind if kind in _NUMBERS:
            return remedies.number(key, value)
    return None


def _quoted(value: Any) -> str:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
        return "a mapping" if isinstance(value, dict) else "a list of mappings"  # an endpoint's headers may be in there
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _untagged(path: KeyPath) -> KeyPath:
    """As the user wrote it: pydantic puts the kind of a load, and of a shape of arrivals, behind its key."""
    if path[:1] != ("load",):
        return path
    return tuple(part for place, part in enumerate(path) if place == 0 or path[place - 1] not in ("load", "shape"))


def _keys_at(path: KeyPath) -> list[str]:
    """The keys that the grammar allows in the section at `path`."""
    return list(_schema_at(path).get("properties", {}))


def _schema_at(path: KeyPath) -> dict[str, Any]:
    """What the grammar says of the value at `path`, which has the kinds of what comes in kinds."""
    whole = Scenario.model_json_schema()
    here: dict[str, Any] = whole
    for part in path:
        if "discriminator" in here:
            here = whole["$defs"][here["discriminator"]["mapping"][part].rpartition("/")[2]]
            continue
        by_pattern: dict[str, Any] = next(iter(here.get("patternProperties", {}).values()), {})
        inner = here.get("properties", {}).get(part, by_pattern)
        section = next((option["$ref"] for option in (inner, *inner.get("anyOf", ())) if "$ref" in option), None)
        here = whole["$defs"][section.rpartition("/")[2]] if section else inner
    return here


def _missing_files(scenario: Scenario, folder: Path, places: _Places) -> Iterator[HarnessError]:
    named: dict[KeyPath, Path | None] = {("prompts", "dataset"): scenario.prompts.dataset}
    if isinstance(scenario.load, ReplayLoad) and not (folder / scenario.load.trace).is_dir():  # a run of ours is a folder
        named["load", "trace"] = scenario.load.trace
    named |= {
        ("endpoints", name, "tls", key): getattr(each.tls, key)
        for name, each in scenario.endpoints.items()
        for key in ("ca_file", "client_cert", "client_key")
    }
    for path, file in named.items():
        if file is not None and not (folder / file).is_file():
            there = [each.name for each in (folder / file).parent.glob("*") if each.is_file()]
            near = difflib.get_close_matches(file.name, there, n=5, cutoff=0)
            yield HarnessError(f"no file {str(file)!r} in {folder}", where=places.of(path), remedy=nearest(file.name, near))


def _together(mistakes: list[HarnessError], name: str) -> HarnessError:
    """One error for all of them, at most `TOLD` spelled out."""
    if len(mistakes) == 1:
        return mistakes[0]
    listed = "\n".join(str(each) for each in mistakes[:TOLD])
    further = f"\nand {len(mistakes) - TOLD} more" if len(mistakes) > TOLD else ""
    return HarnessError(f"{len(mistakes)} mistakes\n{listed}{further}", where=name)
