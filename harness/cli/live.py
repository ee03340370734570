"""The terminal while a run goes on: a live line on a terminal, one line every five seconds when piped, nothing when quiet."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from harness.records import Manifest, load_in_words

EVERY_S = 5


class Live:
    """`show` takes one status a second, as `session` writes it."""

    def __init__(self, manifest: Manifest, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._grows = not manifest.plan  # nobody knows how many steps a search takes
        self._has_end = all(block.seconds for block in manifest.plan)  # of an evaluation nobody knows when
        self._live = (
            RichLive(console=self._console, refresh_per_second=2, transient=True) if self._console.is_terminal else None
        )
        self._shown = 0

    def note(self, line: str) -> None:
        self._console.print(Text(line, style="dim"), soft_wrap=True)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: dict[str, Any], interrupts: int) -> None:
        if self._live is not None:
            self._live.update(_table(status, self._line(status, interrupts)))
        elif self._shown % EVERY_S == 0:
            self._console.print(self._line(status, interrupts), soft_wrap=True)
        self._shown += 1

    def _line(self, status: dict[str, Any], interrupts: int) -> Text:
        return _line(status | ({"of": "?"} if self._grows else {}), interrupts, has_end=self._has_end)


def _line(status: dict[str, Any], interrupts: int, *, has_end: bool = True) -> Text:
    block = status["block"]
    names = " + ".join(each["endpoint"] for each in (block, *status["beside"])) if block else ""
    where = f"{names} at {load_in_words(block['concurrency'], block.get('rate'))}" if block else "starting"
    counts = f"{status['ended']} done, {status['in_flight']} in flight"
    left = f"{status['seconds_left']:.0f} s left" if has_end or status["seconds_left"] else "until all is asked"
    line = f"step {status['number']}/{status['of']}  {status['phase']:<8} {where}  {left}  {counts}"
    return Text(line + ("  (stopping: Ctrl-C again cuts)" if interrupts else ""))


def _table(status: dict[str, Any], title: Text) -> Table:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for column in ("endpoint", "level", "done", "errors", "TTFT p50", "p99", "e2e p50", "p99", "tokens"):
        table.add_column(column, justify="left" if column == "endpoint" else "right")
    for row in status["cells"]:
        table.add_row(
            row["endpoint"],
            row["level"],
            str(row["attempts"]),
            str(row["errors"]),
            *map(_ms, row["quantiles_s"]),
            str(row["output_tokens"]),
        )
    return table


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"
