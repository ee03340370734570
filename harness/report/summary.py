"""summary.json: every figure of a run, made from the joined attempts and nothing else.

The rule: the same run gives the same bytes, so there is no clock here and every random draw is seeded by the manifest.
"""

from collections.abc import Sequence

import msgspec
import pandas as pd

from harness.load import EvaluationLoad
from harness.measure import campaign, slo, stats
from harness.rates import Rates
from harness.report import (
    answers_tried,
    cache,
    calibration,
    client,
    dispatch,
    frontier,
    hosts,
    join,
    noise,
    objectives,
    quota,
    repeated,
    turns,
    verdict,
)
from harness.report.cells import Cell, of_repetition
from harness.report.circumstances import Repeated, Sessions
from harness.report.compare import compare
from harness.report.distribution import failure_aware
from harness.report.evaluated import ANSWER, GIVEN_UP
from harness.report.figures import (
    Attempts,
    Comparison,
    EndpointFigures,
    Latency,
    LevelFigures,
    OutputRate,
    Proportion,
    Summary,
)
from harness.report.join import DROPPED, OK
from harness.report.network import look_ups, network
from harness.report.spend import spend, tokens
from harness.results import Run
from harness.scenario import Scenario

# Kinds that are an answer, if not the wanted one: a refusal is no error.
_ANSWERED = frozenset({OK, "refused", "blocked_input", "blocked_output"})
_NO_WINDOW = "no worker closed a measure window of this level"


def summarise(
    run: Run, scenario: Scenario, cells: Sequence[Cell], rates: dict[str, Rates | None], sessions: Sessions | None = None
) -> Summary:
    """Every figure of the run. `cells` as `report.cells.cells` gives them, priced at `rates`."""
    manifest = run.manifest
    targets = [slo.parse(text, scenario.load.view) for text in scenario.slo]
    is_evaluation = isinstance(scenario.load, EvaluationLoad)
    levels = {(cell.endpoint, cell.level): _whole(run, cell, targets, rates.get(cell.endpoint)) for cell in cells}
    covers_s = calibration.windows(run).covers_s()
    peaks = frontier.peaks(cells, manifest.searches)
    highest = max(peaks.values(), key=lambda cell: cell.load)
    return Summary(
        run_id=manifest.run_id,
        scenario=scenario.name,
        signoff=manifest.signoff,
        created_utc=manifest.created_utc,
        state=manifest.state,
        valid=not any(finding.invalid for finding in run.findings),
        verdict=verdict.word(run.findings),
        scorer=None if scenario.grading is None else scenario.grading.scorer,
        seed=manifest.seed,
        design=scenario.load.design,
        repetitions=scenario.load.repetitions,
        peak=highest.level,
        endpoints={
            name: EndpointFigures(
                model=endpoint.model,
                simulated=endpoint.simulated is not None,
                proxy=endpoint.proxy,
                rates=rates.get(name),
                peak=peaks[name].level,
                levels=(own := {level: figures for (owner, level), figures in levels.items() if owner == name}),
                search=frontier.figures(name, manifest.searches, own),
            )
            for name, endpoint in scenario.endpoints.items()
            if name in peaks
        },
        comparison=None  # of an endpoint with itself there is no better one
        if scenario.load.aa is not None
        else _compared([cell for cell in cells if cell.level == highest.level], manifest.seed, is_evaluation=is_evaluation),
        names=look_ups(run.resolved),
        calibration=calibration.figures(run),
        quotas=tuple(quota.sentences(quota.found(run.attempts, manifest.plan, run.marks))),
        reused=tuple(cache.reuse(run)),
        hosts=tuple(hosts.sentences(manifest.hosts)),
        covers_s=covers_s,
        variation=campaign.of_one_run(covers_s),
        noise=noise.figures(cells, scenario.load),
        sessions=sessions,
        findings=tuple(run.findings),
        torn_lines=run.torn,
    )


def _whole(run: Run, cell: Cell, targets: Sequence[slo.Objective], rates: Rates | None) -> LevelFigures:
    """The figures of a cell, and what they are over its repetitions."""
    figures = _level(cell, targets, rates, run.manifest.seed)
    examples = run.manifest.dataset.get("n", 0) * len({each.repetition for each in run.manifest.plan})
    figures = answers_tried.of_level(cell, figures, examples, targets)
    return msgspec.structs.replace(figures, repetitions=_repetitions(run, cell, targets, rates))


def _compared(cells: Sequence[Cell], seed: int, *, is_evaluation: bool) -> Comparison | None:
    found = compare(cells, seed)
    return answers_tried.without_speed(found) if is_evaluation else found


def _repetitions(run: Run, cell: Cell, targets: Sequence[slo.Objective], rates: Rates | None) -> dict[str, Repeated]:
    """None of a search: its looks at a load are of unequal length, and end when they have shown enough."""
    if run.manifest.searches:
        return {}
    planned = {each.repetition for each in run.manifest.plan if (each.endpoint, each.level) == (cell.endpoint, cell.level)}
    if len(planned) < 2:
        return {}
    parts = [of_repetition(run, cell, number) for number in sorted(planned)]
    seed = run.manifest.seed
    return repeated.over([repeated.looks(part, _level(part, targets, rates, seed)) for part in parts], "repetition")


