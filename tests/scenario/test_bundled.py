"""What ships beside the code is found from a checkout and from a wheel."""

from pathlib import Path

import pytest

from harness import bundled
from harness.errors import HarnessError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["scenarios", "locustfiles", "grafana"])
def test_a_checkout_has_it_at_the_top(kind: str) -> None:
    """Without a `bundled` folder in the package, the checkout's own folders serve."""
    assert ROOT / kind == bundled.folder(kind)


def test_a_wheel_has_it_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package holds `bundled`, that is taken."""
    (tmp_path / "bundled" / "scenarios" / "one").mkdir(parents=True)
    (tmp_path / "bundled" / "scenarios" / "one" / "scenario.yaml").touch()
    (tmp_path / "bundled" / "scenarios" / "no_scenario").mkdir()
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    assert ["one"] == bundled.scenarios()
    assert tmp_path / "bundled" / "scenarios" / "one" == bundled.scenario("one")


@pytest.mark.parametrize("name", ["nothing", "../one", "", "."])
def test_a_name_that_is_not_bundled_is_refused(name: str) -> None:
    """Only a listed name is a bundled scenario: a path is none."""
    with pytest.raises(HarnessError, match="no bundled scenario"):
        bundled.scenario(name)
