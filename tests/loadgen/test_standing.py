"""How a run stands, where earlier sessions have left something."""

from pathlib import Path

import msgspec
import pytest

from harness import reserve, results
from harness.loadgen.standing import Standing
from harness.loss import Loss
from harness.records import Manifest
from harness.sessions import Session
from harness.worker_host import WorkerHost

BEFORE = (WorkerHost(worker=0, host="a"), WorkerHost(worker=1, host="b", own=True, told={"journal-001.jsonl": 7}, whole=True))
LOST = Loss(1, "ended", 0, ())


@pytest.fixture
def resumed(tmp_path: Path) -> Manifest:
    """Two workers in the first session, one of them lost; two in the second."""
    plain = {"v": 1, "run_id": "r", "signoff": "0", "created_utc": "", "state": "planned", "scenario_sha256": "", "seed": 1}
    empty = {key: {} for key in ("scenario", "dataset", "clusters", "rates", "urls", "host", "versions")} | {"plan": []}
    manifest = msgspec.convert(plain | empty, Manifest)
    sessions = (Session(0, "", 0, 2, "interrupted"), Session(1, "", 1, 2))
    return msgspec.structs.replace(manifest, sessions=sessions, hosts=BEFORE, losses=(LOST,))


def test_workers_of_a_later_session_are_others(resumed: Manifest, tmp_path: Path) -> None:
    """They are counted through as in journals, and stand behind those of the first; however often it is written."""
    standing = Standing(tmp_path, resumed, 2)
    for _ in range(2):
        standing.update((), (), (WorkerHost(worker=0, host="c"), WorkerHost(worker=1, host="d")))
        assert standing.write(is_running=True, has_begun=True)
    kept = results.read_manifest(tmp_path)
    assert [(0, "a"), (1, "b"), (2, "c"), (3, "d")] == [(each.worker, each.host) for each in kept.hosts]
    assert BEFORE == kept.hosts[:2]
    assert (LOST,) == kept.losses


def test_the_reserve_is_given_back_at_the_end(resumed: Manifest, tmp_path: Path) -> None:
    """And not before."""
    reserve.hold(tmp_path, 1)
    standing = Standing(tmp_path, resumed, 2)
    standing.write(is_running=True, has_begun=True)
    assert (tmp_path / reserve.RESERVE).exists()
    standing.write(is_running=False, has_begun=True)
    assert not (tmp_path / reserve.RESERVE).exists()
