"""YAML to plain values, remembering the line of every key: what lets an error say `scenario.yaml:12 load.levels`.

Much less than YAML on purpose: no anchors, aliases, tags or second document, keys are text, and scalars follow JSON's rules
(so `no` is a word, `2026-11-01` is text, `0613` is text), because a scenario is read by people who think in those.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import HarnessError

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

KeyPath = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,40})")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,4})?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


@dataclass(frozen=True, slots=True)
class Marked:
    """A value with the line of each key path, 1-based, and the mistakes that did not stop the reading."""

    value: Any
    lines: dict[KeyPath, int]
    mistakes: list[HarnessError] = field(default_factory=list)


def read(path: Path) -> Marked:
    """The single document of a file of at most `MAX_BYTES`; `HarnessError` with the line where it is not YAML."""
    try:
        data = path.read_bytes()
    except OSError as failed:
        raise HarnessError(f"cannot be read: {failed.strerror}", where=str(path)) from failed
    if len(data) > MAX_BYTES:
        remedy = f"at most {MAX_BYTES} bytes: prompts belong in a data set file"
        raise HarnessError(f"is {len(data)} bytes long", where=path.name, remedy=remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        line = data.count(b"\n", 0, failed.start) + 1
        raise HarnessError("is not UTF-8", where=f"{path.name}:{line}", remedy="save it as UTF-8") from failed
    return parse(text, path.name)


def parse(text: str, name: str) -> Marked:
    """As `read`, from text; `name` is what places in messages begin with."""
    reader = _Reader(name)
    try:
        value = reader.document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as broken:
        raise _not_yaml(broken, name) from broken
    except yaml.reader.ReaderError as broken:  # a control character
        line = text.count("\n", 0, broken.position) + 1
        raise HarnessError(f"character {broken.character!r} is not allowed in YAML", where=f"{name}:{line}") from broken
    return Marked(value, reader.lines, reader.mistakes)


def scalar(text: str) -> Any:
    """What an unquoted word means: None, a bool, an int, a finite float, else the word itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and not _LEADING_ZERO.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


class _Reader:
    """Builds the value from parser events: nothing is constructed that these methods do not name, and depth is bounded."""

    def __init__(self, name: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[HarnessError] = []
        self._name = name

    def document(self, events: Iterator[Any]) -> Any:
        next(events)  # stream start
        if isinstance(next(events), yaml.StreamEndEvent):
            return None
        value = self._value(next(events), events, ())
        next(events)  # document end
        further = next(events)
        if not isinstance(further, yaml.StreamEndEvent):
            raise HarnessError("a second YAML document begins here", where=self._at(further), remedy="one file, one document")
        return value

    def _value(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        self.lines.setdefault(path, _line(event))
        self._refuse_cleverness(event)
        if len(path) > MAX_DEPTH:
            raise HarnessError(f"nested deeper than {MAX_DEPTH}", where=self._at(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return event.value if event.style in ("'", '"', "|", ">") else scalar(event.value)

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            self._refuse_cleverness(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise HarnessError("a key must be a word", where=self._at(event), remedy="put text like {{ this }} in quotes")
            key = event.value
            if key in found:
                first = self.lines[*path, key]
                what = f"key {key!r} is here a second time; the first is on line {first}"
                self.mistakes.append(HarnessError(what, where=self._at(event, (*path, key)), remedy="keep one of them"))
            self.lines.setdefault((*path, key), _line(event))
            found[key] = self._value(next(events), events, (*path, key))
        return found

    def _sequence(self, events: Iterator[Any], path: KeyPath) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._value(event, events, (*path, len(found))))
        return found

    def _refuse_cleverness(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            remedy = "write the value out: anchors and aliases are not read (they can grow without limit)"
            raise HarnessError(f"anchor or alias {event.anchor!r}", where=self._at(event), remedy=remedy)
        if getattr(event, "tag", None) not in (None, "!"):
            raise HarnessError(f"tag {event.tag!r}", where=self._at(event), remedy="tags are not read: write a plain value")

    def _at(self, event: Any, path: KeyPath = ()) -> str:
        return f"{self._name}:{_line(event)} {dotted(path)}".rstrip()


def dotted(path: KeyPath) -> str:
    """A key path as people write it: `endpoints.fast.price.input`, `slo.2`."""
    return ".".join(str(part) for part in path)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _not_yaml(broken: yaml.MarkedYAMLError, name: str) -> HarnessError:
    mark = broken.problem_mark or broken.context_mark
    place = name if mark is None else f"{name}:{mark.line + 1}"
    column = "" if mark is None else f", column {mark.column + 1}"
    context = f" {broken.context}" if broken.context else ""
    remedy = "indent with spaces, and quote text with : or # in it"
    return HarnessError(f"not YAML{column}:{context} {broken.problem}", where=place, remedy=remedy)
