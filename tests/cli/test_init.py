"""`signoff init`: a bundled scenario becomes the user's own folder."""

from pathlib import Path

import pytest
from small_scenario import Invoke


def test_a_scenario_is_copied_and_the_next_step_told(
    shipped: Path, signoff: Invoke, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file but Python's caches arrives, and the answer says what to do next."""
    (shipped / "__pycache__").mkdir()
    (shipped / "__pycache__" / "x.pyc").touch()
    target = tmp_path / "mine"
    assert 0 == signoff("init", "small", str(target))
    assert ["d.jsonl", "scenario.yaml"] == sorted(path.name for path in target.iterdir())
    assert (shipped / "scenario.yaml").read_bytes() == (target / "scenario.yaml").read_bytes()
    assert f"{target} holds d.jsonl, scenario.yaml\nnext: signoff validate {target}\n" == capsys.readouterr().out


def test_the_folder_is_called_like_the_scenario(
    shipped: Path, signoff: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder, the copy stands in the current one under the scenario's name."""
    monkeypatch.chdir(tmp_path)
    assert 0 == signoff("init", "small")
    assert (tmp_path / "small" / "scenario.yaml").is_file()


def test_nothing_is_overwritten(shipped: Path, signoff: Invoke, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with anything in it, or a file of that name, is left alone; an empty folder is taken."""
    used, empty = tmp_path / "used", tmp_path / "empty"
    used.mkdir()
    empty.mkdir()
    (used / "scenario.yaml").write_text("mine")
    assert 2 == signoff("init", "small", str(used))
    assert 2 == signoff("init", "small", str(used / "scenario.yaml"))
    assert "is there already\n  give a new or empty folder" in capsys.readouterr().err
    assert "mine" == (used / "scenario.yaml").read_text()
    assert 0 == signoff("init", "small", str(empty))


def test_a_folder_that_cannot_be_made_is_told(
    shipped: Path, signoff: Invoke, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target under a file is the user's error, not a traceback."""
    (tmp_path / "file").touch()
    assert 2 == signoff("init", "small", str(tmp_path / "file" / "mine"))
    assert "cannot be copied" in capsys.readouterr().err


def test_the_bundled_names_are_listed(shipped: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` prints one name a line."""
    assert 0 == signoff("init", "--list")
    assert "small\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smal"], "no bundled scenario 'smal'\n  allowed: small (did you mean 'small'?)"),
        ([], "which scenario?\n  one of small"),
    ],
)
def test_a_name_is_needed_and_known(
    shipped: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Without a known name the error lists them."""
    assert 2 == signoff("init", *arguments)
    assert message in capsys.readouterr().err
