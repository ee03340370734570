"""The configuration file, good and bad."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.simulator.__main__ import main
from harness.simulator.config import load

ONE = {"name": "a", "model": "m"}


def written(folder: Path, config: Any) -> Path:
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def test_name_and_model_are_enough(tmp_path: Path) -> None:
    """Everything else has a default."""
    config = load(written(tmp_path, {"candidates": [ONE]}))
    assert ("127.0.0.1", 0, None, 64) == (config.host, config.port, config.truth, config.filler_tokens)
    assert ("a", "m", 0.9) == (config.candidates[0].name, config.candidates[0].model, config.candidates[0].accuracy)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "truncated"),
        ({"candidates": []}, "length >= 1"),
        ({"candidates": [{"name": "a"}]}, "`model` - at `$.candidates[0]`"),
        ({"candidates": [ONE, ONE]}, "different names"),
        ({"candidates": [ONE | {"name": "a b"}]}, "$.candidates[0].name"),
        ({"candidates": [ONE | {"accuracy": 1.1}]}, "$.candidates[0].accuracy"),
        ({"candidates": [ONE | {"itl": {"median": 1}}]}, "unknown field `median` - at `$.candidates[0].itl`"),
        ({"candidates": [ONE | {"servers": 0}]}, "$.candidates[0].servers"),
        ({"candidates": [ONE | {"freeze": {"every_s": 1, "for_s": 1}}]}, "never ends: for_s must be less than every_s"),
        ({"candidates": [ONE | {"limits": {"rpm": 1}}]}, "unknown field `rpm` - at `$.candidates[0].limits`"),
        ({"candidates": [ONE], "ports": 1}, "unknown field `ports`"),
        ({"candidates": [ONE, ONE | {"name": "b"}], "port": 65535}, "ports beyond 65535"),
        (
            {"candidates": [ONE], "knowledge": [{"example": "e", "prompt_sha256": "x", "right": "r", "wrong": "w"}]},
            "$.knowledge",
        ),
    ],
)
def test_a_bad_configuration_is_refused(tmp_path: Path, config: Any, message: str) -> None:
    """The error names the file, the key and what is wrong with it."""
    path = written(tmp_path, config)
    with pytest.raises(HarnessError) as refused:
        load(path)
    assert str(path) == refused.value.where
    assert message in str(refused.value)


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["missing.json"]])
def test_a_usage_error_is_one_line_and_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on stdout, where a caller waits for the ready line."""
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (2, "", 1) == (code, out, err.count("\n"))
