"""Four workers on two hosts, a master on a third, one worker killed: every count that anybody keeps comes to the same.

What is counted here is counted from the files' own text, by no code of ours. For each worker, by its own journal: `begun` and
`ended`. Of those that live to the end all is known to all. Of the killed one the master knows what it had told by then.
"""

import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hosts
import pytest
from hosts import Child, Network
from screen import Done

from harness import bundled, results

WHY_NOT = hosts.lacking()
pytestmark = [pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)), pytest.mark.alone]
MASTER, WORKERS_AT = "one", ("two", "three")
ENDPOINTS = "endpoints: {{far: {{model: sim, stream: false, {where}, price: {{input: 1, output: 2, source: test}}}}}}\n"
PLAYED = "simulated: {ttft: {median_s: 0.001}, itl: {median_s: 0}}"
REST = """
name: many
prompts: {dataset: examples.jsonl}
load: {levels: [32], warmup_s: 0, measure_s: 3600, drain_s: 10, start_over_s: 0.2}
"""
SERVED, JOINED, SCRAPED = 8100, 5570, 9646
STATUS = "1"  # the master's standard output: its status lines go where its log goes
SCRAPER = """
import sys, time, urllib.request
from pathlib import Path
url, kept = sys.argv[1], Path(sys.argv[2])
while True:
    try:
        body = urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        body = None
    if body is not None:
        kept.with_suffix(".new").write_bytes(body)
        kept.with_suffix(".new").replace(kept)
    time.sleep(0.25)
"""


class Count(NamedTuple):
    """Of one worker's journal. `last` is its last word: how many it had begun, and how many of these had ended."""

    begun: int
    ended: int
    last: tuple[int, int] | None


def counted(journal: Path) -> Count:
    """A line that was cut off does not count."""
    kinds: Counter[bytes] = Counter()
    last = None
    for line in journal.read_bytes().splitlines(keepends=True):
        found = re.search(rb'"t":"(start|end|last)"', line)
        if found and line.endswith(b"\n"):
            kinds[found[1]] += 1
            if found[1] == b"last":
                said = json.loads(line)
                last = said["started"], said["ended"]
    return Count(kinds[b"start"], kinds[b"end"], last)


