"""`signoff calibrate` without load: what it refuses, what it takes from a scenario, and how it tells what it found."""

import sys
from pathlib import Path

import pytest
from small_scenario import Invoke

from harness.calibration import Calibration, Ceiling, ErrorFigures, KnownLoad, LevelCalibration
from harness.cli import calibrate, calibration_words
from harness.records import Finding

GOOD = ErrorFigures(n=200, p50_s=0.2, p50_error_s=0.00008, p99_s=0.4, p99_error_s=-0.0002)
EXACT = ErrorFigures(n=200, p50_s=0.02, p50_error_s=0.0, p99_s=0.04, p99_error_s=0.0)


@pytest.mark.parametrize(
    ("words", "place", "remedy"),
    [
        (("--users", "0"), "--users: (0,)", "whole numbers from 1"),
        (("--users", "-5", "--users", "3"), "--users: (-5, 3)", "whole numbers from 1"),
        (("--users", "1000000"), "--users: (1000000,)", "100,000"),
        (("--tokens", "1"), "--tokens: 1 ", "2 or more"),
        (("--gap-ms", "-1"), "--gap-ms: -1.0", "milliseconds"),
        (("--gap-ms", "nan"), "--gap-ms: nan", "milliseconds"),
        (("--seconds", "0"), "--seconds: 0.0", "a time to measure"),
        (("--seconds", "inf"), "--seconds: inf", "a time to measure"),
        (("--tokens", "100000"), "100000 tokens, 20 ms apart, make an answer of 2000 s", "fewer tokens at the same gap"),
        (("nowhere/at/all.yaml",), "nowhere/at/all.yaml", "a bundled name"),
    ],
)
def test_a_load_that_means_nothing_is_refused(
    signoff: Invoke, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], place: str, remedy: str
) -> None:
    """Before anything is started: exit 2, the option with its value, and what to give instead."""
    assert 2 == signoff("calibrate", *words)
    said = capsys.readouterr().err
    assert place in said
    assert remedy in said


def test_the_plan_is_that_of_the_scenario(scenario: Path) -> None:
    """Its levels, and TLS because one of its endpoints has it; options win."""
    plan = calibrate._planned(str(scenario), None, 128, 20.0, 10.0, tls=None)
    assert calibrate.Plan((1, 4), 128, 0.02, 10.0, tls=True) == plan
    plan = calibrate._planned(str(scenario), [9, 3, 9], 64, 5.0, 2.0, tls=False)
    assert calibrate.Plan((3, 9), 64, 0.005, 2.0, tls=False) == plan


def test_the_default_plan_is_two_levels_in_plain_text() -> None:
    """50 and 500 users."""
    assert calibrate.Plan((50, 500), 128, 0.02, 10.0, tls=False) == calibrate._planned(None, None, 128, 20.0, 10.0, tls=None)


def test_users_are_out_of_step_and_long_answers_fit() -> None:
    """Warm-up lasts an answer, and a window at least one and a half."""
    plan = calibrate.Plan((5,), 1_000, 0.03, 10.0, tls=False)
    assert (pytest.approx(30.2), pytest.approx(45.3)) == (calibrate._warmup_s(plan), calibrate._measure_s(plan))


def level(users: int, *, headroom: float = 5.0, findings: tuple[Finding, ...] = ()) -> LevelCalibration:
    return LevelCalibration(
        users=users,
        attempts=200,
        unmatched=0,
        window_s=10.0,
        tokens_per_s=45.0 * users,
        ttft=GOOD,
        icl=EXACT,
        tpot=GOOD,
        e2e=GOOD,
        read_lag_p50_s=0.0005,
        read_lag_p99_s=0.001,
        coalesced_ratio=0.001,
        cpu_ratio=0.2,
        cpu_s_per_token=0.000018,
        headroom=headroom,
        simulator_late_p50_s=0.00002,
        simulator_late_p99_s=0.0001,
        is_measured=not any(finding.invalid for finding in findings),
        findings=findings,
    )


def told(*levels: LevelCalibration, limited_by: str = "client") -> str:
    load = KnownLoad(
        users=tuple(each.users for each in levels),
        tokens=128,
        gap_s=0.02,
        seconds=10.0,
        tls=False,
        simulator_core=0,
        client_core=3,
        priority="none",
    )
    most = Ceiling(users=64, per_s=150_000.0, cpu_ratio=0.99, limited_by=limited_by)  # type: ignore[arg-type]
    found = Calibration(
        v=1, signoff="0", created_utc="", host={}, versions={}, load=load, levels=levels, tokens=most, requests=most
    )
    return "\n".join(calibration_words.told(found))


def test_the_verdict_is_the_highest_level_that_was_measured() -> None:
    """How many users, at which rate, and how exactly: the worse of p50 and p99."""
    expected = (
        "This machine can measure 500 users, 22,500 tokens/s, by one load process: TTFT within 200 µs of the truth at p50 and "
        "p99, ICL within 0.1 % of the truth at p50 and p99; headroom 5.0."
    )
    assert expected in told(level(50), level(500))


def test_what_cannot_be_measured_is_said_with_its_reason() -> None:
    """The codes in the verdict, what was seen above it, and the level below is still good."""
    limited = Finding(code="client_limited", what="it looked late", why="w", remedy="r", invalid=True)
    said = told(level(50), level(500, findings=(limited,)))
    assert "500 users: it looked late (client_limited)." in said
    assert "This machine can measure 50 users" in said
    assert "It cannot measure 500 users by one load process, not now: client_limited." in said


def test_little_headroom_is_said() -> None:
    """Under 2."""
    assert "; headroom 1.9, which is little: a burst makes it late." in told(level(50, headroom=1.9))


@pytest.mark.parametrize(
    ("limited_by", "words"),
    [
        ("client", "that is the ceiling"),
        ("simulator", "the simulator was the limit"),
        ("others", "other processes used its core"),
    ],
)
def test_who_was_the_limit_is_said(limited_by: str, words: str) -> None:
    """A ceiling that the client did not reach is called a lower bound."""
    assert f"Streams without a pause: 150,000 tokens/s with 64 users, CPU 99.0 %; {words}" in told(
        level(50), limited_by=limited_by
    )


def test_where_it_ran_is_said() -> None:
    """The cores, and that the simulator could not be preferred."""
    assert "simulator on core 0, signoff on 3, no raised priority." in told(level(50))


def test_importing_it_does_not_load_locust() -> None:
    """The command line is never monkey-patched."""
    assert "locust" not in sys.modules
