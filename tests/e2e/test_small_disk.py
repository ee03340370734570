"""A disk that is really full: the load stops, what is in flight is written down, and the run can be reported."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Running, running
from screen import Done

from harness import assembly, results, scenario_file
from harness.journal_log import read_lines
from harness.last_word import LastWord
from harness.records import AttemptEnd, AttemptStart, JournalLine
from harness.report.build import HTML
from harness.reserve import RESERVE

SMALL_KB, TINY_KB = 700, 400
SCENARIO = """
name: full
endpoints:
  first: {model: sim, %s}
prompts: {dataset: examples.jsonl}
load: {levels: [64], warmup_s: 0, measure_s: 60, drain_s: 5}
grading: {scorer: exact}
"""
OPEN = ("load.kind=open", "load.users=8", "load.levels=[400]")  # of which eight users can do a half: a line forms


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Answers of a sixth of a second for 64 users, who would go on for a minute; what plays the endpoint is on another disk."""
    folder = tmp_path_factory.mktemp("full")
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"{n} " + "so " * 15} for n in range(20)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = folder / "scenario.yaml"
    file.write_text(SCENARIO % "simulated: {ttft: {median_s: 0.02}, itl: {median_s: 0.005}}")
    config = assembly.simulator_config(scenario_file.load(str(folder)), None)
    assert config is not None
    simulator = assembly.Simulator(config, folder)
    file.write_text(SCENARIO % f"base_url: {simulator.urls['first']}")
    yield folder
    simulator.stop()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A folder whose `runs` is a file system of so many KB."""
    place = tmp_path / "runs"
    place.mkdir()

    def mount(kilobytes: int) -> Path:
        if shutil.which("mount") is None:
            pytest.skip("there is no mount")
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        if refused.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {refused.stderr.strip()}")
        return tmp_path

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def journals(run: Running) -> list[list[object]]:
    return [list(read_lines(file, JournalLine)) for file in sorted(run.run.glob("journal-*.jsonl"))]


@pytest.mark.parametrize(
    ("processes", "sets"),
    [pytest.param(1, (), id="one"), pytest.param(2, (), id="two", marks=pytest.mark.slow), pytest.param(1, OPEN, id="open")],
)
def test_full_disk(
    processes: int,
    sets: tuple[str, ...],
    scenario: Path,
    disk: Callable[[int], Path],
    signoff: Callable[..., Done],
) -> None:
    """Exit 6 and state `failed_storage`; what was in flight has ended well, and the report is there, also of a copy."""
    words = [word for each in sets for word in ("--set", each)]
    with running(scenario, disk(SMALL_KB), "--processes", processes, *words) as run:
        assert 6 == run.end(limit_s=60), run.err
        run.until_nobody_is_left(0)
        assert "failed_storage" == results.read_manifest(run.run).state
        lines = journals(run)
        started = Counter(line.id for each in lines for line in each if isinstance(line, AttemptStart))
        ended = Counter(line.id for each in lines for line in each if isinstance(line, AttemptEnd))
        last = [each[-1] for each in lines]
        assert all(isinstance(each, LastWord) for each in last), last
        assert started == ended
        unwritten = sum(each.started for each in last if isinstance(each, LastWord)) - started.total()
        assert unwritten > 0 if sets else unwritten == 0  # arrivals that waited for a user as the disk was full
        kept = results.read_run(run.run)
        assert "storage" in {finding.code for finding in kept.findings}
        assert {"ok"} == {each.end.kind for each in kept.attempts if each.end is not None}
        assert (run.run / HTML).exists()
        assert not (run.run / RESERVE).exists()
        copy = shutil.copytree(run.run, run.out.parent / "copy" / run.run.name)
    assert 4 == signoff("report", copy).code
    summary = json.loads((copy / results.SUMMARY).read_text())
    assert ("failed_storage", False) == (summary["state"], summary["valid"])


def test_no_room_for_a_run(scenario: Path, disk: Callable[[int], Path]) -> None:
    """Where not even the reserve fits, nothing is sent: exit 6, with the file that did not."""
    with running(scenario, disk(TINY_KB)) as run:
        assert 6 == run.end(limit_s=60), run.err
        assert "No space left on device" in run.err
        assert [] == list(run.run.glob("journal-*"))
