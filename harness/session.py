"""What every locustfile of ours shares: its options, its run directory, its exporter and its status lines.

The locustfiles' half of `assembly`: it runs inside Locust, on the master or in the only process there is.
"""

import logging
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from gevent import monkey
from locust import events

from harness import assembly, claim, results, scenario_file
from harness.errors import HarnessError
from harness.load import Load
from harness.loadgen import settings
from harness.loadgen.conductor import Conductor
from harness.loadgen.exporter import Exporter, RunInfo
from harness.loadgen.exporter import address as exporter_address
from harness.loadgen.page import PASSWORD
from harness.loadgen.progress import Progress
from harness.measure import slo
from harness.measure.histogram import Histogram
from harness.records import Phase
from harness.scenario import Scenario

log = logging.getLogger(__name__)
STATUS_FD = "SIGNOFF_STATUS_FD"
LOG_EVERY = 5
LINGER_S = 5.0
_status_fd = int(os.environ[STATUS_FD]) if STATUS_FD in os.environ else None
if _status_fd is not None:
    # The pipe ends with the master, however long its workers live. Subtle: gevent's own close would wait for a loop.
    os.register_at_fork(after_in_child=partial(monkey.get_original("os", "close"), _status_fd))


def add_options(parser: Any) -> None:
    """Ours among Locust's. No secret is ever an option: Locust sends all options to every worker."""
    group = parser.add_argument_group("signoff")
    group.add_argument("--scenario", default="", help="a scenario's folder or file, or the name of a bundled one")
    group.add_argument("--run-dir", default="", help="a run directory that is ready to run, as `signoff run` makes it")
    group.add_argument("--out", default="runs", help="where a new run directory is made")
    group.add_argument("--metrics", default="", help="HOST:PORT for Prometheus, on the master; none when empty")
    group.add_argument("--page", action="store_true", help=f"Locust's page, on the master, with the password in {PASSWORD}")
    settings.close(parser)


def find_run(options: Any, *, is_open: bool) -> Path:
    """The prepared run directory, or a new one for `--scenario`; it is this process's to make from now on.

    is_open  of the locustfile that was started
    """
    if options.run_dir:
        run = Path(options.run_dir)
        _check_kind(Scenario.model_validate(results.read_manifest(run).scenario).load, "--run-dir", is_open=is_open)
        claim.claim(run)
        return run
    if not options.scenario:
        raise HarnessError("nothing to run", where="--scenario", remedy="--scenario FOLDER, or use `signoff run`")
    loaded = scenario_file.load(options.scenario)
    _check_kind(loaded.scenario.load, "--scenario", is_open=is_open)
    opened = assembly.open_run(loaded, Path(options.out), datetime.now(UTC))
    events.quit.add_listener(lambda **_: opened.close())
    events.quit.add_listener(lambda **_: print(f"{opened.run}\n  next: signoff score {opened.run}"))  # noqa: T201
    claim.claim(opened.run)
    return opened.run


def _check_kind(load: Load, where: str, *, is_open: bool) -> None:
    """The users of one locustfile are not named as those of the other, in Locust's own table too."""
    if load.is_open is not is_open:
        mine, other = ("open_loop.py", "closed_loop.py") if load.is_open else ("closed_loop.py", "open_loop.py")
        what = f"load.kind is {load.kind!r}, and {other} makes no such load"
        raise HarnessError(what, where=where, remedy=f"locust -f locustfiles/{mine} ...")


def begin(conductor: Conductor, run: Path, metrics: str) -> None:
    """Status lines and exporter, from the moment the conductor exists. `metrics` is HOST:PORT, or empty for none."""
    shown = [_Status(conductor).show]
    if metrics:
        exporter = Exporter(conductor.totals, _info(run), conductor.health)
        host, port = exporter_address(metrics)
        exporter.start(port, host)
        shown.append(exporter.show)
        events.quit.add_listener(lambda **_: exporter.stop(LINGER_S))
    conductor.on_progress = lambda progress: [show(progress) for show in shown]


def _info(run: Path) -> RunInfo:
    manifest = results.read_manifest(run)
    scenario = Scenario.model_validate(manifest.scenario)
    objectives = tuple(slo.parse(text, scenario.load.view) for text in scenario.slo)
    return RunInfo(manifest.run_id, manifest.scenario["name"], manifest.signoff, manifest.rates, objectives)


class _Status:
    """One JSON line a second to `signoff run`, or a log line every five for who types `locust`."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._unsent = b""
        self._shown = 0
        if _status_fd is not None:
            os.set_blocking(_status_fd, False)

    def show(self, progress: Progress) -> None:
        if _status_fd is not None:
            self._tell(_status_fd, progress)
            return
        if self._shown % LOG_EVERY == 0:
            block = progress.block
            where = f"{block.endpoint} at {block.words}" if block else "-"
            log.info("%s/%s %s %s, %s done", progress.number, progress.of, progress.phase, where, progress.ended)
        self._shown += 1

    def _tell(self, fd: int, progress: Progress) -> None:
        """A reader that has stopped reading costs lines, never time: the run would stand still with a blocked master."""
        if not self._unsent:
            self._unsent = msgspec.json.encode({**msgspec.structs.asdict(progress), "cells": self._cells()}) + b"\n"
        try:
            self._unsent = self._unsent[os.write(fd, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._conductor.abandon()

    def _cells(self) -> list[dict[str, Any]]:
        """What has been measured so far, a row per endpoint and level."""
        return [
            {
                "endpoint": cell.endpoint,
                "level": cell.level,
                "attempts": totals.attempts,
                "errors": totals.errors,
                "output_tokens": totals.output_tokens,
                "quantiles_s": [_seconds(totals.histograms.get(metric), q) for metric in ("ttft", "e2e") for q in (0.5, 0.99)],
            }
            for cell, totals in self._conductor.totals
            if cell.phase == Phase.MEASURE
        ]


def _seconds(histogram: Histogram | None, q: float) -> float | None:
    value = None if histogram is None else histogram.value_at(q)
    return None if value is None else value / 1e9
