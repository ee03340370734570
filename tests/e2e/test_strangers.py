"""Who does not belong to a run changes nothing of it, and is counted: a stranger at the port, one on the way, one too many."""

import json
import os
import re
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
from relay import saying_twice
from running import Running, running

from harness import results
from harness.loadgen import messages
from harness.loadgen.seal import TOKEN, Seal, Way, new_session

SCENARIO = """
name: strangers
endpoints:
  first: {model: sim, simulated: {ttft: {median_s: 0.02}, itl: {median_s: 0.005}}}
prompts: {dataset: examples.jsonl}
load: {kind: open, arrivals: {process: constant}, levels: [20], users: 20, warmup_s: 0.5, measure_s: 4, drain_s: 5}
"""
VERSION = metadata.version("locust")
MASTER = "the master refused "


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "expected": f"It is {7 * n}."} for n in range(30)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def said(kind: str, data: object, node: str = "rogue") -> bytes:
    """A message as Locust packs it, without a seal; ours travel in `data`, packed once more."""
    return msgspec.msgpack.encode((kind, msgspec.msgpack.encode(data) if isinstance(data, msgspec.Struct) else data, node))


def forged() -> list[bytes]:
    """What ended or bent a run when it was listened to: no message at all, Locust's own, and ours for either worker."""
    found = [b"", b"\xc1", msgspec.msgpack.encode((1, 2)), b"\0" * 40, os.urandom(200)]
    found += [said("client_ready", VERSION), said("stats", {"x": 1}), said("spawning_complete", None), said("quit", None)]
    found += [said("locustfile", {"version": VERSION}), said(messages.HELLO, messages.Hello("rogue"))]
    for index in (0, 1):
        interval = messages.Interval(index, b"", 5000, 100_000, 95_000, storage="the disk is full, honestly")
        found += [said(messages.READY, messages.Ready(index)), said(messages.INTERVAL, interval)]
        found += [said(messages.IDLE, messages.Idle(index, 1)), said(messages.BYE, messages.Bye(index, 0, 0, ("internal",)))]
        found += [said(messages.FAILED, messages.Failed(index, "a lie", bug=True))]
    return found


@contextmanager
def stranger(port: int) -> Iterator[Any]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.setsockopt(zmq.IDENTITY, b"rogue")
        peer.setsockopt(zmq.LINGER, 2000)
        peer.connect(f"tcp://127.0.0.1:{port}")
        yield peer


def sent(run: results.Run) -> Counter[tuple[str, int, str]]:
    """What was asked, block by block, and what came of it."""
    return Counter((each.start.example, each.start.block, each.end.kind if each.end else "lost") for each in run.attempts)


def master_port(run: Running) -> int:
    run.until(lambda: "--master-port" in run.err)
    found = re.search(r"--master-port (\d+)", run.err)
    assert found is not None
    return int(found.group(1))


def scrape(port: int) -> Counter[str]:
    """Attempts by kind, as the exporter has them."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    found: Counter[str] = Counter()
    for kind, count in re.findall(r'^signoff_attempts_total\{.*kind="(\w+)".*\} (\S+)$', page, re.MULTILINE):
        found[kind] += int(float(count))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def what(run: results.Run, code: str) -> list[str]:
    return [finding.what for finding in run.findings if finding.code == code]


def test_a_stranger_at_the_port(scenario: Path, tmp_path: Path) -> None:
    """Before the workers and in the middle: the run is the one that it is without him, and the finding counts his messages."""
    (tmp_path / "alone").mkdir()
    with running(scenario, tmp_path / "alone", "--processes", 2) as alone:
        assert 0 == alone.end(60), alone.err
    metrics, counted = free_port(), Counter[str]()
    with running(scenario, tmp_path, "--processes", 2, "--metrics", f"127.0.0.1:{metrics}") as run:
        with stranger(master_port(run)) as peer:
            for message in (early := forged()):
                peer.send(message)
            run.until_journal_says('"t":"end"', times=4)
            for message in (late := [*forged(), *[b"flood"] * 3000]):
                peer.send(message)
            peer.send_multipart([b"two", b"parts"])
            while run.process.poll() is None:
                with suppress(OSError):
                    counted = scrape(metrics)
                time.sleep(0.1)
            assert 0 == peer.poll(0), "nobody answers him"
        assert 0 == run.end(10), run.err
    kept, wanted = results.read_run(run.run), results.read_run(alone.run)
    assert ("complete", sent(wanted)) == (kept.manifest.state, sent(kept))
    assert Counter(each.end.kind for each in kept.attempts if each.end) == counted
    refused = len(early) + len(late) + 1
    assert [f"{MASTER}{refused} messages: {refused} bad seal"] == what(kept, "stranger_refused")
    assert [] == what(wanted, "stranger_refused")
    assert f"stranger_refused: {MASTER}{refused}" in (run.run / "report.html").read_text() + run._printed.read_text()


def test_the_token_is_in_the_environment_alone(scenario: Path, tmp_path: Path) -> None:
    """In that of Locust's processes: in no command line, in nothing that the run leaves, and the simulator does not have it."""
    with running(scenario, tmp_path, "--processes", 2) as run:
        run.until_journal_says('"t":"end"')
        token = token_of(run.workers[0])
        assert 64 == len(token)
        assert b"" == token_of(run.simulator)
        assert [] == [pid for pid in run.family if token in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert 0 == run.end(60), run.err
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file() and token in path.read_bytes()]


