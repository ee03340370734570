"""Where a worker keeps its journal, and what it must have in common with the master when that is not the master's folder."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from harness import results, scenario_file
from harness.errors import HarnessError
from harness.loadgen import home, prepare
from harness.loadgen.home import Own
from harness.loadgen.messages import Setup
from harness.sessions import Session

SCENARIO = """
name: t
endpoints:
  real: {model: m, base_url: "https://api.example.com/v1"}
  played: {model: m, simulated: {}}
prompts: {dataset: d.jsonl}
load: {levels: [1], measure_s: 1}
"""
ROW = '{"id": "1", "prompt": "x", "expected": "y"}\n'


def scenario(folder: Path, text: str = SCENARIO, row: str = ROW) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "scenario.yaml").write_text(text)
    (folder / "d.jsonl").write_text(row)
    return folder


def told(folder: Path, *, played: str = "http://10.0.0.9:8100/v1", seen: bool = False) -> Setup:
    """By a master whose files are in `folder`."""
    loaded, run = scenario_file.load(scenario(folder)), folder / "20261127T000000Z_t"
    run.mkdir()
    prepare.write(loaded, run, prepare.sampled(loaded), {}, {"played": played}, datetime(2026, 11, 27, tzinfo=UTC))
    setup = home.setup(run, (run / results.MANIFEST).read_bytes(), home.hang_mark(run), 1, 2)
    if not seen:
        (run / setup.mark).unlink()
    return setup


def changed(setup: Setup, **fields: object) -> Setup:
    """With another manifest, sent as it is."""
    manifest = msgspec.structs.replace(msgspec.json.decode(setup.manifest, type=results.Manifest), **fields)
    return home.setup(Path(setup.run), msgspec.json.encode(manifest), setup.mark, setup.index, setup.count)


def refusal(setup: Setup, own: Own) -> str:
    with pytest.raises(HarnessError) as caught:
        home.settle(setup, own)
    return str(caught.value)


def test_who_sees_the_masters_folder_works_in_it(tmp_path: Path) -> None:
    """It needs no scenario of its own."""
    setup = told(tmp_path / "master", seen=True)
    assert (Path(setup.run), False) == home.settle(setup, Own())[::2]


def test_a_run_that_is_gone_on_with_needs_workers_that_see_it(tmp_path: Path) -> None:
    """Whatever they have of their own; who sees the folder works in it as ever."""
    setup = told(tmp_path / "master", seen=True)
    again = changed(setup, sessions=(Session(0, "", 0, 2, "interrupted"), Session(1, "", 1, 2)))
    assert not home.settle(again, Own()).is_own
    (Path(setup.run) / setup.mark).unlink()
    assert "a run that is gone on with needs that" in refusal(again, Own(str(scenario(tmp_path / "worker")), tmp_path / "own"))
    assert not (tmp_path / "own").exists()


def test_a_mark_stays_until_the_next_one(tmp_path: Path) -> None:
    """Who is told late still sees it; a master that begins again leaves one of its own."""
    names = [home.hang_mark(tmp_path) for _ in range(2)]
    assert names[1:] == [path.name for path in tmp_path.iterdir()]
    assert names[0] != names[1]


def test_who_does_not_keeps_a_folder_of_its_own(tmp_path: Path) -> None:
    """The manifest is in it, with this host's files; two workers of a host share it, and none writes over a journal."""
    setup, own = told(tmp_path / "master"), Own(str(scenario(tmp_path / "here")), tmp_path / "kept")
    run, manifest, is_own = home.settle(setup, own)
    assert (tmp_path / "kept" / "20261127T000000Z_t", True) == (run, is_own)
    assert str(tmp_path / "here" / "d.jsonl") == manifest.dataset["path"]
    assert manifest == results.read_manifest(run)
    assert run == home.settle(msgspec.structs.replace(setup, index=0), own).run
    (run / "journal-001.jsonl").touch()
    assert "this worker's journal is there already" in refusal(setup, own)


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "", ".hidden"])
def test_no_name_from_the_master_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    """The folder is named by the run's id, and that is a plain name."""
    setup, own = told(tmp_path / "master"), Own(str(scenario(tmp_path / "here")), tmp_path / "kept")
    assert "is no name of a run" in refusal(changed(setup, run_id=name), own)
    assert "does not see" in refusal(msgspec.structs.replace(setup, mark="scenario.yaml"), Own())


def test_all_that_differs_is_said(tmp_path: Path) -> None:
    """Scenario by its keys, data set by its name, versions before anything else is understood."""
    setup = told(tmp_path / "master")
    other = scenario(
        tmp_path / "here", SCENARIO.replace("[1]", "[2]").replace("model: m, b", "model: n, b"), ROW.replace("x", "z")
    )
    own = Own(str(other), tmp_path / "kept")
    said = refusal(setup, own)
    assert "the scenario differs in endpoints.real.model, load.levels; the data set" in said
    assert "signoff is 9.9 there" in refusal(changed(setup, signoff="9.9"), own)
    assert "locust is None there" in refusal(changed(setup, versions={}), own)
    assert "no scenario of its own" in refusal(setup, Own())
    assert "did not arrive" in refusal(msgspec.structs.replace(setup, manifest=setup.manifest + b" "), own)
    assert not (tmp_path / "kept").exists()


def test_a_simulator_on_the_masters_loopback_is_out_of_reach(tmp_path: Path) -> None:
    """An address of the master's network is not."""
    setup = told(tmp_path / "master", played="http://127.0.0.1:40001/v1")
    own = Own(str(scenario(tmp_path / "here")), tmp_path / "kept")
    assert "'played' is simulated on the master's own machine" in refusal(setup, own)


def test_keys_are_sent_where_this_hosts_scenario_says(tmp_path: Path) -> None:
    """A master that names another address for a real endpoint is not believed."""
    setup, own = told(tmp_path / "master"), Own(str(scenario(tmp_path / "here")), tmp_path / "kept")
    there = changed(setup, urls={"real": "https://thief.example.net/v1", "played": "http://10.0.0.9:8100/v1"})
    assert {"real": "https://api.example.com/v1", "played": "http://10.0.0.9:8100/v1"} == home.settle(there, own).manifest.urls
