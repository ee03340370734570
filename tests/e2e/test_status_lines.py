"""The master's status lines on the pipe to `signoff run`.

The session module loads Locust, so the scene plays in a subprocess.
"""

import json
import subprocess
import sys
import textwrap

SCENE = """
    import fcntl, os
    close = os.close  # before Locust has it patched
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.environ["SIGNOFF_STATUS_FD"] = str(writing)
    from harness import session
    from harness.loadgen.progress import Progress

    class Conductor:
        totals, abandoned = (), 0
        def abandon(self): self.abandoned += 1

    conductor = Conductor()
    status = session._Status(conductor)
    def say(number): status.show(Progress(None, number, 200, "measure " * 20, 0.0, 0, 0, 0))

    for number in range(100): say(number)
    seen = os.read(reading, 1 << 16)
    for number in range(100, 103): say(number)
    seen += os.read(reading, 1 << 16)
    close(reading)
    say(103)
    os.write(1, seen + b'{"abandoned": %d}' % conductor.abandoned)
"""


def test_reader_that_stands_still_costs_lines_and_never_time() -> None:
    """What does not fit into the pipe is left out line by line; what is sent is whole; no reader at all ends the run."""
    words = [sys.executable, "-c", textwrap.dedent(SCENE)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    *lines, last = map(json.loads, done.stdout.splitlines())
    numbers = [line["number"] for line in lines]
    assert list(range(len(numbers) - 2)) == numbers[:-2]
    assert [101, 102] == numbers[-2:]
    assert {"abandoned": 1} == last
