"""`signoff calibrate`: what this machine can measure, found out against a server whose truth is known.

The rule: nothing is estimated. The bundled simulator plays the planned load and writes down what it sends, `signoff run`'s own
load process measures it, and what is reported is the difference.
"""

import math
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

import harness
from harness import results, scenario_file
from harness.calibration import CALIBRATION_VERSION, Calibration, KnownLoad
from harness.cli import calibration_figures, calibration_words, known_load
from harness.cli.known_load import MODEL, Outcome, Part, Steps
from harness.errors import ExitCode, HarnessError
from harness.loadgen import prepare
from harness.simulator.candidate import Candidate, Lognormal

USERS = (50, 500)
MOST_USERS = 100_000
FLAT_OUT_USERS = 64
FLAT_OUT_S = 4.0
LONGEST_ANSWER_S = 120.0
TTFT = Lognormal(median_s=0.2, sigma=0.3)
SIGMA = 0.3
AT_ONCE = Lognormal(median_s=0.0)
PACED, FAST, SHORT = "paced", "fast", "short"
DRAIN_S = 10.0


class Plan(NamedTuple):
    """The load to be calibrated for."""

    users: tuple[int, ...]
    tokens: int
    gap_s: float
    seconds: float
    tls: bool

    @property
    def answer_s(self) -> float:
        """About how long one answer takes."""
        return TTFT.median_s + self.tokens * self.gap_s


def calibrate(  # noqa: PLR0913, PLR0917 - one parameter per option
    scenario: Annotated[str | None, typer.Argument(help="Its levels are taken, and TLS where an endpoint has it.")] = None,
    users: Annotated[list[int] | None, typer.Option(help="Users at once; may be repeated. Default: 50 and 500.")] = None,
    tokens: Annotated[int, typer.Option(help="Tokens of an answer.")] = 128,
    gap_ms: Annotated[float, typer.Option(help="Median time between tokens.")] = 20.0,
    seconds: Annotated[float, typer.Option(help="Of each measured level.")] = 10.0,
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
    plan = _planned(scenario, users, tokens, gap_ms, seconds, tls=tls)
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
    at = known_load.cores()
    ceiling = calibration_figures.ceiling_per_s(flat_out, FAST, FLAT_OUT_USERS)
    return Calibration(
        v=CALIBRATION_VERSION,
        signoff=harness.__version__,
        created_utc=now.isoformat(timespec="seconds"),
        host=prepare.host(),
        versions=prepare.versions(),
        load=KnownLoad(**plan._asdict(), simulator_core=at.simulator, client_core=at.client, priority=paced.priority),
        levels=tuple(calibration_figures.levels(paced, PACED, ceiling)),
        tokens=ceiling,
        requests=calibration_figures.requests_ceiling(flat_out, SHORT, FLAT_OUT_USERS),
    )


def _paced(plan: Plan, folder: Path, *, quiet: bool) -> Outcome:
    """The planned load. Warm-up lasts as long as an answer, so that users are out of step when measuring begins."""
    itl = Lognormal(median_s=plan.gap_s, sigma=SIGMA if plan.gap_s else 0.0)
    part = Part(Candidate(name=PACED, model=MODEL, ttft=TTFT, itl=itl, accuracy=1.0), stream=True)
    whole_s = _warmup_s(plan) + _measure_s(plan) + plan.answer_s
    asked = sum(math.ceil(users * (1 + whole_s / plan.answer_s)) for users in plan.users)
    steps = Steps(plan.users, plan.tokens, _warmup_s(plan), _measure_s(plan), DRAIN_S + 3 * plan.answer_s, 1_000 + asked)
    return known_load.measure([part], steps, folder, tls=plan.tls, quiet=quiet)


def _flat_out(plan: Plan, folder: Path, *, quiet: bool) -> Outcome:
    """As much as goes: streams without a pause, then short answers that are not streamed."""
    fast = Candidate(name=FAST, model=MODEL, ttft=AT_ONCE, itl=AT_ONCE, accuracy=1.0)
    short = Candidate(name=SHORT, model=MODEL, ttft=AT_ONCE, itl=AT_ONCE, accuracy=0.0)
    measure_s = min(FLAT_OUT_S, plan.seconds)
    steps = Steps((FLAT_OUT_USERS,), plan.tokens, min(1.0, measure_s), measure_s, DRAIN_S, 1_000, paced=False)
    parts = [Part(fast, stream=True), Part(short, stream=False)]
    return known_load.measure(parts, steps, folder, tls=plan.tls, quiet=quiet)


def _warmup_s(plan: Plan) -> float:
    return max(1.0, plan.answer_s)


def _measure_s(plan: Plan) -> float:
    """An answer that takes longer than the window would begin in it too seldom."""
    return max(plan.seconds, 1.5 * plan.answer_s)


def _planned(
    scenario: str | None, users: Sequence[int] | None, tokens: int, gap_ms: float, seconds: float, *, tls: bool | None
) -> Plan:
    """Raises HarnessError for a load that means nothing, or would take hours."""
    levels, has_tls = (USERS, False) if scenario is None else _of_scenario(scenario)
    plan = Plan(tuple(users or levels), tokens, gap_ms / 1000, seconds, has_tls if tls is None else tls)
    _check(
        all(1 <= each <= MOST_USERS for each in plan.users), "--users", plan.users, f"whole numbers from 1 to {MOST_USERS:,}"
    )
    _check(tokens >= 2, "--tokens", tokens, "2 or more: an answer of one token has no gap")
    _check(math.isfinite(gap_ms) and gap_ms >= 0, "--gap-ms", gap_ms, "milliseconds, for example 20")
    _check(math.isfinite(seconds) and seconds > 0, "--seconds", seconds, "a time to measure, for example 10")
    _check(
        plan.answer_s <= LONGEST_ANSWER_S,
        "--tokens and --gap-ms",
        f"{tokens} tokens, {gap_ms:g} ms apart, make an answer of {plan.answer_s:.0f} s",
        f"at most {LONGEST_ANSWER_S:.0f} s: fewer tokens at the same gap are the same load",
    )
    return plan._replace(users=tuple(sorted(set(plan.users))))


def _of_scenario(scenario: str) -> tuple[tuple[int, ...], bool]:
    found = scenario_file.load(scenario).scenario
    return found.load.levels, any((each.base_url or "").startswith("https:") for each in found.endpoints.values())


def _check(holds: bool, where: str, value: object, remedy: str) -> None:
    if not holds:
        what = value if isinstance(value, str) else f"{value!r} cannot be calibrated for"
        raise HarnessError(str(what), where=where, remedy=remedy)
