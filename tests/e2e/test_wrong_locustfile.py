"""A locustfile that does not make the scenario's kind of load says which one does, before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("started", "kind"), [("open", "closed"), ("closed", "open")])
def test_the_right_locustfile_is_named(scenario: Path, tmp_path: Path, started: str, kind: str) -> None:
    """Exit code 2, and no run directory is made."""
    text = (scenario / "scenario.yaml").read_text().replace("load: {", f"load: {{kind: {kind}, ")
    (tmp_path / "scenario.yaml").write_text(text)
    (tmp_path / "examples.jsonl").write_bytes((scenario / "examples.jsonl").read_bytes())
    words = [sys.executable, "-m", "locust", "-f", f"locustfiles/{started}_loop.py", "--headless", "--only-summary"]
    words += ["--scenario", str(tmp_path), "--out", str(tmp_path / "runs")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert 2 == done.returncode
    assert f"and {started}_loop.py makes no such load\n  locust -f locustfiles/{kind}_loop.py ..." in done.stderr
    assert not (tmp_path / "runs").exists()
