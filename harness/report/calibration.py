"""What this machine is known to measure: the calibration that was there when the run was made, held against the run.

The rule: it is read from the run directory alone, and whatever it does not speak for (another machine, other versions, less
load, no TLS) is named beside its figures. It never makes a run INVALID: what the client did in the run itself does that.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from harness import results, sessions
from harness.calibration import Calibration, LevelCalibration
from harness.errors import HarnessError
from harness.measure import truth
from harness.records import Block, Finding, Manifest, Phase
from harness.report import client, wording
from harness.report.circumstances import CalibrationFigures
from harness.report.windows import Windows
from harness.results import Run

LEAST_HEADROOM = 2.0
_SAME_RATE = 1.1  # two runs of the same load differ by so much
_RUN_IT = "run `signoff calibrate`"
_LOADING = ("locust", "gevent", "httpx", "numpy")  # of the versions: what load processes use


def figures(run: Run) -> CalibrationFigures:
    file = run.path / results.CALIBRATION
    if not file.is_file():
        return CalibrationFigures(state="none")
    try:
        found = results.read_calibration(file)
    except HarnessError as wrong:
        return CalibrationFigures(state="unreadable", doubts=(wrong.what,))
    return _held_against(run, found)


def findings(held: CalibrationFigures) -> Iterator[Finding]:
    """Little headroom is a doubt to read, not a reason to throw the run away."""
    if held.headroom is not None and held.headroom < LEAST_HEADROOM:
        yield Finding(
            code="little_headroom",
            what=f"headroom is {held.headroom:.1f}: one load process took {wording.number(held.needed_per_s)} chunks/s, of "
            f"{_ceiling(held)} that it can take by its calibration, or used more than half of its core",
            why=f"below {LEAST_HEADROOM:g} a burst, or another process on the core, makes it late",
            remedy="spread the users over more processes (--processes), each with a core of its own, or measure fewer users",
        )


def sentence(held: CalibrationFigures) -> str:
    """One line for people."""
    if held.state == "none":
        return f"Not calibrated: {_RUN_IT}."
    if held.state == "unreadable":
        return f"Not calibrated, {held.doubts[0]}: {_RUN_IT}."
    if held.failed:
        said = f"Calibration of {str(held.created_utc)[:10]} failed: it was not within its tolerance at {held.users} users"
        return f"{said}, so nothing is said of this run. {_RUN_IT.capitalize()} again."
    room = f" Headroom {held.headroom:.1f}." if held.headroom is not None else ""
    doubts = f" But {'; '.join(held.doubts)}: {_RUN_IT} again." if held.doubts else ""
    known = [name for name in ("TTFT", "ICL") if getattr(held, f"{name.lower()}_p50_error_s") is not None] or ["e2e"]
    errors = ", ".join(_errors(name, held) for name in known)
    return f"Calibrated {str(held.created_utc)[:10]} at {held.users} users: {errors} from the truth.{room}{doubts}"


def windows(run: Run) -> Windows:
    return Windows(run.manifest.plan, run.marks)


def chunk_rates(run: Run) -> Mapping[tuple[str, str], float]:
    """Chunks that arrived inside the measure windows per second of them, by endpoint and level, over all load processes."""
    seconds = windows(run).seconds()
    chunks: dict[tuple[str, str], int] = defaultdict(int)
    for attempt in run.attempts:
        if attempt.end is not None:
            chunks[attempt.start.endpoint, attempt.start.level] += attempt.end.window_chunks
    return {cell: chunks[cell] / length_s for cell, length_s in seconds.items() if length_s > 0}


def _held_against(run: Run, found: Calibration) -> CalibrationFigures:
    manifest = run.manifest
    highest = _highest(manifest)
    users = math.ceil(_in_flight(run, highest) / manifest.workers)
    rates = _busiest(run, highest)
    needed_per_s = max((rate for rate, _ in rates), default=None)
    level = _level(found, users)
    other = list(_other_machine(found, manifest))
    doubts = [*other, *_less_load(found, manifest, users, needed_per_s), *_not_measured(level)]
    share = min(1.0, (manifest.host.get("cores") or manifest.workers) / manifest.workers)
    rooms = [truth.headroom(found.ceiling.per_s, rate, cpu_ratio, share) for rate, cpu_ratio in rates]
    speaks = level.is_measured and not other
    return CalibrationFigures(
        state="doubtful" if doubts else "fresh",
        doubts=tuple(doubts),
        failed=not level.is_measured,
        created_utc=found.created_utc,
        users=level.users,
        ttft_p50_error_s=level.ttft.p50_error_s,
        ttft_p99_error_s=level.ttft.p99_error_s,
        icl_p50_error_s=level.icl.p50_error_s,
        icl_p99_error_s=level.icl.p99_error_s,
        e2e_p50_error_s=level.e2e.p50_error_s,
        e2e_p99_error_s=level.e2e.p99_error_s,
        ceiling_per_s=found.ceiling.per_s,
        ceiling_is_at_least=found.ceiling.limited_by != "client",
        needed_per_s=needed_per_s,
        headroom=min((room for room in rooms if room is not None), default=None) if speaks else None,
    )


def _highest(manifest: Manifest) -> list[Block]:
    """The measure blocks of the highest level, of all endpoints."""
    measuring = [block for block in manifest.plan if block.phase is Phase.MEASURE]
    most = max(block.rate or block.concurrency for block in measuring)
    return [block for block in measuring if (block.rate or block.concurrency) == most]


def _in_flight(run: Run, highest: Sequence[Block]) -> int:
    """Users of a closed loop; of an open one, which may need few of its many, the most requests in flight at once.

    Of all endpoints that ran at once.
    """
    users = sum(block.concurrency for block in _at_once(highest)[0])
    if highest[0].rate is None:
        return users
    by_worker: Counter[int] = Counter()
    for worker, sample in run.health:
        by_worker[worker] = max(by_worker[worker], sample.in_flight)
    at_once: Counter[int] = Counter()
    for worker, most in by_worker.items():
        at_once[sessions.of_worker(run.manifest.sessions, worker)] += most
    return min(users, max(1, *at_once.values(), 1))


def _busiest(run: Run, highest: Sequence[Block]) -> list[tuple[float, float | None]]:
    """Chunks/s of one load process and the part of a core that it used, of each endpoint at the highest level.

    Endpoints that ran at once are one load, and had the same processes.
    """
    watched, rates = client.watched(run), chunk_rates(run)
    groups = {tuple((block.endpoint, block.level) for block in blocks): None for blocks in _at_once(highest)}
    return [
        (sum(rates[cell] for cell in known) / run.manifest.workers, client.figures(watched[known[0]]).cpu_ratio)
        for known in ([cell for cell in group if cell in rates] for group in groups)
        if known
    ]


def _at_once(highest: Sequence[Block]) -> list[list[Block]]:
    """The blocks of one step together, any other one by itself."""
    steps: dict[tuple[int | None, int | None], list[Block]] = defaultdict(list)
    for block in highest:
        steps[block.step, block.id if block.step is None else None].append(block)
    return list(steps.values())


def _level(found: Calibration, users: int) -> LevelCalibration:
    above = [level for level in found.levels if found.load.of_one(level.users) >= users]
    return min(above, key=lambda level: level.users) if above else max(found.levels, key=lambda level: level.users)


def _other_machine(found: Calibration, manifest: Manifest) -> Iterator[str]:
    """What differs, each with both values."""
    told = [_differs(key, found.host.get(key), manifest.host.get(key)) for key in sorted({*found.host, *manifest.host})]
    if any(told):
        yield f"it was made on another machine ({', '.join(filter(None, told))})"
    ours = {"signoff": manifest.signoff, **manifest.versions}
    theirs = {"signoff": found.signoff, **found.versions}
    told = [_differs(key, theirs.get(key), ours.get(key)) for key in ("signoff", *_LOADING)]
    if any(told):
        yield f"it was made with other versions ({', '.join(filter(None, told))})"


def _differs(name: str, then: object, now: object) -> str | None:
    return None if then == now else f"{name} {then} then, {now} now"


def _less_load(found: Calibration, manifest: Manifest, users: int, needed_per_s: float | None) -> Iterator[str]:
    load = found.load
    most = load.of_one(max(load.users))
    if users > most:
        yield f"it was made for {most} users, and one load process of this run had {users}"
    if manifest.workers > load.processes:
        yield f"it was made with --processes {load.processes}, and this run had {manifest.workers}"
    proven = max(level.chunks_per_s for level in found.levels) / load.processes
    if needed_per_s is not None and needed_per_s > _SAME_RATE * proven:
        yield f"it was made for {wording.number(proven)} chunks/s, and one load process of this run took more"
    if load.stream != _streams(manifest):
        made, run = ("streamed", "not") if load.stream else ("not streamed", "streamed")
        yield f"it was made for answers that are {made}, and those of this run are {run}"
    if not load.tls and any(url.startswith("https:") for url in manifest.urls.values()):
        yield "it was made without TLS (--tls), which this run used"


def _streams(manifest: Manifest) -> bool:
    return any(each.get("stream", True) for each in manifest.scenario["endpoints"].values())


def _not_measured(level: LevelCalibration) -> Iterator[str]:
    if not level.is_measured:
        yield f"at {level.users} users it was not within its tolerance"


def _errors(name: str, held: CalibrationFigures) -> str:
    p50_s, p99_s = (getattr(held, f"{name.lower()}_{q}_error_s") for q in ("p50", "p99"))
    return f"{name} {_signed(p50_s)} at p50 and {_signed(p99_s)} at p99"


def _signed(error_s: float | None) -> str:
    if error_s is None:
        return "unknown"
    return f"{'+' if error_s > 0 else ''}{wording.seconds(error_s)}"


def _ceiling(held: CalibrationFigures) -> str:
    return f"{'at least ' if held.ceiling_is_at_least else ''}{wording.number(held.ceiling_per_s)}"
