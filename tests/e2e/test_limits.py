"""What a load-making process may use: memory at 200 users, and nothing that stays of requests which were cut off."""

import json
import resource
import sys
from collections import Counter
from pathlib import Path

import pytest
from running import Running, memory_mb, open_files, running

from harness import results
from harness.results import Run

MEMORY_MB = 250
USERS = 200
SCENARIO = f"""
name: crowd
endpoints:
  long: {{model: sim, simulated: {{ttft: {{median_s: 0.2}}, itl: {{median_s: 0.05}}}}}}
  other: {{model: sim, simulated: {{ttft: {{median_s: 0.2}}, itl: {{median_s: 0.05}}, seed: 2}}}}
prompts: {{dataset: examples.jsonl}}
load: {{levels: [1, {USERS}], warmup_s: 0, measure_s: 1.2, drain_s: 0.3, design: sequential}}
"""
WORDS = 200  # ten seconds: no answer is whole before it is cut


class Watched:
    """The most files and memory that the load process had, by how many requests had been started; then the run itself."""

    def __init__(self, run: Running) -> None:
        self.files: Counter[int] = Counter()
        self.memory_mb = 0.0
        run.until_journal_says('"t":"start"')
        (self._worker,) = run.workers
        self._journal = run.run / "journal-000.jsonl"
        run.until(lambda: self._look() > 2 + USERS)
        assert 4 == run.end(limit_s=20), run.err  # users that are stuck hold no load
        self.run: Run = results.read_run(run.run)

    def _look(self) -> int:
        started = self._journal.read_bytes().count(b'"t":"start"')
        self.files[started] = max(self.files[started], open_files(self._worker))
        self.memory_mb = max(self.memory_mb, memory_mb(self._worker))
        return started


def write(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "reference": f"{n} " + "so " * WORDS} for n in range(20)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("crowd")
    write(folder)
    with running(folder, folder) as run:
        return Watched(run)


def test_memory_of_a_load_process(watched: Watched) -> None:
    """Two hundred users streaming at once fit into 250 MB."""
    print(f"a load process with {USERS} users: {watched.memory_mb:.0f} MB resident")
    assert watched.memory_mb < MEMORY_MB


def test_cut_requests_have_their_end(watched: Watched) -> None:
    """Every request that was sent has one end line; those that the drain limit cut say so, with what was seen of them."""
    ended = [each.end for each in watched.run.attempts]
    assert {("cancelled", True): 2 * (1 + USERS)} == Counter((end.kind, "drain_limit" in end.flags) for end in ended)
    assert all(end.chunks and end.first_token_ns for end in ended)
    assert ("complete", 0) == (watched.run.manifest.state, watched.run.torn)


def test_cut_requests_leave_no_socket(watched: Watched) -> None:
    """The crowd's connections are closed with their requests: the next endpoint begins with as few files as the first."""
    first_alone, crowd, other_alone = (watched.files[started] for started in (1, 1 + USERS, 2 + USERS))
    assert USERS - 1 == crowd - first_alone
    assert first_alone == other_alone


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is set by prlimit")
def test_a_process_without_sockets_left(tmp_path: Path) -> None:
    """Those attempts never came to the endpoint: they are no failures of it, the run is INVALID, and says what to raise."""
    write(tmp_path)
    with running(tmp_path, tmp_path) as run:
        run.until_journal_says('"t":"start"')
        (worker,) = run.workers
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (open_files(worker) + 20,) * 2)
        assert 4 == run.end(limit_s=30), run.err
        summary = json.loads((run.run / "summary.json").read_bytes())
        ends = [each.end for each in results.read_run(run.run).attempts if each.end is not None]
    said = next(each for each in summary["findings"] if "Too many open files" in each["what"])
    assert ("client_limited", True) == (said["code"], said["invalid"])
    assert "ulimit -n" in said["remedy"]
    short = [end for end in ends if "could not open a socket" in (end.error or "")]
    assert {"cancelled"} == {end.kind for end in short}
