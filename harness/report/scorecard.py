"""The scorecard: what a decision needs, one row per endpoint and level."""

from decimal import Decimal
from typing import NamedTuple

from harness.report.figures import LevelFigures, Summary
from harness.report.spreadsheet import csv_text

MET, MISSED, UNKNOWN = "✓", "✗", "?"


class Row(NamedTuple):
    """Figures in base units; None where one is not estimable. slo has a mark per objective, in the scenario's order."""

    endpoint: str
    model: str
    level: str
    n: int
    success_ratio: float | None
    success_low: float | None
    success_high: float | None
    ttft_p50_s: float | None
    ttft_p99_s: float | None
    e2e_p50_s: float | None
    e2e_p99_s: float | None
    itl_p50_s: float | None
    itl_p99_s: float | None
    output_tokens_per_s_user: float | None
    output_tokens_per_s_system: float | None
    requests_per_s: float | None
    goodput_per_s: float | None
    errors_ratio: float | None
    usd_per_task: Decimal | None
    usd_per_success: Decimal | None
    unpriced: int
    slo: str


def rows(summary: Summary) -> list[Row]:
    """By endpoint in the scenario's order, then by rising level."""
    return [
        _row(name, endpoint.model, level, figures)
        for name, endpoint in summary.endpoints.items()
        for level, figures in endpoint.levels.items()
    ]


def as_csv(card: list[Row]) -> str:
    return csv_text(Row._fields, card)


def mark(met: bool | None) -> str:
    """One character for an objective's result."""
    return UNKNOWN if met is None else MET if met else MISSED


def _row(name: str, model: str, level: str, figures: LevelFigures) -> Row:
    low, high = figures.success.interval or (None, None)
    latency = figures.headline
    return Row(
        endpoint=name,
        model=model,
        level=level,
        n=figures.success.n,
        success_ratio=figures.success.ratio,
        success_low=low,
        success_high=high,
        ttft_p50_s=latency.ttft_s.p50,
        ttft_p99_s=latency.ttft_s.p99,
        e2e_p50_s=latency.e2e_s.p50,
        e2e_p99_s=latency.e2e_s.p99,
        itl_p50_s=latency.itl_s.p50,
        itl_p99_s=latency.itl_s.p99,
        output_tokens_per_s_user=figures.output_tokens_per_s.per_user,
        output_tokens_per_s_system=figures.output_tokens_per_s.system,
        requests_per_s=figures.requests_per_s,
        goodput_per_s=figures.goodput_per_s,
        errors_ratio=figures.errors.ratio,
        usd_per_task=figures.usd.per_task,
        usd_per_success=figures.usd.per_success,
        unpriced=figures.usd.unpriced,
        slo="".join(mark(result.met) for result in figures.slo),
    )
