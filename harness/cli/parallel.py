"""Whether this machine is known to bear all endpoints at once: the parallel design takes a calibration with headroom to spare.

The rule: with all endpoints on the same load processes a client that is too slow bends every figure alike, and no comparison
shows it. So the run is refused beforehand, not doubted afterwards.
"""

import math
from pathlib import Path
from typing import NoReturn

from harness import results
from harness.calibration import Calibration, LevelCalibration
from harness.cli import planned_load
from harness.cli.planned_load import Plan
from harness.errors import HarnessError
from harness.loadgen import prepare
from harness.report.calibration import LEAST_HEADROOM
from harness.scenario_file import Loaded

SAME_RATE = 1.25  # a calibration takes answers of varying length: its rate is a little off that of the plan


def check(loaded: Loaded, out: Path, processes: int) -> None:
    """`HarnessError` where the design is parallel, and the headroom at its highest level is unknown or under 2."""
    if loaded.scenario.load.design != "parallel":
        return
    file = next((file for folder in (loaded.folder, out) if (file := folder / results.CALIBRATION).is_file()), None)
    planned = planned_load.of_scenario(loaded)
    calibrate = f"signoff calibrate {loaded.path} --users {max(planned.users)} --processes {processes}"
    calibrate += f" --out {out / results.CALIBRATION}"
    if file is None:
        _refuse("there is no calibration of this machine", calibrate)
    said = unfit(results.read_calibration(file), planned, processes)
    if said is not None:
        _refuse(f"by {file} {said}", calibrate)


def unfit(found: Calibration, planned: Plan, processes: int) -> str | None:
    """Why this calibration does not allow that load; None where it does."""
    if found.host != prepare.host():
        return "another machine was calibrated"
    users = math.ceil(max(planned.users) / processes)
    fits = [level for level in found.levels if found.load.of_one(level.users) >= users]
    if not fits:
        return f"only {found.load.of_one(max(found.load.users))} users were calibrated, and one process would have {users}"
    level = min(fits, key=lambda each: each.users)
    needed_per_s = users * (planned.tokens if planned.stream else 1) / planned.answer_s
    if needed_per_s > SAME_RATE * level.chunks_per_s / found.load.processes:
        return f"only {level.chunks_per_s:.0f} chunks/s were calibrated, and one process would take {needed_per_s:.0f}"
    return _too_little(level)


def _too_little(level: LevelCalibration) -> str | None:
    if level.headroom is None or not level.is_measured:
        return f"{level.users} users could not be measured"
    if level.headroom < LEAST_HEADROOM:
        return f"headroom at {level.users} users is {level.headroom:.1f}, under {LEAST_HEADROOM:g}"
    return None


def _refuse(what: str, calibrate: str) -> NoReturn:
    remedy = f"run `{calibrate}`; where headroom stays under {LEAST_HEADROOM:g}, take more --processes or `design: interleaved`"
    raise HarnessError(f"all endpoints at once, and {what}", where="load.design", remedy=remedy)
