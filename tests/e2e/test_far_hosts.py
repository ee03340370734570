"""A run on two hosts that share no folder: what comes of it is what one host would have made, whatever the network does."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hosts
import pytest
from hosts import Child, Network

from harness import bundled, results

WHY_NOT = hosts.lacking()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
ENDPOINTS = "endpoints: {{far: {{model: sim, {where}, price: {{input: 1, output: 2, source: test}}}}}}\n"
PLAYED = "simulated: {ttft: {median_s: 0.05}, itl: {median_s: 0.01}}"
REST = """
name: far
prompts: {dataset: examples.jsonl}
grading: {scorer: exact}
load: %s
"""
LEVELS = "{levels: [8], warmup_s: 0.5, measure_s: %s, drain_s: 5, start_over_s: 0.2}"
SEARCH = """
  warmup_s: 0.2
  drain_s: 5
  search: {begin: 16, most: 32, confidence: 0.8, looks: 2, requests: 400, requests_most: 400, least_s: 1}
slo: ["e2e.p90 <= 5 s"]
"""
PORT, MASTER_PORT = 8100, 5570
LOCUST = [sys.executable, "-m", "locust", "-f", bundled.folder("locustfiles") / "closed_loop.py", "--headless"]


def write_scenario(folder: Path, where: str, load: str) -> None:
    folder.mkdir()
    (folder / "scenario.yaml").write_text(ENDPOINTS.format(where=where) + REST % load)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"The answer to {n} is {7 * n}."} for n in range(40)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


class Far:
    """A master and a worker on host `one`, where the endpoint is, too; a worker on host `two`."""

    def __init__(self, net: Network, load: str, second: str | None = None) -> None:
        self.net = net
        one, two = net["one"], net["two"]
        write_scenario(one.folder / "played", PLAYED, LEVELS % 1)
        asked = f"base_url: 'http://{one.address}:{PORT}/v1', allow_http: true"
        write_scenario(one.folder / "scenario", asked, load)
        write_scenario(two.folder / "scenario", asked, load)
        if second is not None:
            (two.folder / "scenario" / "examples.jsonl").write_text(second)
        self._serve()
        ports = ["--master-port", MASTER_PORT, "--master-host", one.address]
        master = ["--master", "--expect-workers", 2, "--master-bind-host", one.address, "--master-bind-port", MASTER_PORT]
        scenario = ["--scenario", "scenario", "--out"]
        self.master = self._start("one", "master", *master, *scenario, "runs")
        self._until((one.folder / "runs" / "latest").exists)
        self.workers = [
            self._start("one", "near", "--worker", *ports, *scenario, "near"),
            self._start("two", "far", "--worker", *ports, *scenario, "kept"),
        ]

    @property
    def run(self) -> Path:
        return (self.net["one"].folder / "runs" / "latest").resolve()

    @property
    def kept(self) -> Path:
        return self.net["two"].folder / "kept" / self.run.name

    @property
    def far(self) -> int:
        """The number of the worker on host two."""
        return next(each.worker for each in results.read_manifest(self.run).hosts if each.own)

    def said(self, name: str) -> str:
        return (self.net["one"].folder / f"{name}.log").read_text()

    def end(self, limit_s: float = 60) -> int:
        code = self.master.wait(limit_s)
        for worker in self.workers:
            worker.wait(10)
        return code

    def until_the_master_has(self, text: str, times: int) -> None:
        """In the far worker's journal."""
        self._until(lambda: any(path.exists() and path.read_text().count(text) >= times for path in self._here()))

    def _here(self) -> list[Path]:
        return [self.run / path.name for path in self.kept.glob("journal-*.jsonl")]

    def _serve(self) -> None:
        where = ["--host", self.net["one"].address, "--port", PORT]
        words = [sys.executable, "-m", "harness.cli.app", "simulate", "played", *where]
        log = self.net["one"].folder / "simulate.log"
        with log.open("wb") as written:
            self.net.start("one", words, written)
        self._until(lambda: "http://" in log.read_text())

    def _start(self, host: str, name: str, *words: object) -> Child:
        with (self.net["one"].folder / f"{name}.log").open("wb") as log:
            return self.net.start(host, [*LOCUST, *words], log, SIGNOFF_TOKEN=64 * "5")

    def _until(self, holds: Callable[[], bool], limit_s: float = 25) -> None:
        until = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < until, [path.read_text() for path in self.net["one"].folder.glob("*.log")]
            time.sleep(0.05)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    with hosts.network(tmp_path, "one", "two") as made:
        yield made


