"""A small scenario on disk, and the command line in this process."""

from pathlib import Path

import pytest
from small_scenario import ROWS, SCENARIO, Invoke

from harness import bundled
from harness.cli.app import command_line


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A folder with a scenario that is valid."""
    folder = tmp_path / "scenarios" / "small"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO)
    (folder / "d.jsonl").write_text(ROWS)
    return folder


@pytest.fixture
def shipped(scenario: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder as the only bundled scenario."""
    monkeypatch.setattr(bundled, "folder", lambda kind: scenario.parent)
    return scenario


@pytest.fixture
def signoff() -> Invoke:
    """Run a command line in this process; returns its exit code."""

    def invoke(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            command_line(arguments)(arguments, prog_name="signoff")
        return int(caught.value.code or 0)

    return invoke