def _level(cell: Cell, targets: Sequence[slo.Objective], rates: Rates | None, seed: int) -> LevelFigures:
    """All figures of one cell, then the objectives held against them."""
    metrics = {name: measured.figures for name, measured in cell.metrics.items()}
    gaps = {name: metrics[name] for name in ("icl_s", "itl_s", "tpot_s")}
    judged = join.judged(cell.measured)
    meant = judged
    if "trial" in judged:  # of an evaluation: by answer, and what a load has to hold is not asked of it
        meant = judged[judged["fate"].isin([ANSWER, GIVEN_UP])]
        targets = [each for each in targets if answers_tried.is_judged(each)]
    completed = int((cell.rows["done_in_window"] & cell.rows["kind"].eq(OK)).sum())
    bounds_s = slo.per_request(targets)
    good = objectives.goodput(cell.rows, bounds_s) if bounds_s else None
    reason = {} if bounds_s else {"goodput_per_s": "the scenario has no latency objective"}
    if cell.window_s is None:
        reason = dict.fromkeys(["window_s", "requests_per_s", "goodput_per_s"], _NO_WINDOW)
    figures = LevelFigures(
        concurrency=cell.concurrency,
        rate=cell.rate,
        window_s=cell.window_s,
        attempts=_attempts(cell.measured),
        service=Latency(ttft_s=metrics["ttft_s"], ttfo_s=metrics["ttfo_s"], e2e_s=metrics["e2e_s"], **gaps),
        scheduled=Latency(
            ttft_s=metrics["ttft_scheduled_s"], ttfo_s=metrics["ttfo_scheduled_s"], e2e_s=metrics["e2e_scheduled_s"], **gaps
        ),
        done_s=metrics["done_s"],
        connect_wait_s=metrics["connect_wait_s"],
        dispatch=dispatch.figures(cell),
        steady=cell.steady,
        network=network(cell),
        latency_all=failure_aware(cell.headline("e2e"), len(meant[~join.later(meant)] if cell.rate is not None else meant)),
        output_tokens_per_s=_output_rate(cell),
        requests_per_s=_per_second(completed, cell.window_s),
        goodput_per_s=None if good is None else _per_second(good.good, cell.window_s),
        goodput=good,
        success=_success(judged),
        errors=_errors(judged if meant is judged else join.tasks(judged)),
        usd=spend(cell.measured, seed, priced_endpoint=rates is not None),
        tokens=tokens(cell.measured),
        client=client.figures(cell.watched),
        conversations=turns.figures(cell),
        slo=(),
        reason=reason,
    )
    return msgspec.structs.replace(figures, slo=objectives.results(targets, figures))


def _attempts(began: pd.DataFrame) -> Attempts:
    by_kind = {str(kind): int(count) for kind, count in sorted(began["kind"].value_counts().items())}
    success = join.tasks(began)["success"]
    return Attempts(
        offered=len(began),
        attempted=len(began) - by_kind.get(DROPPED, 0),
        successful=None if success.isna().any() else int(success.eq(True).sum()),
        by_kind=by_kind,
    )


def _success(judged: pd.DataFrame) -> Proportion:
    """Successes among the judged tasks; unknown as a whole while one answer waits for its grade."""
    judged = join.tasks(judged)
    ungraded = int(judged["success"].isna().sum())
    if ungraded:
        why = f"{ungraded} answers are not graded: run `signoff score`"
        return Proportion(k=None, n=len(judged), reason=dict.fromkeys(["k", "ratio", "interval"], why))
    return _proportion(judged["success"].eq(True), judged["cluster"])


def _errors(judged: pd.DataFrame) -> Proportion:
    return _proportion(~judged["kind"].isin(_ANSWERED), judged["cluster"])


def _proportion(hits: pd.Series, clusters: pd.Series) -> Proportion:
    """k of n with Wilson's interval, widened for attempts that share a cluster."""
    k, n = int(hits.sum()), len(hits)
    if not n:
        return Proportion(k=0, n=0, reason=dict.fromkeys(["ratio", "interval"], "no attempt"))
    low, high = stats.clustered_wilson(hits.to_numpy(dtype=bool), clusters.to_numpy())
    return Proportion(k=k, n=n, ratio=k / n, interval=(round(low, 9), round(high, 9)))


def _output_rate(cell: Cell) -> OutputRate:
    """Tokens that arrived inside the window per second of it, and the median user's decoding speed."""
    arrived = cell.rows["window_tokens"][cell.rows["window_chunks"].gt(0)]
    uncounted = int(arrived.isna().sum())
    reason = {}
    if cell.window_s is None:
        reason["system"] = _NO_WINDOW
    elif uncounted and uncounted == len(arrived):
        reason["system"] = f"none of {uncounted} attempts with output in the window reported its tokens"
    tpot_s = cell.measured["tpot_s"][cell.measured["kind"].eq(OK)].dropna()
    floor = stats.sample_floor(0.5)
    if len(tpot_s) < floor:
        reason["per_user"] = f"needs n >= {floor}, has {len(tpot_s)}"
    return OutputRate(
        system=None if "system" in reason else _per_second(float(arrived.sum()), cell.window_s),
        per_user=None if "per_user" in reason else float((1 / tpot_s).median()),
        uncounted=uncounted,
        reason=reason,
    )


def _per_second(amount: float, window_s: float | None) -> float | None:
    return None if window_s is None else amount / window_s
