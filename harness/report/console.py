"""The scorecard on a terminal: a table of at most 100 columns, then the verdict in sentences."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import (
    answers_tried,
    cache,
    calibration,
    dispatch,
    frontier,
    network,
    noise,
    repeated,
    resumed,
    scorecard,
    steadiness,
    turns,
    verdict,
    wording,
)
from harness.report.circumstances import FrontierPoint
from harness.report.figures import Summary
from harness.report.scorecard import Row

WIDTH = 100
_LEGEND = (
    f"TTFT, e2e, ITL: p50 above p99. tok/s: one user above all. {wording.MISSING} not estimable. ≥ some attempts unpriced.",
    "SLO, in the order below: ✓ met, ✗ missed, ? not estimable.",
)


def show(summary: Summary, console: Console) -> None:
    """Print table and verdict. Nothing that came from outside is read as markup, and its control characters are gone."""
    console.print(_table(scorecard.rows(summary)), width=WIDTH)
    for line in (*_LEGEND, ""):
        console.print(Text(line, style="dim"), width=WIDTH)
    _search(summary, console)
    if any(turns.told(summary)):
        console.print(_by_turn(summary), width=WIDTH)
    style = "bold green" if summary.valid else "bold red"
    console.print(Text(verdict.validity(summary), style=style), width=WIDTH)
    for line in (
        *answers_tried.sentences(summary),
        *verdict.objectives(summary),
        verdict.sentence(summary),
        *([] if summary.variation is None else [summary.variation]),
        *resumed.sentences(summary),
        *noise.sentences(summary),
        *repeated.sentences(summary),
        *dispatch.sentences(summary),
        *summary.quotas,
        *summary.reused,
        *network.notable(summary),
        *summary.hosts,
        *turns.sentences(summary),
    ):
        console.print(Text(wording.plain(line)), width=WIDTH)
    for line in (
        *verdict.ungraded(summary),
        *steadiness.sentences(summary),
        cache.sentence(summary),
        verdict.client(summary),
        calibration.sentence(summary.calibration),
    ):
        console.print(Text(wording.plain(line), style="dim"), width=WIDTH)
    for finding in summary.findings:
        what = "" if finding.invalid else f" {finding.what}."  # the verdict has said it
        said = f"{finding.code}:{what} {finding.why}. {finding.remedy}."
        console.print(Text(wording.plain(said), style="yellow"), width=WIDTH)


def _search(summary: Summary, console: Console) -> None:
    """The largest load that holds, with every load that was tried."""
    found = frontier.sentences(summary)
    if not found:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, width=WIDTH)
    table.add_column("endpoint", overflow="fold", min_width=10)
    for heading in ("load", "holds", "TTFT p99", "ITL p99", "tokens/s\noffered", "goodput\n/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for name, endpoint in summary.endpoints.items():
        for each in endpoint.search.frontier if endpoint.search is not None else ():
            table.add_row(*(Text(cell) for cell in _point(name, each)))
    console.print(table, width=WIDTH)
    for line in (*found, ""):
        console.print(Text(wording.plain(line), style="bold"), width=WIDTH)


def _point(name: str, each: FrontierPoint) -> tuple[str, ...]:
    return (
        wording.plain(name),
        f"{each.load:.4g}",
        scorecard.mark({"pass": True, "fail": False, "unclear": None}[each.verdict]),
        wording.seconds(each.ttft_p99_s),
        wording.seconds(each.itl_p99_s),
        wording.number(each.offered_tokens_per_s),
        wording.number(each.goodput_per_s),
        wording.plain(f"cut short: {each.reason}" if each.cut_short else each.reason),
    )


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, width=WIDTH)
    table.add_column("endpoint", overflow="fold", min_width=10)
    for heading in ("load", "success\n95 %", "TTFT", "e2e", "ITL", "tok/s", "req/s\nerrors", "USD/task\n/success", "SLO"):
        table.add_column(heading, justify="right", overflow="fold", no_wrap=heading != "SLO")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)))
    return table


def _by_turn(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("conversations", overflow="fold", min_width=10)
    for heading in ("load", "turn", "n", "TTFT p50", "p99", "tokens in", "cached"):
        table.add_column(heading, justify="right", overflow="fold")
    for name, words, talk in turns.told(summary):
        for of in talk.turns:
            table.add_row(*(Text(cell) for cell in (wording.plain(name), words, *turns.cells(of))))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        wording.plain(row.endpoint),
        row.level,
        f"{wording.percent(row.success_ratio)}\n{_interval(row)}",
        f"{wording.seconds(row.ttft_p50_s)}\n{wording.seconds(row.ttft_p99_s)}",
        f"{wording.seconds(row.e2e_p50_s)}\n{wording.seconds(row.e2e_p99_s)}",
        f"{wording.seconds(row.itl_p50_s)}\n{wording.seconds(row.itl_p99_s)}",
        f"{wording.number(row.output_tokens_per_s_user)}\n{wording.number(row.output_tokens_per_s_system)}",
        f"{wording.number(row.requests_per_s)}\n{wording.percent(row.errors_ratio)}",
        f"{_bounded(row, wording.usd(row.usd_per_task))}\n{_bounded(row, wording.usd(row.usd_per_success))}",
        row.slo,
    )


def _interval(row: Row) -> str:
    if row.success_low is None or row.success_high is None:
        return wording.MISSING
    return f"{row.success_low * 100:.0f}-{row.success_high * 100:.0f}"


def _bounded(row: Row, amount: str) -> str:
    """An amount that leaves attempts out says so."""
    return f"≥ {amount}" if row.unpriced and amount != wording.MISSING else amount