def token_of(pid: int) -> bytes:
    found = re.search(rb"SIGNOFF_TOKEN=(\w+)", Path(f"/proc/{pid}/environ").read_bytes())
    return b"" if found is None else found.group(1)


def test_somebody_on_the_way_and_a_worker_too_many(scenario: Path, tmp_path: Path, locust: Any) -> None:
    """Each message is said twice on its way, with a lie between, and a third worker comes: all is whole, and in the findings.

    What went over the wire, the options that the master sends among it, holds no secret.
    """
    port, shared = free_port(), {TOKEN: "CANARY-token" * 4}
    master = locust("master", "--master", "--expect-workers", 2, "--master-bind-port", port,
                    "--scenario", scenario, "--out", tmp_path / "runs", **shared)  # fmt: skip
    with saying_twice(port, said("quit", None)) as (way, relay):
        workers = [locust(f"worker{n}", "--worker", "--master-port", way, **shared) for n in range(2)]
        journal = tmp_path / "runs" / "latest" / "journal-000.jsonl"
        master.until(lambda: journal.exists() and '"t":"end"' in journal.read_text())
        late = locust("late", "--worker", "--master-port", port, **shared)
        assert 2 == late.end(20), late.log
        assert "turned this worker away: all seats of this run are taken (2)" in late.log
        assert [0, 0, 0] == [each.end() for each in (master, *workers)], master.log
    kept = results.read_run((tmp_path / "runs" / "latest").resolve())
    assert "complete" == kept.manifest.state
    assert {"ok"} == {each.end and each.end.kind for each in kept.attempts}
    assert 90 == len(kept.attempts), "20 a second for four and a half"
    assert ["1 more worker came: all seats of this run are taken (2)"] == what(kept, "late_worker")
    found = sorted(re.sub(r"\d+", "N", each) for each in what(kept, "stranger_refused"))
    assert [f"{who} refused N messages: N bad seal, N replayed" for who in ("the master", "worker N", "worker N")] == found
    assert any(b"parsed_options" in each for each in relay.said)
    assert [] == [each for each in relay.said if b"CANARY" in each]


@pytest.mark.slow
def test_another_token_is_no_token(scenario: Path, tmp_path: Path, locust: Any) -> None:
    """A worker with another token, and one that says what it said in another session, take nobody's place."""
    port, shared = free_port(), {TOKEN: "a" * 40}
    master = locust("master", "--master", "--master-bind-port", port, "--scenario", scenario, "--out", tmp_path, **shared)
    wrong = locust("wrong", "--worker", "--master-port", port, **{TOKEN: "b" * 40})
    wrong.until(lambda: f"has it the same {TOKEN}?" in wrong.log)
    earlier = Seal("a" * 40)
    earlier.session = new_session()
    with stranger(port) as peer:
        peer.send(earlier.close(Way.KNOCK, b"rogue", b""))
        peer.send(earlier.close(Way.TO_MASTER, b"rogue", said("client_ready", VERSION)))
        assert 1 == peer.poll(5000), "a knock is answered"
    right = locust("right", "--worker", "--master-port", port, **shared)
    assert [0, 0] == [each.end() for each in (master, right)], master.log
    kept = results.read_run((tmp_path / "latest").resolve())
    assert ("complete", 90) == (kept.manifest.state, len(kept.attempts))
    assert "bad seal" in what(kept, "stranger_refused")[0]


@pytest.mark.parametrize(
    ("words", "environ", "says"),
    [
        (["--worker"], {}, "need a token that all of them know"),
        (["--master"], {}, "need a token that all of them know"),
        (["--worker", "--processes", "2"], {}, "export SIGNOFF_TOKEN="),
        (["--worker"], {TOKEN: "short"}, "5 characters are too few"),
        (["--headful"], {}, "no login"),
        (["--page"], {}, "SIGNOFF_PAGE_PASSWORD"),
    ],
)
def test_what_is_open_is_refused(words: list[str], environ: dict[str, str], says: str, locust: Any) -> None:
    """Before anything listens: exit 2 and what to do."""
    bare = locust("bare", *words, **environ)
    assert 2 == bare.end(20), bare.log
    assert says in bare.log
    assert "Traceback" not in bare.log


def test_a_locustfile_from_the_network(locust: Any) -> None:
    """Ours, asked for over HTTP, does not run."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        bare = locust("url", "-f", f"http://127.0.0.1:{server.getsockname()[1]}/open_loop.py", "--worker", **{TOKEN: "a" * 40})
        peer, _ = server.accept()
        with peer:
            peer.recv(4096)
            body = Path("locustfiles/open_loop.py").read_bytes()
            peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert 2 == bare.end(20), bare.log
    assert "would run code that comes over the network" in bare.log
