"""The run's own protocol between master and workers, on a wire that delivers only to who listens already.

Locust patches the process, so the scene plays in a subprocess.
"""

import json
import subprocess
import sys
import textwrap

SCENE = """
    import sys; from pathlib import Path
    import gevent
    from locust.runners import WorkerRunner
    from datetime import datetime, UTC
    from harness import assembly, results, scenario_file
    from harness.loadgen import prepare
    from harness.loadgen.conductor import Conductor
    from harness.loadgen.member import Member

    class End:
        "One end of Locust's messages: what nobody listens to is dropped, as Locust does."
        def __init__(self): self.heard, self.other, self.client_id, self.dropped = {}, None, "one", []
        def register_message(self, name, listener): self.heard[name] = listener
        def send_message(self, name, data, client=None):
            listener = self.other.heard.get(name) if self.other else None
            if listener is None: self.dropped.append(name)
            else: gevent.spawn(listener, environment=None, msg=type("Msg", (), {"data": data}))

    opened = assembly.open_run(scenario_file.load(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))
    master, worker = End(), End()
    master.other, worker.other = worker, master
    member = conductor = None
    def make_member(): return Member(worker, prepare.calls, prepare.keys)
    def make_conductor(): return Conductor(master, opened.run, results.read_manifest(opened.run), 1, 3.0)
    first, second = (make_member, make_conductor) if sys.argv[3] == "worker" else (make_conductor, make_member)
    a = first(); gevent.sleep(0.5); b = second()
    conductor = b if sys.argv[3] == "worker" else a
    with gevent.Timeout(10):
        while not conductor.ready: gevent.sleep(0.02)
    print("ready", "signoff.hello" in worker.dropped, "signoff.setup" in master.dropped)
    opened.close()
"""


def scene(folder: str, out: str, first: str) -> str:
    words = [sys.executable, "-c", textwrap.dedent(SCENE), folder, out, first]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    return done.stdout.strip() or done.stderr


def test_either_end_may_be_first(tmp_path) -> None:
    """A worker that speaks before the master listens is set up all the same, and a setup is never sent to deaf ears."""
    (tmp_path / "scenario.yaml").write_text(
        "name: t\nendpoints: {a: {model: m, simulated: {}}}\nprompts: {dataset: d.jsonl}\nload: {levels: [1], measure_s: 1}\n"
    )
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "1", "prompt": "x", "expected": "y"}) + "\n")
    assert "ready True False" == scene(str(tmp_path), str(tmp_path / "runs"), "worker")
    assert "ready False False" == scene(str(tmp_path), str(tmp_path / "runs"), "master")
