"""A worker's reports where the way to the master fails, and the ceiling that they set.

Locust patches the process, so the scene plays in a subprocess.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

SCENE = """
    import sys; from pathlib import Path
    import gevent
    from locust.exception import RPCSendError
    from datetime import datetime, UTC
    from harness import assembly, results, scenario_file
    from harness.loadgen import home, member as members, messages, prepare
    from harness.loadgen.member import Member
    import msgspec

    class Way:
        "To the master, where somebody writes down what comes; `broken` for as long as nothing can be sent."
        def __init__(self): self.heard, self.sent, self.broken = {}, [], False
        def register_message(self, name, listener): self.heard[name] = listener
        def send_message(self, name, data, client=None):
            if self.broken: raise RPCSendError("no way")
            self.sent.append((name, data))
        def say(self, name, message):
            self.heard[name](environment=None, msg=type("Msg", (), {"data": msgspec.msgpack.encode(message)}))
        def reports(self):
            said = [data for name, data in self.sent if name == messages.INTERVAL]
            return [msgspec.msgpack.decode(data, type=messages.Interval) for data in said]

    members.REPORT_S = 0.05
    opened = assembly.open_run(scenario_file.load(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))
    way = Way()
    member = Member(way, prepare.calls, prepare.keys)
    manifest = (opened.run / results.MANIFEST).read_bytes()
    way.say(messages.SETUP, home.setup(opened.run, manifest, home.hang_mark(opened.run), 0, 1))
    worker = member._at_work
    synced = []
    sync = worker.storing.sync
    worker.storing.sync = lambda: (synced.append(1), sync())[1]
    def until(holds):
        with gevent.Timeout(10):
            while not holds(): gevent.sleep(0.01)
    until(lambda: len(way.reports()) >= 2)
    way.broken, before = True, len(synced)
    gevent.sleep(0.3)
    until(lambda: len(synced) > before)
    broken = len(way.reports())
    way.broken = False
    until(lambda: len(way.reports()) >= broken + 5)
    numbers = [each.number for each in way.reports()]
    print("whole", numbers == list(range(len(numbers))))
    way.say(messages.NOTED, messages.Noted(numbers[-1]))
    worker.sent = int(worker.ceiling.most)
    users = [gevent.spawn(worker.wait_for_room) for _ in range(200)]
    gevent.sleep(0.2)
    way.say(messages.NOTED, messages.Noted(0))
    before = len(way.reports())
    gevent.sleep(0.6)
    print("waits", not any(each.dead for each in users), len(way.reports()) - before < 30)
    def noted(): return [way.say(messages.NOTED, messages.Noted(each.number)) for each in way.reports()]
    until(lambda: noted() and all(each.dead for each in users))
    print("goes on", worker.ceiling.most > worker.sent)
    opened.close()
"""


def test_reports_wait_for_the_way_and_users_for_the_master(tmp_path: Path) -> None:
    """What could not be sent is sent later, in order, and lines go to the disk meanwhile.

    A ceiling holds until a report is noted that gives room; users that wait for it do not each ask for one.
    """
    (tmp_path / "scenario.yaml").write_text(
        "name: t\nendpoints: {a: {model: m, simulated: {}}}\nprompts: {dataset: d.jsonl}\nload: {levels: [1], measure_s: 1}\n"
    )
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "1", "prompt": "x", "expected": "y"}) + "\n")
    words = [sys.executable, "-c", textwrap.dedent(SCENE), str(tmp_path), str(tmp_path / "runs")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert ["whole True", "waits True True", "goes on True"] == done.stdout.splitlines(), done.stderr
