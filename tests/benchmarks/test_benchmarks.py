"""The benchmarks themselves, on known figures and at toy scale: that they run and count right, never how fast a machine is."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.journal_reader import Attempt
from harness.measure.histogram import bucket_counts
from harness.records import AttemptEnd, AttemptStart, Phase, Usage
from harness.results import Run
from harness.simulator.truth import Delivery
from tests.benchmarks import bare_server, fidelity, matching, processes, rig, work, workers
from tests.benchmarks.__main__ import ALL, BENCHMARKS, measured
from tests.benchmarks.options import TOY, Options
from tests.benchmarks.processes import Pulse, Sample, StoodStillError, Used
from tests.benchmarks.table import figure, medians, table, verdicts

ROOT = Path(__file__).parents[2]
MS = 1_000_000


def sent(example: str, received_ns: int, stamps_ns: list[int], n: int = 1) -> Delivery:
    """A line of truth: one token an event."""
    return Delivery(
        candidate="candidate",
        n=n,
        status=200,
        aborted=False,
        example=example,
        right=True,
        finish="stop",
        prompt_tokens=1,
        cached_tokens=0,
        completion_tokens=len(stamps_ns),
        reasoning_tokens=0,
        received_ns=received_ns,
        sent_ns=stamps_ns,
        late_ns=[0] * len(stamps_ns),
        chunk_tokens=[1] * len(stamps_ns),
        blocked=0,
        done_ns=stamps_ns[-1],
    )


def said(number: int, example: str, sent_ns: int, stamps_ns: list[int], phase: Phase = Phase.MEASURE) -> Attempt:
    """An attempt as a journal has it, with a gap of its own after each token."""
    start = AttemptStart(
        id=str(number), endpoint="e", level="1", phase=phase, block=0, example=example, user=0, dispatched_ns=sent_ns
    )
    gaps = [later - earlier for earlier, later in pairwise(stamps_ns)]
    end = AttemptEnd(
        id=str(number),
        kind="ok",
        sent_ns=sent_ns,
        first_token_ns=stamps_ns[0],
        last_token_ns=stamps_ns[-1],
        chunks=len(stamps_ns),
        icl=bucket_counts(gaps),
        usage=Usage(output_tokens=len(stamps_ns)),
    )
    return Attempt(start, end, 0)


def run_of(*attempts: Attempt) -> Run:
    return Run(path=Path(), manifest=None, attempts=list(attempts), marks=[], findings=[])


def test_an_attempt_is_held_against_the_line_that_answered_it() -> None:
    """Of two requests for one example, each gets the first line that was received after it was sent; warm-up gets none."""
    lines = [sent("a", 90, [100], n=3), sent("a", 11, [30], n=1), sent("b", 12, [40], n=2)]
    run = run_of(said(1, "a", 10, [31]), said(2, "a", 80, [101]), said(3, "b", 5, [41], Phase.WARMUP))
    assert [("1", 1), ("2", 3)] == [(pair.said.id, pair.sent.n) for pair in matching.matched(run, lines)]


def test_what_was_sent_is_counted_in_the_window_alone() -> None:
    """Tokens by their stamps, answers by their last byte; the end of a window is outside it."""
    lines = [sent("a", 0, [10, 20, 30]), sent("b", 0, [20, 40])]
    assert (3, 1) == (matching.sent_between(lines, 15, 40), matching.answered_between(lines, 15, 40))


def test_an_error_is_ours_minus_the_truth() -> None:
    """A stamp that is 5 ms late makes TTFT and e2e 5 ms too long, and no gap and no time per token."""
    lines = [sent("a", 0, [100 * MS, 120 * MS, 140 * MS])]
    pairs = list(matching.matched(run_of(said(1, "a", 0, [105 * MS, 125 * MS, 145 * MS])), lines))
    errors = {metric: fidelity.error_ms(pairs, metric, 0.99) for metric in fidelity.METRICS}
    assert {"TTFT": 5.0, "ICL": 0.0, "TPOT": 0.0, "e2e": 5.0} == pytest.approx(errors, abs=0.15)


def test_an_error_beyond_its_bound_is_marked() -> None:
    """0.4 ms is too much of 40 ms and not too much of 100 ms; of three rounds the middle one counts."""
    case = fidelity.cases(Options(streams=[50]))[0]
    rounds = [
        fidelity.Round(case, 400, [40.0, 100.0] * 4, [error, 0.4] * 4, (1.0, 2.0, 3.0, 4.0), "VALID") for error in (0.4, 0.4, 9)
    ]
    row = fidelity.row(rounds)
    assert (["50", "together", "own", "400"], ["+0.40!", "+0.40"] * 4) == (row[:4], row[4:12])
    assert len(fidelity.HEAD) == len(row)


def test_cells_are_medians_in_three_digits() -> None:
    """A column is the median of what is known, a dash where nothing is; large figures have their thousands apart."""
    assert ["2", "-", "12,346"] == medians([(1, None, 12345.6), (2, None, 12345.6), (30, None, 1)])
    assert ["0.0123", "1.23e-05"] == [figure(0.01234), figure(0.00001234)]
    assert ["VALID", "VALID; INVALID(x)"] == [verdicts(["VALID"] * 3), verdicts(["VALID", "INVALID(x)"])]


def test_a_table_can_be_markdown() -> None:
    """Columns under their heads, or a table to paste."""
    assert " a  bc\n10   2" == table(("a", "bc"), [["10", "2"]])
    assert "| a | bc |\n| --- | ---: |\n| 10 | 2 |" == table(("a", "bc"), [["10", "2"]], markdown=True)


def test_use_is_counted_between_the_samples_of_a_window() -> None:
    """From the first sample inside to the last one; with fewer than two there is nothing to say."""
    samples = [Sample(at_ns, cpu_s, 0) for at_ns, cpu_s in ((0, 1.0), (10, 1.5), (20, 2.5), (30, 9.0))]
    assert Used(10, 20, 1.0) == processes.within(samples, 5, 25)
    with pytest.raises(SystemExit, match="1 samples"):
        processes.within(samples, 15, 25)


def test_two_load_processes_are_held_against_one() -> None:
    """Half as much again in requests/s; a tenth more processor time for each; the middle of three rounds counts."""
    one = workers.Part(per_s=1_000, signoff=0.5, server=0.1, others=0.0, verdict="VALID")
    two = workers.Part(per_s=1_500, signoff=0.825, server=0.15, others=0.2, verdict="VALID")
    row = workers.row([workers.Round(64, one, replace(two, per_s=per_s)) for per_s in (1_500, 1_500, 3_000)])
    expected = ["64", "1,000", "1,500", "1.5", "0.5", "0.1", "0", "0.825", "0.15", "0.2", "500", "550", "0.909", "VALID/VALID"]
    assert expected == row
    assert len(workers.HEAD) == len(row)


def test_a_bare_server_answers_whole_requests() -> None:
    """However they come in; what it did is told at its end."""
    words = [sys.executable, "-m", "tests.benchmarks.bare_server"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline())), timeout=10) as client:
            for piece in (b"POST / HTTP/1.1\r\nContent-Len", b"gth: 3\r\n\r\nab", b"c", b"GET / HTTP/1.1\r\n\r\n"):
                client.sendall(piece)
                time.sleep(0.05)
                if piece in (b"c", b"GET / HTTP/1.1\r\n\r\n"):
                    assert bare_server.answer() == client.recv(65_536)
        printed, _ = server.communicate()
    assert 2 == json.loads(printed)["requests"]


def test_a_pulse_minds_a_long_pause() -> None:
    """Three seconds between two samples are a slow machine; more is one that stood still."""
    times = iter([100.0, 100.05, 103.05, 106.06])
    pulse = Pulse(lambda: next(times))
    pulse.beat()
    pulse.beat()
    with pytest.raises(StoodStillError, match=r"3\.0 s"):
        pulse.beat()


def test_a_round_that_stood_still_is_measured_again(capsys: pytest.CaptureFixture[str]) -> None:
    """What is measured then counts, and why is said; three times in a row is an error."""
    tries = iter([StoodStillError("everything stood still for 9.0 s"), "figures"])

    def measure(_case: object, _options: Options) -> str:
        found = next(tries, StoodStillError("everything stood still for 9.0 s"))
        if isinstance(found, StoodStillError):
            raise found
        return found

    benchmark: Any = SimpleNamespace(measure=measure)
    assert "figures" == measured(benchmark, None, Options())
    assert [
        "everything stood still for 9.0 s: this round is worth nothing (try 1 of 3)"
    ] == capsys.readouterr().err.splitlines()
    with pytest.raises(SystemExit, match="3 tries"):
        measured(benchmark, None, Options())
    assert 3 == len(capsys.readouterr().err.splitlines())


def test_a_client_that_is_watched_across_a_pause_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is what is told, and not that the client was late; nothing of it is left."""
    monkeypatch.setattr(processes, "STILL_S", -1.0)
    with pytest.raises(StoodStillError):
        rig.watched([sys.executable, "-c", "import time; time.sleep(60)"])
    assert [os.getpid()] == list(processes.descent(os.getpid()))


