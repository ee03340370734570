"""A campaign for people: on a terminal, and as campaign.html, which opens offline and without a script."""

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import html, repeated, wording
from harness.report.campaign import Campaign, CampaignLevel, Held
from harness.report.console import WIDTH
from harness.report.repeated import FIGURES
from harness.report.svg import swatch

_TEMPLATE, _STYLE = "campaign.html.j2", "report.css"
_SHOWN = (
    *("ttft_p50_s", "ttft_p99_s", "tpot_p50_s", "tpot_p99_s", "e2e_p50_s", "e2e_p99_s"),
    *("success_ratio", "goodput_per_s", "output_tokens_per_s", "usd_per_success"),
)
_LEGEND = (
    "Mean over runs, each of which counts once, with its 95 % interval (Student's t over runs).",
    "Between: how much of the variance lies between runs, and not in the requests of a run.",
    f"Where it is high, a longer run does not help, more runs do. {wording.MISSING} not estimable.",
)


def show(found: Campaign, console: Console) -> None:
    """Print what was put together, a table, and what can be said of it."""
    for line in heading(found):
        console.print(Text(wording.plain(line)), width=WIDTH)
    console.print(_table(found), width=WIDTH)
    for line in (*_LEGEND, ""):
        console.print(Text(line, style="dim"), width=WIDTH)
    for line in objectives(found):
        console.print(Text(wording.plain(line)), width=WIDTH)


def render(found: Campaign) -> str:
    """The whole page. The same campaign gives the same text."""
    style = resources.files(__package__).joinpath(_STYLE).read_text("utf-8")
    return (
        html.environment()
        .get_template(_TEMPLATE)
        .render(
            campaign=found,
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            heading=list(heading(found)),
            objectives=list(objectives(found)),
            legend=_LEGEND,
            swatches={name: swatch(index) for index, name in enumerate(found.endpoints)},
            used=[run for run in found.runs if run.used],
        )
    )


def heading(found: Campaign) -> Iterator[str]:
    """What was put together, what was left out, and how the provider could have varied meanwhile."""
    used = sum(run.used for run in found.runs)
    yield f"Campaign of {used} runs of {found.scenario}: {found.coverage}."
    yield from (f"Left out: {run.run_id}, {run.verdict}." for run in found.runs if not run.used)
    yield from (f"Not the same: {each}." for each in found.differs)


def objectives(found: Campaign) -> Iterator[str]:
    """In how many runs each objective was met, each endpoint at its highest level."""
    peaks = {name: endpoint.levels[endpoint.peak] for name, endpoint in found.endpoints.items()}
    for text in next(iter(peaks.values())).slo:
        yield f"{text}: " + "; ".join(f"{name} {_held(level.slo[text])}" for name, level in peaks.items())


def _held(held: Held) -> str:
    runs = held.met + held.missed + held.unknown
    said = [(held.met, "met"), (held.missed, "MISSED"), (held.unknown, "not estimable")]
    return f"{', '.join(f'{word} in {count}' for count, word in said if count)} of {runs} runs"


def _table(found: Campaign) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, width=WIDTH)
    table.add_column("endpoint", overflow="fold", min_width=8)
    for name in ("load", "figure"):
        table.add_column(name, overflow="fold")
    for name in ("mean", "95 %", "between"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("each run", justify="right", overflow="fold")
    for name, endpoint in found.endpoints.items():
        for level, figures in endpoint.levels.items():
            for number, row in enumerate(_rows(figures)):
                table.add_row(*map(Text, (wording.plain(name), level) if not number else ("", "")), *map(Text, row))
    return table


def _rows(level: CampaignLevel) -> Iterator[tuple[str, ...]]:
    """Of the figures that any run has."""
    for name in _SHOWN:
        of, figure = level.figures[name], FIGURES[name]
        if of.n:
            each = ", ".join(figure.spell(value) for value in of.values)
            yield figure.words, figure.spell(of.mean), repeated.interval(name, of), wording.percent(of.between_ratio), each
