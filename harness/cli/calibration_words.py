"""A calibration in words: a table of what was found, then what this machine can measure, and what it cannot."""

from collections.abc import Iterable, Iterator, Sequence

from harness.calibration import Calibration, Ceiling, ErrorFigures, LevelCalibration
from harness.report import wording
from harness.report.calibration import LEAST_HEADROOM

_HEAD = ("users", "tokens/s", "TTFT p50", "p99", "ICL p50", "p99", "TPOT p50", "p99", "e2e p50", "p99", "answers")
_OWN = ("users", "read lag p50", "p99", "coalesced", "CPU", "CPU/token", "headroom", "simulator late p50", "p99")


_NONE = wording.seconds(0.0)
_LIMITS = {
    "client": "that is the ceiling of one load process",
    "simulator": "the simulator was the limit, so the ceiling is higher",
    "others": "other processes used its core, so the ceiling is higher",
}


def told(found: Calibration) -> list[str]:
    """Lines for a terminal."""
    load = found.load
    way = "HTTPS" if load.tls else "HTTP"
    at = "not pinned" if load.client_core is None else f"simulator on core {load.simulator_core}, signoff on {load.client_core}"
    priority = {"fifo": "real-time priority", "nice": "raised priority", "none": "no raised priority"}[load.priority]
    return [
        f"Answers of {load.tokens} tokens, {wording.seconds(load.gap_s)} apart, over {way}; {at}, {priority}.",
        "Errors are signoff's figures minus what the simulator really sent, over the same answers; those of ICL to 0.1 %.",
        "",
        *_table(_HEAD, [_errors(level) for level in found.levels]),
        "",
        *_table(_OWN, [_own(level) for level in found.levels]),
        "",
        _ceiling("Streams without a pause", found.tokens, "tokens/s"),
        _ceiling("Short answers, not streamed", found.requests, "requests/s"),
        *_findings(found.levels),
        *_verdict(found),
    ]


def _errors(level: LevelCalibration) -> list[str]:
    each = (level.ttft, level.icl, level.tpot, level.e2e)
    figures = [_signed(value) for error in each for value in (error.p50_error_s, error.p99_error_s)]
    figures[2:4] = ["< 0.1 %" if figure == _NONE else figure for figure in figures[2:4]]  # the journal's own exactness
    return [str(level.users), wording.number(level.tokens_per_s), *figures, wording.count(level.attempts)]


def _own(level: LevelCalibration) -> list[str]:
    return [
        str(level.users),
        wording.seconds(level.read_lag_p50_s),
        wording.seconds(level.read_lag_p99_s),
        wording.percent(level.coalesced_ratio),
        wording.percent(level.cpu_ratio),
        wording.seconds(level.cpu_s_per_token),
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


def _verdict(found: Calibration) -> Iterator[str]:
    good = [level for level in found.levels if level.is_measured]
    if good:
        most = max(good, key=lambda level: level.users)
        yield (
            f"This machine can measure {most.users} users, {wording.number(most.tokens_per_s)} tokens/s, by one load process: "
            f"{_within('TTFT', most.ttft)}, {_within('ICL', most.icl)}{_room(most)}."
        )
    for level in found.levels:
        if not level.is_measured:
            codes = ", ".join(dict.fromkeys(finding.code for finding in level.findings if finding.invalid))
            yield f"It cannot measure {level.users} users by one load process, not now: {codes}."


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
