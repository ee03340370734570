"""Our own runs as traces: the attempts of the measure phases in `journal-*.jsonl`, from a run directory or one journal.

An attempt counts from when it was scheduled or, in a closed loop, dispatched. All endpoints and levels of the run are there, as
they happened. One that was lost with its worker, or told no usage, stays a request of unknown length.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.records import AttemptEnd, AttemptStart, JournalHead, JournalLine, Phase, Usage
from harness.workload import trace_row
from harness.workload.trace_row import Traced

_decode: Callable[[bytes], JournalLine] = msgspec.json.Decoder(JournalLine).decode
_UNKNOWN = Usage()


@dataclass(slots=True)
class _Journal:
    head: JournalHead
    starts: list[AttemptStart] = field(default_factory=list)
    usages: dict[str, Usage] = field(default_factory=dict)

    def take(self, line: JournalLine) -> None:
        match line:
            case AttemptStart(phase=Phase.MEASURE):
                self.starts.append(line)
            case AttemptEnd(usage=Usage() as usage):
                self.usages[line.id] = usage


def fits(path: Path, first: str) -> bool:
    return first.startswith('{"t":"head"') or (path.is_dir() and any(path.glob("journal-*.jsonl")))


def read(path: Path) -> Iterator[Traced]:
    """Requests journal by journal, each in the order of its lines.

    A last line that is torn is passed over, as a killed worker leaves it. `HarnessError` for any other that cannot be read, and
    for a folder without journals.
    """
    journals = [_journal(file) for file in _files(path)]
    # One host has one monotonic clock, which no step of the wall clock can bend; several have only the wall in common.
    is_one_clock = len({journal.head.host for journal in journals}) == 1
    shifts = [0 if is_one_clock else journal.head.wall_ns - journal.head.monotonic_ns for journal in journals]
    came = [
        (_at_ns(start) + shift, start.id, journal.usages.get(start.id, _UNKNOWN))
        for journal, shift in zip(journals, shifts, strict=True)
        for start in journal.starts
    ]
    for at_ns, id_, usage in came:
        for name, count in (("input_tokens", usage.input_tokens), ("output_tokens", usage.output_tokens)):
            trace_row.sane(count or 0, f"{name} of attempt {id_}", path.name)
        yield Traced((at_ns - came[0][0]) / 1e9, usage.input_tokens, usage.output_tokens)


def _at_ns(start: AttemptStart) -> int:
    at_ns = start.dispatched_ns if start.scheduled_ns is None else start.scheduled_ns
    assert at_ns is not None, "only what a schedule had is dropped before anybody begins with it"
    return at_ns


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("journal-*.jsonl"))
    if not files:
        remedy = "give the folder that `signoff run` printed, or one of its journals"
        raise HarnessError("no journal-*.jsonl: not a run directory", where=str(path), remedy=remedy)
    if any(file.stem.count("-") > 1 for file in files):
        what = "this run was interrupted and gone on with: what was given up would be replayed with what took its place"
        raise HarnessError(what, where=str(path), remedy="give one of its journals, or a run that was made at one go")
    return files


def _journal(file: Path) -> _Journal:
    torn: HarnessError | None = None
    with file.open("rb") as lines:
        journal = _Journal(_head(next(lines, b""), f"{file.name}:1"))
        for number, line in enumerate(lines, 2):
            if torn is not None:  # and was not the last
                raise torn
            try:
                journal.take(_line(line, f"{file.name}:{number}"))
            except HarnessError as broken:
                torn = broken
    return journal


def _head(line: bytes, where: str) -> JournalHead:
    head = _line(line, where)
    if not isinstance(head, JournalHead):
        remedy = "give a run directory, or a journal-*.jsonl of one"
        raise HarnessError(f"not the first line of a journal: {_excerpt(line)}", where=where, remedy=remedy)
    return head


def _line(line: bytes, where: str) -> JournalLine:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        remedy = "is it a journal of a run? then take an untouched copy"
        raise HarnessError(f"{broken}, in {_excerpt(line)}", where=where, remedy=remedy) from broken


def _excerpt(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "replace"))
