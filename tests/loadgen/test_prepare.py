"""From a scenario to a manifest, and back to what workers send."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness import results, scenario_file
from harness.errors import HarnessError
from harness.loadgen import prepare

TRACE = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
SCENARIO = """
name: replayed
endpoints: {one: {model: m, simulated: {}}}
prompts: {dataset: examples.jsonl, template: "{{ prompt }}"}
load: {kind: replay, trace: trace.csv, format: burstgpt}
"""


def planned(folder: Path) -> Path:
    (folder / "scenario.yaml").write_text(SCENARIO)
    (folder / "examples.jsonl").write_text('{"id": "a", "prompt": "Hi"}\n')
    (folder / "trace.csv").write_text(TRACE + "".join(f"{at},,,ChatGPT,10,5,15,API log\n" for at in (0, 1, 3)))
    loaded = scenario_file.load(folder)
    run = folder / "run"
    run.mkdir()
    prepare.write(loaded, run, prepare.sampled(loaded), {}, {"one": "http://127.0.0.1:9"}, datetime.now(UTC))
    return run


def test_a_manifest_names_its_trace(tmp_path: Path) -> None:
    """By its hash, and its schedule comes from that very file."""
    manifest = results.read_manifest(planned(tmp_path))
    assert hashlib.sha256((tmp_path / "trace.csv").read_bytes()).hexdigest() == manifest.trace_sha256
    assert [0.0, 1.0, 3.0] == [each.at_s for each in prepare.calls(manifest).traced]


def test_a_trace_that_has_changed_is_refused(tmp_path: Path) -> None:
    """A worker with another file would send another schedule than the others."""
    manifest = results.read_manifest(planned(tmp_path))
    (tmp_path / "trace.csv").write_text(TRACE + "0,,,ChatGPT,10,5,15,API log\n")
    with pytest.raises(HarnessError, match="not the one that was planned"):
        prepare.calls(manifest)
