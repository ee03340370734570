"""A calibration in words: a table of what was found, then what this machine can measure, and what it cannot."""

from collections.abc import Iterable, Iterator, Sequence

from harness.calibration import Calibration, Ceiling, ErrorFigures, KnownLoad, LevelCalibration
from harness.report import wording
from harness.report.calibration import LEAST_HEADROOM

_ERRORS = ("TTFT p50", "p99", "ICL p50", "p99", "TPOT p50", "p99", "e2e p50", "p99", "answers")
_LAGS = ("read lag p50", "p99", "coalesced", "CPU")
_ROOM = ("headroom", "simulator late p50", "p99")

_NONE = wording.seconds(0.0)
_LIMITS = {
    "client": "that is the ceiling of one load process",
    "simulator": "the simulator was the limit, so the ceiling is higher",
    "others": "other processes used its core, so the ceiling is higher",
    "unknown": "what was the limit is unknown, so the ceiling may be higher",
}


def told(found: Calibration) -> list[str]:
    """Lines for a terminal."""
    unit = "token" if found.load.stream else "answer"
    return [
        *_load(found.load),
        "Errors are signoff's figures minus what the simulator really sent, over the same answers; those of ICL to 0.1 %.",
        "",
        *_table(("users", f"{unit}s/s", *_ERRORS), [_errors(level) for level in found.levels]),
        "",
        *_table(("users", *_LAGS, f"CPU/{unit}", *_ROOM), [_own(level) for level in found.levels]),
        "",
        _ceiling("Streams without a pause", found.tokens, "tokens/s"),
        _ceiling("Short answers, not streamed", found.requests, "requests/s"),
        *_findings(found.levels),
        *_verdict(found, f"{unit}s/s"),
    ]


def _load(load: KnownLoad) -> Iterator[str]:
    pace = f"the first after {wording.seconds(load.ttft_s)}, the others {wording.seconds(load.gap_s)} apart"
    way = f"{'streamed' if load.stream else 'sent whole'} over {'HTTPS' if load.tls else 'HTTP'}"
    yield f"Prompts of {load.prompt_bytes:,} bytes; answers of {load.tokens:,} tokens, {pace}, {way}."
    cores, priority = load.client_cores, {"fifo": "real-time", "nice": "raised", "none": "no raised"}[load.priority]
    at = f"core{'' if len(cores) == 1 else 's'} {', '.join(map(str, cores))}"
    yield (
        f"The simulator on core {load.simulator_core}, {_by(load)} on {at}; {priority} priority."
        if cores
        else f"Simulator and {_by(load)} not pinned; {priority} priority."
    )
    if load.processes > max(1, len(cores)):
        yield "The simulator needs a core of its own, so load processes share what is left: in a run each may have more."


def _by(load: KnownLoad) -> str:
    return "one load process" if load.processes == 1 else f"{load.processes} load processes"


def _errors(level: LevelCalibration) -> list[str]:
    each = (level.ttft, level.icl, level.tpot, level.e2e)
    figures = [_signed(value) for error in each for value in (error.p50_error_s, error.p99_error_s)]
    figures[2:4] = ["< 0.1 %" if figure == _NONE else figure for figure in figures[2:4]]  # the journal's own exactness
    return [str(level.users), wording.number(level.chunks_per_s), *figures, wording.count(level.attempts)]


def _own(level: LevelCalibration) -> list[str]:
    return [
        str(level.users),
        wording.seconds(level.read_lag_p50_s),
        wording.seconds(level.read_lag_p99_s),
        wording.percent(level.coalesced_ratio),
        wording.percent(level.cpu_ratio),
        wording.seconds(level.cpu_s_per_chunk),
        wording.number(level.headroom),
        wording.seconds(level.simulator_late_p50_s),
        wording.seconds(level.simulator_late_p99_s),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for line in (head, *rows):
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def _ceiling(what: str, found: Ceiling, unit: str) -> str:
    made = f"{what}: {wording.number(found.per_s)} {unit} with {found.users} users, CPU {wording.percent(found.cpu_ratio)}"
    return f"{made}; {_LIMITS[found.limited_by]}."


def _findings(levels: Iterable[LevelCalibration]) -> Iterator[str]:
    """What was seen; why it matters and what to do stands in the file."""
    for level in levels:
        yield from (f"{level.users} users: {finding.what} ({finding.code})." for finding in level.findings)


def _verdict(found: Calibration, unit: str) -> Iterator[str]:
    by = _by(found.load)
    good = [level for level in found.levels if level.is_measured]
    if good:
        most = max(good, key=lambda level: level.users)
        judged = {"TTFT": most.ttft, "ICL": most.icl} if found.load.stream else {"e2e": most.e2e}
        exactly = ", ".join(_within(name, error) for name, error in judged.items())
        rate = f"{wording.number(most.chunks_per_s)} {unit}"
        yield f"This machine can measure {most.users} users, {rate}, by {by}: {exactly}{_room(most)}."
    for level in found.levels:
        if not level.is_measured:
            wrong = {finding.code: finding for finding in level.findings if finding.invalid}
            why = f"{', '.join(wrong)}. So there is no headroom to tell. To do: {next(iter(wrong.values())).remedy}."
            yield f"It cannot measure {level.users} users by {by}, not now: {why}"


def _within(name: str, error: ErrorFigures) -> str:
    known = [abs(each) for each in (error.p50_error_s, error.p99_error_s) if each is not None]
    worst = wording.seconds(max(known)) if any(known) else "0.1 %"
    return f"{name} within {worst} of the truth at p50 and p99"


def _room(level: LevelCalibration) -> str:
    if level.headroom is None:
        return ""
    enough = "" if level.headroom >= LEAST_HEADROOM else ", which is little: a burst makes it late"
    return f"; headroom {level.headroom:.1f}{enough}"


def _signed(error_s: float | None) -> str:
    return f"{'+' if error_s is not None and error_s > 0 else ''}{wording.seconds(error_s)}"