def report(run: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli.app", "report", str(run), "--json", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def codes(run: Path) -> set[str]:
    """Why it is INVALID; that the machine was too busy for tests that run beside others is no matter here."""
    return {finding.code for finding in results.read_run(run).findings if finding.invalid} - {"client_limited"}


def test_the_master_has_what_the_far_worker_kept(net: Network, signoff: Callable) -> None:
    """Both workers' journals are in the run directory, the far one's byte for byte, and the report is that of any run."""
    made = Far(net, LEVELS % 3)
    assert made.end() in (0, 4), made.said("master") + made.said("far")  # 4: see `codes`
    far = made.far
    assert sorted(["manifest.json", f"journal-{far:03d}.jsonl", f"answers-{far:03d}.jsonl"]) == sorted(
        path.name for path in made.kept.iterdir() if not path.name.startswith(".")
    )
    assert [] == [path.name for path in made.kept.glob("*.jsonl") if path.read_bytes() != (made.run / path.name).read_bytes()]
    run = results.read_run(made.run)
    assert ({"ok"}, {0, 1}, 0) == (
        {each.end and each.end.kind for each in run.attempts}, {each.worker for each in run.attempts}, run.torn,
    )  # fmt: skip
    assert ["complete", [True]] == [run.manifest.state, [each.whole for each in run.manifest.hosts if each.own]]
    assert set() == codes(made.run)
    assert "not all journals have come" not in made.said("master")
    assert 0 == signoff("score", made.run).code
    summary = json.loads(report(made.run).stdout)
    (line,) = summary["hosts"]
    assert line.startswith(f"host two (worker {far}): its wall clock is 0.")
    attempts = summary["endpoints"]["far"]["levels"]["8"]["attempts"]
    assert attempts["offered"] == attempts["attempted"] == attempts["by_kind"]["ok"] > 8


@pytest.mark.slow
def test_what_a_cut_network_kept_back_is_said_and_brought(net: Network) -> None:
    """The far worker stops and keeps its journal; the master goes on, says what it has not, and `--collect` makes it whole."""
    made = Far(net, LEVELS % 30)
    made.until_the_master_has('"t":"end"', times=20)
    net.cut("two")
    assert 4 == made.end(), made.said("master")
    assert "--collect" in made.said("far")
    assert {"worker_lost", "journal_undelivered"} <= codes(made.run)
    ours, theirs = made.run / f"journal-{made.far:03d}.jsonl", made.kept / f"journal-{made.far:03d}.jsonl"
    assert theirs.read_bytes().startswith(ours.read_bytes())
    assert ours.stat().st_size < theirs.stat().st_size
    done = report(made.run, "--collect", made.kept)
    assert theirs.read_bytes() == ours.read_bytes(), done.stderr
    assert {"worker_lost"} == codes(made.run)
    assert [] == [each for each in results.read_run(made.run).attempts if each.end is None]


@pytest.fixture
def small_disk(net: Network) -> Iterator[None]:
    """What the far worker writes goes to a file system of 700 KB."""
    place = net["two"].folder / "kept"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(place)], check=True)
    yield
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_of_the_far_host_loses_nothing_in_flight(net: Network) -> None:
    """The run stops; what 24 users there had in flight is written down, where room was kept for it, and comes to the master."""
    made = Far(net, (LEVELS % 60).replace("[8]", "[48]"))
    assert 6 == made.end(), made.said("master")
    run = results.read_run(made.run)
    told = [finding for finding in run.findings if finding.code == "storage"]
    assert ["failed_storage", True] == [run.manifest.state, "No space left" in told[0].what or "disk full" in told[0].what]
    assert [] == [each.start.id for each in run.attempts if each.end is None]
    assert {"attempts_lost", "journal_undelivered"}.isdisjoint(codes(made.run))
    name = f"journal-{made.far:03d}.jsonl"
    assert (made.kept / name).read_bytes() == (made.run / name).read_bytes()
    assert [] == [*made.kept.glob(".reserve*")]