class Crowd:
    """A run that goes on until it is interrupted. `begun` tells how far it is, as Prometheus has it."""

    def __init__(self, net: Network) -> None:
        self.net = net
        one = net[MASTER]
        self._write(MASTER, "played", PLAYED)
        asked = f"base_url: 'http://{one.address}:{SERVED}/v1', allow_http: true"
        for host in (MASTER, *WORKERS_AT):
            self._write(host, "scenario", asked)
        self._start(MASTER, "serve", "-m", "harness.cli.app", "simulate", "played", "--host", one.address, "--port", SERVED)
        self.until(lambda: "http://" in self.said("serve"))
        locust = [
            "-m",
            "locust",
            "-f",
            bundled.folder("locustfiles") / "closed_loop.py",
            "--headless",
            "--scenario",
            "scenario",
        ]
        bound = ["--master-bind-host", one.address, "--master-bind-port", JOINED, "--metrics", f"{one.address}:{SCRAPED}"]
        self.master = self._start(
            MASTER, "master", *locust, "--master", "--expect-workers", 2 * len(WORKERS_AT), *bound, "--out", "runs"
        )
        self.until((one.folder / "runs" / "latest").exists)
        joined = [*locust, "--worker", "--master-host", one.address, "--master-port", JOINED, "--out", "kept"]
        self.workers = {self._start(host, f"{host}-{number}", *joined): host for host in WORKERS_AT for number in range(2)}
        self._start(WORKERS_AT[0], "scrape", "-c", SCRAPER, f"http://{one.address}:{SCRAPED}/metrics", self._scrape)

    @property
    def run(self) -> Path:
        return (self.net[MASTER].folder / "runs" / "latest").resolve()

    def kept(self, host: str) -> Path:
        return self.net[host].folder / "kept" / self.run.name

    @property
    def own(self) -> dict[int, Count]:
        """By worker: what each wrote down itself."""
        return {_number(path): counted(path) for host in WORKERS_AT for path in self.kept(host).glob("journal-*.jsonl")}

    @property
    def delivered(self) -> dict[int, Count]:
        """The same as the run has it."""
        return {_number(path): counted(path) for path in self.run.glob("journal-*.jsonl")}

    @property
    def scraped(self) -> int:
        """Attempts that have ended, of all kinds, as the newest scrape has them."""
        text = self._scrape.read_text() if self._scrape.exists() else ""
        return sum(round(float(line.split()[-1])) for line in text.splitlines() if line.startswith("signoff_attempts_total{"))

    @property
    def told(self) -> dict[str, Any]:
        """The master's last status line."""
        lines = [line for line in self.said("master").splitlines() if line.startswith('{"block"')]
        told: dict[str, Any] = json.loads(lines[-1])
        return told

    def number_of(self, worker: Child) -> int:
        """By the first line of its journal."""
        paths = self.kept(self.workers[worker]).glob("journal-*.jsonl")
        return next(_number(path) for path in paths if b'"pid":%d,' % worker.pid in path.read_bytes().partition(b"\n")[0])

    def said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text("utf-8", "replace")

    def until(self, holds: Callable[[], bool], limit_s: float = 60) -> None:
        until = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < until, [path.read_text()[-3000:] for path in self._folder.glob("*.log")]
            time.sleep(0.1)

    def end(self) -> int:
        code = self.master.wait(120)
        for worker in self.workers:
            worker.wait(20)
        return code

    @property
    def _folder(self) -> Path:
        return self.net[MASTER].folder.parent

    @property
    def _scrape(self) -> Path:
        return self.net[WORKERS_AT[0]].folder / "scraped.txt"

    def _write(self, host: str, name: str, where: str) -> None:
        folder = self.net[host].folder / name
        folder.mkdir()
        (folder / "scenario.yaml").write_text(ENDPOINTS.format(where=where) + REST)
        rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"A{n}"} for n in range(200)]
        (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _start(self, host: str, name: str, *words: object) -> Child:
        with (self._folder / f"{name}.log").open("wb") as log:
            told = {"SIGNOFF_STATUS_FD": STATUS} if name == "master" else {}
            return self.net.start(host, [sys.executable, *words], log, SIGNOFF_TOKEN=64 * "7", **told)


def _number(journal: Path) -> int:
    return int(journal.stem.rpartition("-")[2])


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    with hosts.network(tmp_path, MASTER, *WORKERS_AT) as net:
        yield Crowd(net)


@pytest.mark.parametrize("attempts", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_every_count_is_the_same(attempts: int, crowd: Crowd, signoff: Callable[..., Done]) -> None:
    """Before its journal is brought, what the killed worker may have left undone is bounded; with it, it is known.

    workers      each of the others has said its last word: so many begun, so many ended, as in its journal and in the run's
    master       the sum of what all have reported is what Prometheus has, also of the killed one
    before       what it had begun is at most what it had reported and what the run says that may be missing, each way
    afterwards   begun by all is ended by all and reported loss; the report has every one in its figures or set aside
    """
    limit_s = 60 + attempts / 500
    victim = next(iter(crowd.workers))
    crowd.until(lambda: crowd.scraped >= attempts // 2, limit_s)
    victim.kill()
    crowd.until(lambda: crowd.scraped >= attempts and crowd.told["block"]["id"] > 0, limit_s)  # by the others, once more
    crowd.master.send_signal(signal.SIGINT)
    assert 4 == crowd.end(), crowd.said("master")
    own, lost = crowd.own, crowd.number_of(victim)
    killed, others = own[lost], {number: count for number, count in own.items() if number != lost}
    (loss,) = results.read_manifest(crowd.run).losses
    assert (lost, None, 3) == (loss.worker, killed.last, len(others))
    assert [] == [count for count in others.values() if {count.begun, count.ended} != set(count.last or ())]
    assert others == {number: count for number, count in crowd.delivered.items() if number != lost}
    assert crowd.told["ended"] == crowd.scraped
    heard = crowd.scraped - sum(count.ended for count in others.values())
    assert 0 < heard <= killed.ended <= killed.begun <= heard + loss.at_most
    assert crowd.delivered[lost].begun <= killed.begun
    assert killed.begun - crowd.delivered[lost].begun <= at_most(found(crowd.run)["journal_undelivered"])
    assert killed.begun - killed.ended <= at_most(found(crowd.run)["worker_lost"])
    done = signoff("report", crowd.run, "--collect", crowd.kept(crowd.workers[victim]), limit_s=60 + attempts / 2_000)
    assert own == crowd.delivered, done.err
    missing = killed.begun - killed.ended
    assert f"worker {lost}: {missing} of {killed.begun} requests have no end" in found(crowd.run)["attempts_lost"]
    assert "journal_undelivered" not in found(crowd.run)
    begun, ended = (sum(each) for each in ((count.begun for count in own.values()), (count.ended for count in own.values())))
    assert begun == ended + missing == reported(crowd.run)


def found(run: Path) -> dict[str, str]:
    return {finding.code: finding.what for finding in results.read_run(run).findings}


def at_most(said: str) -> int:
    """The bound that a finding states."""
    stated = re.search("at most ([0-9,]+)", said)
    assert stated is not None, said
    return int(stated[1].replace(",", ""))


def reported(run: Path) -> int:
    """Attempts in the summary: those of its figures, and those that were set aside for the lost worker."""
    summary = json.loads((run / results.SUMMARY).read_bytes())
    level = summary["endpoints"]["far"]["levels"]["32"]["attempts"]
    return int(level["attempted"] + summary["sessions"]["set_aside"]["attempts"])
