"""`signoff list`: the names that a scenario may use."""

import json
from pathlib import Path

import pytest
from small_scenario import Invoke

from harness import plugins


def test_every_plugin_and_scenario_is_listed(shipped: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """Each name comes with the first line of its own description."""
    assert 0 == signoff("list")
    out = capsys.readouterr().out
    assert "  openai_chat  OpenAI chat completions" in out
    assert "scenarios\n  small  Two rows and one simulated endpoint.\n" in out


def test_the_list_as_json(shipped: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` groups names by kind, and they are exactly the plugins that are found."""
    assert 0 == signoff("list", "--json")
    found = json.loads(capsys.readouterr().out)
    assert ["dialects", "scorers", "dataset_formats", "scenarios"] == list(found)
    assert plugins.names("dialect") == list(found["dialects"])
    assert plugins.names("scorer") == list(found["scorers"])
    assert ["csv", "jsonl", "tsv"] == list(found["dataset_formats"])
    assert all(line for group in found.values() for line in group.values())
