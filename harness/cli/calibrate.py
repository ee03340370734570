"""`signoff calibrate`: what this machine can measure, found out against a server whose truth is known.

The rule: nothing is estimated. The bundled simulator plays the planned load and writes down what it sends, `signoff run`'s own
load process measures it, and what is reported is the difference.
"""

import math
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

import harness
from harness import results
from harness.calibration import CALIBRATION_VERSION, Calibration, KnownLoad
from harness.cli import calibration_figures, calibration_words, known_load
from harness.cli.known_load import MODEL, Outcome, Part, Steps
from harness.cli.planned_load import Plan, planned
from harness.errors import ExitCode
from harness.loadgen import prepare
from harness.simulator.candidate import Candidate, Lognormal

FLAT_OUT_USERS = 64
FLAT_OUT_S = 4.0
SIGMA = 0.3
AT_ONCE = Lognormal(median_s=0.0)
PACED, FAST, SHORT = "paced", "fast", "short"
DRAIN_S = 10.0
DEFAULT = Plan()


def _else(value: object) -> str:
    return f"Default: the scenario's, else {value}."


def calibrate(  # noqa: PLR0913, PLR0917 - one parameter per option
    scenario: Annotated[
        str | None,
        typer.Argument(
            help="Taken from it: levels, mean size of prompts and of right answers (else max_tokens), streaming, TLS; "
            "the pace only where it is simulated. Options win."
        ),
    ] = None,
    users: Annotated[
        list[int] | None, typer.Option(help="Users at once; may be repeated. Default: the scenario's, else 50 and 500.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Load-making processes on this machine.")] = DEFAULT.processes,
    prompt_bytes: Annotated[int | None, typer.Option(help=f"Size of a prompt. {_else(DEFAULT.prompt_bytes)}")] = None,
    tokens: Annotated[int | None, typer.Option(help=f"Tokens of an answer. {_else(DEFAULT.tokens)}")] = None,
    gap_ms: Annotated[float | None, typer.Option(help=f"Median time between tokens. {_else('20')}")] = None,
    seconds: Annotated[float, typer.Option(help="Of each measured level.")] = DEFAULT.seconds,
    stream: Annotated[bool | None, typer.Option("--stream/--no-stream", help="Answers token by token, or whole.")] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="Over HTTPS.")] = None,
    out: Annotated[Path, typer.Option(help="The file; `signoff run` looks beside its scenario, then in its --out.")] = Path(
        "runs", results.CALIBRATION
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print calibration.json instead of words.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> ExitCode:
    """Find out what this machine can measure, and how exactly: about a minute, and nothing else should run meanwhile.

    Exits 4 when a level cannot be measured within tolerance here.
    """
    plan = planned(
        scenario,
        users=tuple(users) if users else None,
        processes=processes,
        prompt_bytes=prompt_bytes,
        tokens=tokens,
        gap_s=None if gap_ms is None else gap_ms / 1000,
        seconds=seconds,
        stream=stream,
        tls=tls,
    )
    found = _calibrated(plan, quiet=quiet)
    results.write_calibration(out, found)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")
    else:
        print("\n".join([*calibration_words.told(found), "", str(out)]))
    return ExitCode.OK if all(level.is_measured for level in found.levels) else ExitCode.INVALID


def _calibrated(plan: Plan, *, quiet: bool) -> Calibration:
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="signoff-calibrate-") as name:
        paced = _paced(plan, Path(name, PACED), quiet=quiet)
        flat_out = _flat_out(plan, Path(name, FAST), quiet=quiet)
    at = known_load.cores(plan.processes)
    tokens = calibration_figures.ceiling_per_s(flat_out, FAST, FLAT_OUT_USERS)
    requests = calibration_figures.requests_ceiling(flat_out, SHORT, FLAT_OUT_USERS)
    return Calibration(
        v=CALIBRATION_VERSION,
        signoff=harness.__version__,
        created_utc=now.isoformat(timespec="seconds"),
        host=prepare.host(),
        versions=prepare.versions(),
        load=KnownLoad(**plan._asdict(), simulator_core=at.simulator, client_cores=at.client, priority=paced.priority),
        levels=tuple(calibration_figures.levels(paced, PACED, tokens if plan.stream else requests, len(at.client) or 1)),
        tokens=tokens,
        requests=requests,
    )


def _paced(plan: Plan, folder: Path, *, quiet: bool) -> Outcome:
    """The planned load. Warm-up lasts as long as an answer, so that users are out of step when measuring begins."""
    ttft, itl = (Lognormal(each, SIGMA if each else 0.0) for each in (plan.ttft_s, plan.gap_s))
    part = Part(Candidate(name=PACED, model=MODEL, ttft=ttft, itl=itl, accuracy=1.0), stream=plan.stream)
    whole_s = _warmup_s(plan) + _measure_s(plan) + plan.answer_s
    asked = sum(math.ceil(users * (1 + whole_s / plan.answer_s)) for users in plan.users)
    drain_s = DRAIN_S + 3 * plan.answer_s
    size = (plan.tokens, plan.prompt_bytes)
    steps = Steps(plan.users, *size, _warmup_s(plan), _measure_s(plan), drain_s, 1_000 + asked, processes=plan.processes)
    return known_load.measure([part], steps, folder, tls=plan.tls, quiet=quiet)


def _flat_out(plan: Plan, folder: Path, *, quiet: bool) -> Outcome:
    """As much as goes into one load process: streams without a pause, then short answers that are not streamed."""
    fast = Candidate(name=FAST, model=MODEL, ttft=AT_ONCE, itl=AT_ONCE, accuracy=1.0)
    short = Candidate(name=SHORT, model=MODEL, ttft=AT_ONCE, itl=AT_ONCE, accuracy=0.0)
    measure_s = min(FLAT_OUT_S, plan.seconds)
    size = (plan.tokens, plan.prompt_bytes)
    steps = Steps((FLAT_OUT_USERS,), *size, min(1.0, measure_s), measure_s, DRAIN_S, 1_000, paced=False)
    parts = [Part(fast, stream=True), Part(short, stream=False)]
    return known_load.measure(parts, steps, folder, tls=plan.tls, quiet=quiet)


def _warmup_s(plan: Plan) -> float:
    return max(1.0, plan.answer_s)


def _measure_s(plan: Plan) -> float:
    """An answer that takes longer than the window would begin in it too seldom."""
    return max(plan.seconds, 1.5 * plan.answer_s)