def test_a_tree_keeps_what_its_dead_have_used() -> None:
    """A grandchild that burned and ended still counts; whoever is pinned stays on its core, and all that it starts."""
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    look = (
        f"import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(os.sched_getaffinity(0))\ninput()"
    )
    before = os.sched_getaffinity(0)
    with processes.pinned(processes.CLIENT_CORE):
        child = subprocess.Popen([sys.executable, "-c", look], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    tree = processes.Tree(child.pid)
    try:
        while len(list(processes.descent(child.pid))) > 1 or tree.sample().cpu_s < 0.2:
            tree.sample()
            time.sleep(0.01)
        assert child.stdout is not None
        assert (f"{{{processes.CLIENT_CORE}}}\n", before) == (child.stdout.readline().decode(), os.sched_getaffinity(0))
        assert len(list(processes.descent(child.pid))) == 1
        assert 0.2 <= tree.sample().cpu_s
    finally:
        child.communicate(b"\n")


def test_streams_beyond_the_yardstick_are_slower() -> None:
    """Up to 30,000 tokens/s a stream has 20 ms between tokens; more streams share these; a window holds a whole answer."""
    few, many = work.paced(500, Options()), work.paced(2_000, Options())
    assert (0.02, 30_000) == (few.itl.median_s, round(2_000 / many.itl.median_s))
    assert many.measure_s > many.tokens * many.itl.median_s


@pytest.mark.parametrize("name", ALL)
def test_every_benchmark_has_the_form(name: str) -> None:
    """Its title, a head, cases, one round, and rows."""
    benchmark = ALL[name]
    assert benchmark.__doc__
    assert all(hasattr(benchmark, each) for each in ("HEAD", "cases", "measure"))
    assert hasattr(benchmark, "row") != hasattr(benchmark, "rows")


def test_a_toy_of_signoff_beside_its_simulator_runs() -> None:
    """One round of four streams: every attempt of the measure window is matched, and the row fits the head."""
    options = Options(rounds=1, streams=[50], scale=TOY)
    round_ = fidelity.measure(fidelity.cases(options)[0], options)
    assert round_.attempts >= 4
    assert len(fidelity.HEAD) == len(fidelity.row([round_]))


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_toy_of_every_benchmark_runs_by_its_command(name: str) -> None:
    """It prints date, versions and load average, then its title and a table."""
    words = [sys.executable, "-m", "tests.benchmarks", "--toy", "--streams", "50", "--", name]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (0, []) == (done.returncode, [line for line in done.stderr.splitlines() if "round 1, case" not in line])
    head, *rows = done.stdout.strip().splitlines()[-1 - len(ALL[name].cases(Options(streams=[50], scale=TOY))) :]
    assert head.split() == " ".join(ALL[name].HEAD).split()
    assert rows
    assert "load average" in done.stdout
    assert json.dumps(ALL[name].__doc__)[1:40] in done.stdout
