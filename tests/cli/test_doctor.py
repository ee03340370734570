"""`signoff doctor`: each check finds something, and says what to do where it is not good."""

import json
import resource
import socket
import sys
from collections.abc import Callable
from importlib import metadata

import pytest
from small_scenario import Invoke

from harness.cli import doctor


def test_the_report_has_every_check(signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` lists all checks with status, finding and reason, and a remedy wherever one is needed."""
    assert signoff("doctor", "--json") in (0, 2)
    found = json.loads(capsys.readouterr().out)
    assert len(doctor.CHECKS) == len(found)
    assert {"ok", "warn", "fail"} >= {each["status"] for each in found}
    assert all(each["found"] and each["why"] for each in found)
    assert all(bool(each["remedy"]) == (each["status"] != "ok") for each in found)


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 2)])
def test_only_a_failure_fails(
    signoff: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: str, code: int
) -> None:
    """A warning leaves the exit code 0; a failed check makes it 2; both print why and what to do."""
    check = doctor.Check("thing", status, "seen", "because", "mend it")  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "CHECKS", (lambda: check,))
    assert code == signoff("doctor")
    advice = "" if status == "ok" else "\n      why: because\n      do:  mend it"
    assert f"{status:<4}  thing: seen{advice}\n" == capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what it receives")
def test_kernel_stamps_are_tried_out() -> None:
    """On Linux a byte over loopback comes with a stamp that lies between its sending and its reading."""
    assert "ok" == doctor._kernel_stamps().status


@pytest.mark.parametrize(
    ("error_ns", "status", "found"),
    [(None, "warn", "none came"), (2_500_000, "warn", "off by 2.500 ms"), (0, "ok", "they come")],
)
def test_missing_and_wrong_stamps_are_told(
    monkeypatch: pytest.MonkeyPatch, error_ns: int | None, status: str, found: str
) -> None:
    """No stamp, and one outside of the possible time, are warnings."""
    monkeypatch.setattr(doctor, "_stamp_error_ns", lambda: error_ns)
    check = doctor._kernel_stamps()
    assert status == check.status
    assert found in check.found


def test_the_limit_of_open_files_is_a_number_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection a user, and some files for ourselves."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    check = doctor._open_files()
    assert ("warn", "limit 256 (hard 4096): at most 156 users per process") == (check.status, check.found)
    assert "ulimit -n 4096" in check.remedy


def test_a_taken_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something listens on the exporter's port, the check says so and how to find it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("harness.loadgen.exporter.DEFAULT_PORT", taken.getsockname()[1])
        check = doctor._exporter_port()
    assert "warn" == check.status
    assert "Address already in use" in check.found


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A requirement of ours that is not installed stops everything; extras do not count."""
    monkeypatch.setattr(metadata, "requires", lambda name: ["pydantic<3,>=2", "no-such-thing>=1", "neither; extra == 'dev'"])
    check = doctor._packages()
    assert ("fail", "missing: no-such-thing") == (check.status, check.found)


@pytest.mark.parametrize(
    ("check", "files", "status", "found"),
    [
        (doctor._clock, {"current_clocksource": "tsc"}, "ok", "source tsc"),
        (doctor._clock, {"current_clocksource": "hpet"}, "warn", "source hpet"),
        (doctor._clock, {}, "ok", "source unknown"),
        (doctor._cores, {"cpu.max": "50000 100000"}, "warn", "limited by its control group to 0.5"),
    ],
)
def test_what_the_kernel_says_is_weighed(
    monkeypatch: pytest.MonkeyPatch, check: Callable[[], doctor.Check], files: dict[str, str], status: str, found: str
) -> None:
    """Slow clocks and CPU quotas are warnings; what cannot be read is not guessed."""
    monkeypatch.setattr(doctor, "_read", lambda path: files.get(path.rpartition("/")[2]))
    assert status == check().status
    assert found in check().found


def test_a_program_that_is_not_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optional programs are named with the package that brings them."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert ("warn", "not found") == (doctor._sandbox().status, doctor._sandbox().found)
    assert "bubblewrap" in doctor._sandbox().remedy
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert ("ok", "/usr/bin/prometheus") == (doctor._prometheus().status, doctor._prometheus().found)
