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


def planned(folder: Path, answers: tuple[int, ...] = (5, 5, 5), scenario: str = SCENARIO) -> Path:
    (folder / "scenario.yaml").write_text(scenario)
    (folder / "examples.jsonl").write_text('{"id": "a", "prompt": "Hi"}\n')
    rows = zip((0, 1, 3), answers, strict=True)
    (folder / "trace.csv").write_text(TRACE + "".join(f"{at},,,ChatGPT,10,{said},15,API log\n" for at, said in rows))
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


FILLER = SCENARIO.replace("burstgpt}", "burstgpt, prompts: trace}")


def test_no_filler_is_asked_without_a_limit(tmp_path: Path) -> None:
    """What got no answer in the trace is in no schedule, and the manifest has its number; own examples come at its time too."""
    manifest = results.read_manifest(planned(tmp_path, (5, 0, 7), FILLER))
    calls = prepare.calls(manifest)
    assert (1, [0.0, 3.0]) == (manifest.trace_unanswered, [each.at_s for each in calls.traced])
    assert [5, 7] == [calls.at(manifest.plan[-1], position).max_tokens for position in (0, 1)]
    (tmp_path / "own").mkdir()
    manifest = results.read_manifest(planned(tmp_path / "own", (5, 0, 7)))
    assert (0, [0.0, 1.0, 3.0]) == (manifest.trace_unanswered, [each.at_s for each in prepare.calls(manifest).traced])


def test_a_trace_of_unknown_lengths_is_no_plan(tmp_path: Path) -> None:
    """Refused before there is a manifest, for a worker would find it out when it sends."""
    head = '{"t":"head","v":1,"run":"r","worker":0,"pid":1,"host":"h","monotonic_ns":0,"wall_ns":0}\n'
    start = '{"t":"start","id":"0-1","endpoint":"a","level":"1","phase":"measure","block":1,"example":"e","user":0,'
    (tmp_path / "scenario.yaml").write_text(FILLER.replace("burstgpt", "signoff"))
    (tmp_path / "examples.jsonl").write_text('{"id": "a", "prompt": "Hi"}\n')
    (tmp_path / "trace.csv").write_text(head + start + '"dispatched_ns":9}\n')
    loaded = scenario_file.load(tmp_path)
    (tmp_path / "run").mkdir()
    urls = {"one": "http://127.0.0.1:9"}
    with pytest.raises(HarnessError, match="1 of 1 requests have no input_tokens or no output_tokens"):
        prepare.write(loaded, tmp_path / "run", prepare.sampled(loaded), {}, urls, datetime.now(UTC))
    assert [] == list((tmp_path / "run").iterdir())
