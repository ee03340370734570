"""What each key means, for editors: the lists of keys in the docstrings of sections, beside the keys themselves.

The rule: `KEY, KEY   what it is` is such a line, and one that is indented further goes on with it.
"""

import re
from collections.abc import Iterator
from typing import Any

_KEYS = re.compile(r"(\w+(?:, \w+)*) {2,}(\S.*)")


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The same JSON Schema, with a description at each key that has one."""
    for section in (schema, *schema.get("$defs", {}).values()):
        properties = section.get("properties", {})
        for key, words in _told(section.get("description", "")):
            if key in properties:
                properties[key]["description"] = words
    return schema


def _told(docstring: str) -> Iterator[tuple[str, str]]:
    keys: list[str] = []
    words: list[str] = []
    for line in (*docstring.splitlines(), ""):
        found = _KEYS.fullmatch(line)
        if found is None and keys and line.startswith("  "):
            words.append(line.strip())
            continue
        yield from ((key, " ".join(words)) for key in keys)
        keys, words = ([], []) if found is None else (found[1].split(", "), [found[2]])
