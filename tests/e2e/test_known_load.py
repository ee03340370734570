"""`signoff calibrate` at toy scale: real processes, a truth that was kept, and a run that finds what was stored."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from screen import Done

from harness import results
from harness.calibration import Ceiling
from harness.cli import calibration_figures, known_load
from harness.cli.known_load import MODEL, Outcome, Part, Steps
from harness.errors import ExitCode
from harness.records import Phase
from harness.simulator.candidate import Candidate, Lognormal

pytestmark = pytest.mark.alone

USERS, TOKENS = 4, 16
MOST = Ceiling(users=64, per_s=100_000.0, cpu_ratio=1.0, limited_by="client")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Four users and answers of about a quarter of a second, for one and a half."""
    ttft, itl = Lognormal(median_s=0.1), Lognormal(median_s=0.01)
    part = Part(Candidate(name="a", model=MODEL, ttft=ttft, itl=itl, accuracy=1.0), stream=True)
    steps = Steps((USERS,), TOKENS, prompt_bytes=300, warmup_s=0.5, measure_s=1.5, drain_s=5.0, examples=200)
    return known_load.measure([part], steps, tmp_path_factory.mktemp("known") / "load", tls=False, quiet=True)


def test_the_record_agrees_with_what_the_simulator_wrote_down(outcome: Outcome) -> None:
    """Worked out from the truth file alone: which answers, and the medians of TTFT, ICL and e2e, to the histogram's 0.1 %."""
    (found,) = calibration_figures.levels(outcome, "a", MOST, cores=1)
    measured = {each.start.example for each in outcome.run.attempts if each.start.phase is Phase.MEASURE}
    lines = [line for line in outcome.truth if line.example in measured]
    assert len(lines) == found.attempts + found.unmatched > USERS
    assert 0 == found.unmatched
    ttft = statistics.median_low(line.sent_ns[0] - line.received_ns for line in lines)
    e2e = statistics.median_low(line.sent_ns[-1] - line.received_ns for line in lines)
    gaps = statistics.median_low(later - earlier for line in lines for earlier, later in pairwise(line.sent_ns))
    assert (ttft, e2e) == (pytest.approx((found.ttft.p50_s or 0) * 1e9), pytest.approx((found.e2e.p50_s or 0) * 1e9))
    assert gaps == pytest.approx((found.icl.p50_s or 0) * 1e9, rel=0.002)
    ends = [each.end for each in outcome.run.attempts if each.end is not None and each.start.phase is Phase.MEASURE]
    apart = len(lines) * (TOKENS - 1) - sum(end.coalesced for end in ends)
    assert apart - sum(len(end.late_joins) for end in ends) <= found.icl.n <= apart


def test_a_level_that_was_not_measured_has_no_headroom(outcome: Outcome) -> None:
    """The same run against a truth that says everything was sent 40 ms before we have it, or that knows of nothing."""
    early = [msgspec.structs.replace(line, sent_ns=[each - 40_000_000 for each in line.sent_ns]) for line in outcome.truth]
    for truth, code in ((early, "out_of_tolerance"), ([], "unmatched")):
        (found,) = calibration_figures.levels(replace(outcome, truth=truth), "a", MOST, cores=1)
        assert code in {finding.code for finding in found.findings if finding.invalid}
        assert (False, None) == (found.is_measured, found.headroom)
        assert found.chunks_per_s > 0


def test_processes_without_users_do_not_count(outcome: Outcome) -> None:
    """Had the mean of the core been over eight processes, the four with a user each would have used twice as much."""
    manifest = msgspec.structs.replace(outcome.run.manifest, workers=2 * USERS)
    (alone,) = calibration_figures.levels(outcome, "a", MOST, cores=1)
    (many,) = calibration_figures.levels(replace(outcome, run=replace(outcome.run, manifest=manifest)), "a", MOST, cores=1)
    assert many.cpu_ratio == pytest.approx(2 * (alone.cpu_ratio or 0))
    assert many.cpu_s_per_chunk == pytest.approx(2 * USERS * (alone.cpu_s_per_chunk or 0))


def test_every_attempt_was_served_once(outcome: Outcome) -> None:
    """As many lines of truth as attempts, each of the planned length: the load is known."""
    assert len(outcome.run.attempts) == len(outcome.truth)
    assert {TOKENS} == {len(line.sent_ns) for line in outcome.truth}


def test_what_was_stored_is_found_by_a_run(signoff: Callable[..., Done], scenario: Path, tmp_path: Path) -> None:
    """Over HTTPS and by two processes, in one file beside the runs, which the next run copies and holds against itself."""
    stored = tmp_path / "runs" / results.CALIBRATION
    words = ("--users", 3, "--users", USERS, "--tokens", TOKENS, "--gap-ms", 5, "--seconds", 1, "--tls", "--processes", 2)
    done = signoff("calibrate", *words, "--out", stored, "-q")
    found = results.read_calibration(stored)
    good = all(level.is_measured for level in found.levels)
    assert (ExitCode.OK if good else ExitCode.INVALID) == done.code, done.err
    assert str(stored) == done.out.splitlines()[-1]
    assert [3, USERS] == [level.users for level in found.levels]
    assert all(level.attempts > USERS and not level.unmatched for level in found.levels)
    assert (2, True) == (found.load.processes, found.load.tls)
    assert found.tokens.per_s > found.levels[-1].chunks_per_s > 0
    assert found.requests.per_s > 0

    done = signoff("run", scenario, "--out", stored.parent, "--metrics", "", "-q", "--set", "load.levels=[2]")
    run = stored.parent / "latest"
    assert stored.read_bytes() == (run / results.CALIBRATION).read_bytes(), done.err
    held = msgspec.json.decode((run / results.SUMMARY).read_bytes())["calibration"]
    assert (3, pytest.approx(found.tokens.per_s)) == (held["users"], held["ceiling_per_s"])
    assert "Calibrated 2" in " ".join(done.out.split())
