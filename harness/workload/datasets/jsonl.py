"""JSON lines: one object a line, UTF-8. Lines end at a line feed only: text may hold U+2028 and its kin."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import HarnessError

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_POSITION = re.compile(r"byte (\d+)")
_BOM = b"\xef\xbb\xbf"


def read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with 1-based line numbers, blank lines passed over; `HarnessError` names the line that is not an object."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = line.removeprefix(_BOM) if number == 1 else line
            if text.strip():
                yield number, _row(text, f"{path.name}:{number}")


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        return _decode(line.decode("utf-8"))
    except UnicodeDecodeError as broken:
        raise _malformed("not UTF-8", line, broken.start, where) from broken
    except (msgspec.DecodeError, RecursionError) as broken:
        raise _malformed(str(broken), line, _byte(str(broken), line), where) from broken


def _malformed(what: str, line: bytes, at: int, where: str) -> HarnessError:
    column = len(line[:at].decode("utf-8", "replace")) + 1
    excerpt = line[max(0, at - 40) : at + 20].decode("utf-8", "replace").strip()
    return HarnessError(f"{what}, at column {column}, near {excerpt!r}", where=where, remedy="each line is one JSON object")


def _byte(message: str, line: bytes) -> int:
    """Where the decoder stopped, which it tells only in its sentence; the line's end where it wanted more."""
    if "truncated" in message:
        return len(line.rstrip())
    found = _POSITION.search(message)
    return int(found[1]) if found else 0
