"""From a load whose truth is known to the figures of calibration.json."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from harness.calibration import Ceiling, ErrorFigures, LevelCalibration
from harness.cli.known_load import Outcome
from harness.measure import health, truth
from harness.measure.health import BUSY_RATIO, WAIT_RATIO
from harness.measure.truth import Error
from harness.records import Finding, Phase
from harness.report import calibration, client
from harness.report.client import watched
from harness.results import Run
from harness.simulator.truth import Delivery

Limit = Literal["client", "simulator", "others", "unknown"]
LATE_S = 0.001  # of the simulator, p99: what it was built to keep; beyond it the load is not quite what was asked for


def ceiling_per_s(outcome: Outcome, endpoint: str, users: int) -> Ceiling:
    """Chunks that arrived in a second."""
    rate = calibration.chunk_rates(outcome.run).get((endpoint, str(users)), 0.0)
    return _ceiling(outcome.run, endpoint, users, rate)


def requests_ceiling(outcome: Outcome, endpoint: str, users: int) -> Ceiling:
    """Whole answers that ended inside the measure window, per second of it."""
    run = outcome.run
    ((_, span),) = calibration.windows(run).spans(endpoint, str(users))
    ends = [each.end for each in run.attempts if each.start.endpoint == endpoint and each.end is not None]
    done = sum(end.done_ns is not None and span.holds(end.done_ns) for end in ends if end.kind == "ok")
    return _ceiling(run, endpoint, users, done / (span.close_ns - span.open_ns) * 1e9)


def levels(outcome: Outcome, endpoint: str, ceiling: Ceiling, cores: int) -> list[LevelCalibration]:
    """Every level of the endpoint, by rising number of users. `ceiling` is of one load process; all of them have `cores`."""
    run = outcome.run
    planned = {block.concurrency for block in run.manifest.plan if block.phase is Phase.MEASURE and block.endpoint == endpoint}
    return [_level(outcome, endpoint, users, ceiling, cores) for users in sorted(planned)]


def _level(outcome: Outcome, endpoint: str, users: int, ceiling: Ceiling, cores: int) -> LevelCalibration:
    run, cell = outcome.run, (endpoint, str(users))
    processes, stream = run.manifest.workers, run.manifest.scenario["endpoints"][endpoint]["stream"]
    loaded = min(users, processes)  # the others idle
    attempts = [(each.start, each.end) for each in run.attempts if (each.start.endpoint, each.start.level) == cell]
    pairs, unmatched = truth.matched(attempts, outcome.truth)
    errors = truth.errors(pairs)
    seen = watched(run)[cell]._replace(place="this level")
    ours = client.figures(seen)
    rate = calibration.chunk_rates(run).get(cell, 0.0)
    late_p50_s, late_p99_s = _lateness(outcome.truth, run, cell)
    findings = (
        *health.findings([seen]),
        *_out_of_tolerance(_judged(errors, stream=stream)),
        *_lost(unmatched),
        *_late(late_p99_s),
    )
    is_measured = not any(finding.invalid for finding in findings)
    cpu_ratio = None if ours.cpu_ratio is None else ours.cpu_ratio * processes / loaded
    headroom = truth.headroom(ceiling.per_s, rate / loaded, cpu_ratio, min(1.0, cores / loaded))
    return LevelCalibration(
        users=users,
        attempts=len(pairs),
        unmatched=unmatched,
        window_s=calibration.windows(run).seconds().get(cell, 0.0),
        chunks_per_s=rate,
        ttft=_seconds(errors.ttft),
        icl=_seconds(errors.icl),
        tpot=_seconds(errors.tpot),
        e2e=_seconds(errors.e2e),
        read_lag_p50_s=ours.read_lag_p50_s,
        read_lag_p99_s=ours.read_lag_p99_s,
        coalesced_ratio=ours.coalesced_ratio,
        cpu_ratio=cpu_ratio,
        cpu_s_per_chunk=None if cpu_ratio is None or not rate else cpu_ratio * loaded / rate,
        headroom=headroom if is_measured else None,
        simulator_late_p50_s=late_p50_s,
        simulator_late_p99_s=late_p99_s,
        is_measured=is_measured,
        findings=findings,
    )


def _ceiling(run: Run, endpoint: str, users: int, per_s: float) -> Ceiling:
    ours = client.figures(watched(run)[endpoint, str(users)])
    limited_by = limit(ours.cpu_ratio, ours.wait_ratio)
    return Ceiling(users=users, per_s=per_s, cpu_ratio=ours.cpu_ratio, limited_by=limited_by)


def limit(cpu_ratio: float | None, wait_ratio: float | None) -> Limit:
    """Who was the limit shows in whether the load process had a part of its core left, if the kernel tells of both."""
    if wait_ratio is not None and wait_ratio > WAIT_RATIO:
        return "others"
    if cpu_ratio is not None and cpu_ratio + (wait_ratio or 0.0) > BUSY_RATIO:  # what is known may be enough
        return "client"
    return "unknown" if cpu_ratio is None or wait_ratio is None else "simulator"


def _seconds(error: Error) -> ErrorFigures:
    n, *figures = error
    p50_s, p50_error_s, p99_s, p99_error_s = (None if each is None else round(each / 1e9, 9) for each in figures)
    return ErrorFigures(n=n, p50_s=p50_s, p50_error_s=p50_error_s, p99_s=p99_s, p99_error_s=p99_error_s)


def _lateness(served: Sequence[Delivery], run: Run, cell: tuple[str, str]) -> tuple[float | None, float | None]:
    """p50 and p99 of how late the simulator sent what it sent inside the windows of this level."""
    spans = [span for _, span in calibration.windows(run).spans(*cell)]
    late = [
        late_ns
        for line in served
        for sent_ns, late_ns in zip(line.sent_ns, line.late_ns, strict=True)
        if any(span.holds(sent_ns) for span in spans)
    ]
    p50_ns, p99_ns = truth.quantile(late, 0.5), truth.quantile(late, 0.99)
    return None if p50_ns is None else p50_ns / 1e9, None if p99_ns is None else p99_ns / 1e9


def _judged(errors: truth.Errors, *, stream: bool) -> dict[str, Error]:
    """A whole answer has nothing but an end."""
    named = dict(zip(("TTFT", "ICL", "TPOT", "e2e"), errors, strict=True))
    return named if stream else {"e2e": named["e2e"]}


def _out_of_tolerance(errors: Mapping[str, Error]) -> Iterator[Finding]:
    wrong = [name for name, error in errors.items() if not error.is_tolerable]
    if wrong:
        yield Finding(
            code="out_of_tolerance",
            what=f"p50 or p99 of {', '.join(wrong)} is unknown, or off by more than 0.3 ms and 0.5 %",
            why="figures of a run at this level would be off by as much",
            remedy="fewer users per load process, a quieter machine, or more --seconds where answers were few",
            invalid=True,
        )


def _lost(unmatched: int) -> Iterator[Finding]:
    if unmatched:
        yield Finding(
            code="unmatched",
            what=f"{unmatched} answers are not in what the simulator says it sent",
            why="signoff read something else than was sent, or one of the two lost a line",
            remedy="report it: this is a bug",
            invalid=True,
        )


def _late(late_p99_s: float | None) -> Iterator[Finding]:
    if late_p99_s is not None and late_p99_s > LATE_S:
        yield Finding(
            code="simulator_late",
            what=f"the simulator itself sent late, p99 {1000 * late_p99_s:.1f} ms",
            why="errors are against when it really sent, so they hold; but tokens came in more of a crowd than was asked for",
            remedy="a free core for it, and the right to raise its priority",
        )
