"""A run directory is made once: what was begun is refused, and so is what another process is making."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness import bundled, results
from harness.claim import claim
from harness.errors import HarnessError, StorageError
from harness.records import Manifest

HOLDER = "import sys; from pathlib import Path; from harness.claim import claim; claim(Path(sys.argv[1])); print('mine', flush=True); sys.stdin.read()"  # noqa: E501


@pytest.fixture
def planned(run_dir: Path, tmp_path: Path) -> Path:
    """A run that is ready to be made."""
    path = tmp_path / "run"
    path.mkdir()
    results.write_manifest(path, msgspec.structs.replace(results.read_manifest(run_dir), state="planned"))
    return path


def refusal(run: Path) -> str:
    with pytest.raises(HarnessError) as refused:
        claim(run)
    assert str(run) == refused.value.where
    assert "signoff run SCENARIO" in str(refused.value.remedy)
    return refused.value.what


def test_one_at_a_time(planned: Path) -> None:
    """The second is refused for as long as the first has the right."""
    held = claim(planned)
    assert "another process is making this run" == refusal(planned)
    os.close(held)
    os.close(claim(planned))


def test_the_right_ends_with_its_process(planned: Path) -> None:
    """However that ends: nobody has to take a lock away by hand."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, planned], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert "mine\n" == holder.stdout.readline()
        assert "another process is making this run" == refusal(planned)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    os.close(claim(planned))


@pytest.mark.parametrize("state", sorted({*Manifest.__annotations__["state"].__args__} - {"planned", "complete"}))
def test_what_was_made_is_not_made_again(state: str, planned: Path) -> None:
    """Whatever became of it."""
    results.write_manifest(planned, msgspec.structs.replace(results.read_manifest(planned), state=state))
    assert f"this run is not to be made again, its state is {state!r}" == refusal(planned)


def test_what_is_complete_is_not_made_again(planned: Path) -> None:
    """Nor gone on with, so nobody is told to."""
    results.write_manifest(planned, msgspec.structs.replace(results.read_manifest(planned), state="complete"))
    assert "this run is complete, and is not to be made again" == refusal(planned)


def test_what_was_begun_is_not_begun_again(planned: Path) -> None:
    """It was stopped before its first block, but its journal has a head already."""
    (planned / "journal-000.jsonl").touch()
    assert "this run was begun before: journal-000.jsonl is there" == refusal(planned)


def test_no_run_there(tmp_path: Path) -> None:
    """A folder that is none is not locked, either."""
    with pytest.raises(StorageError, match="not a run directory"):
        claim(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_finished_run_is_left_as_it_is(run_dir: Path, tmp_path: Path) -> None:
    """A bare locust that is given it again: exit 2 with the reason, and not a byte of it has changed."""
    run = shutil.copytree(run_dir, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    locustfile = bundled.folder("locustfiles") / "closed_loop.py"
    words = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--run-dir", str(run)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert 2 == done.returncode, done.stderr
    assert "this run is complete, and is not to be made again" in done.stderr
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}
