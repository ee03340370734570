"""The parallel design takes a calibration: with one that fits, and with each that does not."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_calibration import calibrated

from harness.calibration import Calibration
from harness.cli import parallel
from harness.cli.planned_load import Plan, of_scenario
from harness.errors import HarnessError
from harness.results import write_calibration
from harness.scenario_file import Loaded, load

PLAN = Plan(users=(4, 40), tokens=100, ttft_s=1.0, gap_s=0.04)  # 20 tokens/s of each user


def changed(**level: Any) -> Calibration:
    found = calibrated(users=40, chunks_per_s=800.0, headroom=3.0)
    return msgspec.structs.replace(found, levels=(msgspec.structs.replace(found.levels[0], **level),))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (changed(), None),
        (changed(headroom=1.94), "headroom at 40 users is 1.9, under 2"),
        (changed(headroom=None), "40 users could not be measured"),
        (changed(is_measured=False), "40 users could not be measured"),
        (changed(users=30), "only 30 users were calibrated, and one process would have 40"),
        (changed(chunks_per_s=500.0), "only 500 chunks/s were calibrated, and one process would take 800"),
        (msgspec.structs.replace(changed(), host={"system": "else"}), "another machine was calibrated"),
    ],
)
def test_headroom_at_the_highest_level(found: Calibration, said: str | None) -> None:
    """All endpoints together have 40 users, who take 800 tokens/s."""
    if said is not None and "30 users" in said:
        found = msgspec.structs.replace(found, load=msgspec.structs.replace(found.load, users=(30,)))
    assert said == parallel.unfit(found, PLAN, processes=1)


def test_processes_share_the_users() -> None:
    """Two processes have 20 users each: a calibration of 20 in one will do."""
    found = calibrated(users=20, chunks_per_s=400.0, headroom=3.0)
    assert (None, True) == (parallel.unfit(found, PLAN, processes=2), parallel.unfit(found, PLAN, processes=1) is not None)


@pytest.fixture
def loaded(scenario: Path) -> Loaded:
    return load(scenario, ["load.design=parallel", "load.levels=[3]"])


def test_without_a_calibration_it_says_how_to_make_one(loaded: Loaded, tmp_path: Path) -> None:
    """The users of both endpoints, and the place where the run will look."""
    users = 3 * len(loaded.scenario.endpoints)
    assert (users,) == of_scenario(loaded).users
    with pytest.raises(HarnessError, match="no calibration of this machine") as refused:
        parallel.check(loaded, tmp_path, 1)
    assert f"--users {users} --processes 1 --out {tmp_path}/calibration.json" in str(refused.value.remedy)


def test_a_calibration_that_fits_lets_it_go(loaded: Loaded, tmp_path: Path) -> None:
    """Of more users and tokens than the run will have."""
    write_calibration(tmp_path / "calibration.json", calibrated(users=100, chunks_per_s=1e6, headroom=2.5))
    parallel.check(loaded, tmp_path, 1)


def test_other_designs_need_none(scenario: Path, tmp_path: Path) -> None:
    """Interleaved blocks, as ever."""
    parallel.check(load(scenario), tmp_path, 1)