def test_a_far_worker_that_is_told_to_end_leaves_nothing_owed(net: Network) -> None:
    """SIGTERM: it sends what it keeps and goes; the near one measures the cell again, alone."""
    made = Far(net, LEVELS % 4)
    made.until_the_master_has('"t":"end"', times=10)
    made.workers[1].terminate()
    assert 4 == made.end(), made.said("master")
    run = results.read_run(made.run)
    assert ({"worker_lost"}, "degraded") == (codes(made.run), run.manifest.state), made.said("far")
    ((loss, owed),) = [(each.worker, each.at_most) for each in run.manifest.losses]
    assert (made.far, 0) == (loss, owed)
    assert [] == [path.name for path in made.kept.glob("*.jsonl") if path.read_bytes() != (made.run / path.name).read_bytes()]
    assert {1 - made.far} == {each.worker for each in run.attempts}
    assert {0, 1} == {each.worker for each in run.aside}
    assert [] == [each for each in (*run.attempts, *run.aside) if each.end is None]


def test_a_far_worker_that_is_killed_is_told_of_and_brought(net: Network) -> None:
    """SIGKILL: the bound that is stated holds what is truly missing, which is known once its journal is brought."""
    made = Far(net, LEVELS % 4)
    made.until_the_master_has('"t":"end"', times=10)
    made.workers[1].kill()
    assert 4 == made.end(), made.said("master")
    assert {"worker_lost", "journal_undelivered"} <= codes(made.run)
    (loss,) = results.read_run(made.run).manifest.losses
    assert made.far == loss.worker
    report(made.run, "--collect", made.kept)
    run = results.read_run(made.run)
    unended = [each for each in run.aside if each.end is None]
    assert {made.far} == {each.worker for each in unended}
    assert len(unended) <= loss.at_most
    assert {1 - made.far} == {each.worker for each in run.attempts}
    assert {"worker_lost"} == codes(made.run)
    (lost,) = (finding for finding in run.findings if finding.code == "attempts_lost")
    assert f"{len(unended)} of " in lost.what


def test_a_killed_master_costs_nothing_that_was_measured(net: Network) -> None:
    """The far worker stops by itself; with its journal brought, every request that it began has its end in the run."""
    made = Far(net, LEVELS % 30)
    made.until_the_master_has('"t":"end"', times=20)
    made.master.kill()
    made.master.wait()
    for worker in made.workers:
        assert 4 == worker.wait(10), made.said("far")
    assert {"not_finished", "journal_undelivered"} <= codes(made.run)
    report(made.run, "--collect", made.kept)
    assert {"not_finished"} == codes(made.run)
    run = results.read_run(made.run)
    assert [] == [each for each in run.attempts if each.end is None]
    assert {0, 1} == {each.worker for each in run.attempts}


def test_a_search_reads_what_far_workers_wrote(net: Network) -> None:
    """All requests of both workers are there when it judges: what it says to have sent is what the run has."""
    made = Far(net, SEARCH)
    assert made.end() in (0, 4), made.said("master")
    run = results.read_run(made.run)
    (search,) = run.manifest.searches
    assert len(run.attempts) == search.requests
    assert {0, 1} == {each.worker for each in run.attempts}


def test_other_files_on_the_far_host_are_refused(net: Network) -> None:
    """A worker with another data set makes no load, and master and worker say what differs."""
    made = Far(net, LEVELS % 3, second='{"id": "a", "prompt": "Another?", "expected": "x"}\n')
    assert 4 == made.end(), made.said("master")
    for name in ("master", "far"):
        assert "the data set scenario/examples.jsonl is another one" in made.said(name)
    assert "planned" == results.read_manifest(made.run).state
