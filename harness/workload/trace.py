"""A trace as load: which requests, when, and prompts of their lengths that share what the originals shared.

The pattern is the trace's and the words are not: no published trace has text, so answers to these prompts cannot be graded.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from harness import plugins
from harness.errors import HarnessError
from harness.workload import filler
from harness.workload.trace_row import BLOCK_TOKENS, Traced

KIND = "trace format"
_FIRST_LINE_BYTES = _PART_BYTES = 1 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def load(
    path: Path,
    format: str | None = None,  # noqa: A002
    from_s: float | None = None,
    to_s: float | None = None,
) -> tuple[Traced, ...]:
    """The requests of a window of the trace by rising time, those of one moment in the order of the file.

    format        a plugin of `workload/traces`; None: the one whose first line or folder this is
    from_s, to_s  of the window, in seconds from the earliest request, which need not be the first of the file: one out of order
                  is sorted. `from_s` is in the window and becomes 0 s, `to_s` is not; None: where the trace begins and ends

    Times are rounded to the nanosecond. `HarnessError` for what cannot be read or used, and for a window without requests.
    """
    _check_window(from_s, to_s)
    try:
        _check_plain(path)
        reader = plugins.load(KIND, format or _format(path))
        every = [msgspec.structs.replace(each, number=number) for number, each in enumerate(reader.read(path), 1)]
    except OSError as failed:
        raise HarnessError(f"cannot be read: {failed.strerror}", where=str(path)) from failed
    if not every:
        raise HarnessError("the trace has no requests", where=str(path), remedy="is it the right file, and is it whole?")
    return _window(sorted(every, key=lambda each: each.at_s), from_s, to_s, path)


def sha256(path: Path) -> str:
    """Of the file; of a run's folder, of all its journals in the order of their names. `HarnessError` if it cannot be read."""
    files = sorted(path.glob("journal-*.jsonl")) if path.is_dir() else [path]
    found = hashlib.sha256()
    try:
        for each in files:
            with each.open("rb") as file:
                while part := file.read(_PART_BYTES):
                    found.update(part)
    except OSError as failed:
        raise HarnessError(f"cannot be read: {failed.strerror}", where=str(path)) from failed
    return found.hexdigest()


def replayed(traced: Iterable[Traced], speed: float) -> Iterator[float]:
    """When each is sent, in seconds from the beginning of the window: at speed 2 in half the time, with twice the rate."""
    if not (math.isfinite(speed) and speed > 0):
        raise HarnessError(
            f"a speed of {speed!r}", where="speed", remedy="above 0 and finite: 1 is as it happened, 2 twice as fast"
        )
    return (each.at_s / speed for each in traced)


def unanswered(traced: Iterable[Traced]) -> int:
    """How many got no token of an answer, though the trace knows: BurstGPT writes those that failed so."""
    return sum(each.output_tokens == 0 for each in traced)


def answered(traced: Sequence[Traced], path: Path) -> tuple[Traced, ...]:
    """Those whose prompt and answer can be made as long as they were: all but the `unanswered`.

    One that failed says nothing of its answer's length, and without a limit it would be sent for as many tokens as the endpoint
    likes. `HarnessError` where the trace does not know a length, and where nothing is left.
    """
    found = tuple(each for each in traced if each.output_tokens != 0)
    unknown = sum(each.input_tokens is None or each.output_tokens is None for each in found)
    remedy = "write `prompts: examples`, which needs the times alone, or take a trace that knows every length"
    if unknown:
        what = f"{unknown:,} of {len(traced):,} requests have no input_tokens or no output_tokens, which `prompts: trace` needs"
        raise HarnessError(what, where=str(path), remedy=remedy)
    if not found:
        raise HarnessError(f"not one of {len(traced):,} requests was answered there", where=str(path), remedy=remedy)
    return found


def prompt(traced: Traced, seed: int | str) -> str:
    """About `input_tokens` tokens by the rule of `filler`, at least its first word's; the same every time.

    Each id of `blocks` is the same text wherever it stands, cut where the prompt ends; so two prompts share just the blocks
    that they both begin with. Without blocks a prompt shares nothing with any other `number`. Another seed is another
    text from the first word on: a second replay needs one, or it finds the first in the provider's cache.

    `HarnessError` where the trace does not know the length; `ValueError` for blocks that are not as many as the length has.
    """
    length = traced.input_tokens
    if length is None:
        what = f"request {traced.number} of the trace, at {traced.at_s:g} s, has no input_tokens"
        raise HarnessError(what, remedy="replay its times with prompts of your own, or a trace that knows every length")
    if not traced.blocks:
        return filler.text(f"request:{seed}:{traced.number}", length)
    starts = range(0, length, BLOCK_TOKENS)
    return " ".join(
        filler.text(f"block:{seed}:{block}", min(BLOCK_TOKENS, length - start))
        for block, start in zip(traced.blocks, starts, strict=True)
    )


def _check_window(from_s: float | None, to_s: float | None) -> None:
    for name, edge in (("from_s", from_s), ("to_s", to_s)):
        if edge is not None and not (math.isfinite(edge) and edge >= 0):
            raise HarnessError(f"{name} is {edge!r}", where=name, remedy="seconds from the first request, 0 or more and finite")
    if to_s is not None and to_s <= (from_s or 0):
        raise HarnessError(
            f"to_s is {to_s!r}, and from_s {from_s or 0!r}", where="to_s", remedy="a window ends after it begins"
        )


def _window(ordered: Sequence[Traced], from_s: float | None, to_s: float | None, path: Path) -> tuple[Traced, ...]:
    begin = 0.0 if from_s is None else from_s
    end = math.inf if to_s is None else to_s
    zero = ordered[0].at_s
    timed = ((round(each.at_s - zero, 9), each) for each in ordered)
    found = tuple(msgspec.structs.replace(each, at_s=round(at_s - begin, 9)) for at_s, each in timed if begin <= at_s < end)
    if not found:
        what = f"no request from {begin:g} s to {'the end' if to_s is None else f'{to_s:g} s'}"
        remedy = f"the trace has {len(ordered)}, from 0 s to {ordered[-1].at_s - zero:g} s"
        raise HarnessError(what, where=str(path), remedy=remedy)
    return found


def _format(path: Path) -> str:
    names = plugins.names(KIND)
    first = _first_line(path)
    fitting = [name for name in names if plugins.load(KIND, name).fits(path, first)]
    if len(fitting) != 1:
        what = f"its first line is that of {' and '.join(fitting) or 'no trace format'}: {first[:60].rstrip()!r}"
        raise HarnessError(what, where=str(path), remedy=f"say which format it is; allowed: {', '.join(names)}")
    return fitting[0]


def _first_line(path: Path) -> str:
    """That holds anything, as readers pass blank ones over; "" for a folder and where there is none."""
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        while line := file.readline(_FIRST_LINE_BYTES):
            if text := line.decode("utf-8-sig", "replace").strip():
                return text
    return ""


def _check_plain(path: Path) -> None:
    if path.is_dir():
        return
    with path.open("rb") as file:
        begin = file.read(max(map(len, _PACKED)))
    kind = next((name for magic, name in _PACKED.items() if begin.startswith(magic)), None)
    if kind is not None:
        raise HarnessError(
            f"is compressed ({kind})", where=str(path), remedy="unpack it first, and name the file that comes out"
        )
