"""`signoff doctor`: each check finds something, and says what to do where it is not good."""

import json
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from importlib import metadata

import pytest
from small_scenario import Invoke

from harness.cli import doctor
from harness.cli.checks import installation, limits, processor, stamps, timing
from harness.cli.checks.check import Check, warn_if

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what it receives")
Kernel = Callable[[Mapping[str, str]], None]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Files of /proc and /sys with these contents, and no others."""

    def says(files: Mapping[str, str]) -> None:
        for module in (processor, timing):
            monkeypatch.setattr(module, "kernel_text", files.get)

    return says


def test_the_report_has_every_check(signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` lists all checks with status, finding and reason, and a remedy wherever one is needed."""
    assert signoff("doctor", "--json") in (0, 2)
    found = json.loads(capsys.readouterr().out)
    assert len(doctor.CHECKS) == len(found) == len({each["name"] for each in found})
    assert {"ok", "warn", "fail"} >= {each["status"] for each in found}
    assert all(each["found"] and each["why"] for each in found)
    assert all(bool(each["remedy"]) == (each["status"] != "ok") for each in found)


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 2)])
def test_only_a_failure_fails(
    signoff: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: str, code: int
) -> None:
    """A warning leaves the exit code 0, a failed check makes it 2; both print why and what to do; then comes what is left."""
    check = Check("thing", status, "seen", "because", "mend it")  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "CHECKS", (lambda: check,))
    assert code == signoff("doctor")
    advice = "" if status == "ok" else "\n      why: because\n      do:  mend it"
    assert f"{status:<4}  thing: seen{advice}\n{doctor.NEXT}\n" == capsys.readouterr().out


def test_a_remedy_stands_only_where_it_is_needed() -> None:
    """What is as it should be needs nothing done."""
    assert Check("thing", "warn", "seen", "because", "mend it") == warn_if(True, "thing", "seen", "because", "mend it")
    assert Check("thing", "ok", "seen", "because") == warn_if(False, "thing", "seen", "because", "mend it")


@linux
@pytest.mark.parametrize("check", [stamps.plain, stamps.through_tls])
def test_kernel_stamps_are_tried_out(check: Callable[[], Check]) -> None:
    """On Linux a byte over loopback comes with a stamp that lies between its sending and its reading, sealed or not."""
    assert "ok" == check().status


@pytest.mark.parametrize(
    ("error_ns", "status", "found"),
    [(None, "warn", "none came"), (2_500_000, "warn", "off by 2.500 ms"), (0, "ok", "they come")],
)
def test_missing_and_wrong_stamps_are_told(
    monkeypatch: pytest.MonkeyPatch, error_ns: int | None, status: str, found: str
) -> None:
    """No stamp, and one outside of the possible time, are warnings."""
    monkeypatch.setattr(stamps, "error_ns", lambda seal, unseal: error_ns)
    for check in (stamps.plain(), stamps.through_tls()):
        assert status == check.status
        assert found in check.found


@linux
def test_what_arrives_changed_is_no_stamp() -> None:
    """A record that cannot be read again is told, whatever stamp it had."""
    with pytest.raises(stamps.UnreadableError):
        stamps.error_ns(lambda: b"y", lambda data: data)


def test_the_limit_of_open_files_is_a_number_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection a user, and some files for ourselves."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    check = limits.open_files()
    assert ("warn", "limit 256 (hard 4096): at most 156 users per process") == (check.status, check.found)
    assert "ulimit -n 4096" in check.remedy


def test_a_taken_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something listens on the exporter's port, the check says so and how to find it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("harness.loadgen.exporter.DEFAULT_PORT", taken.getsockname()[1])
        check = installation.exporter_port()
    assert "warn" == check.status
    assert "Address already in use" in check.found


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A requirement of ours that is not installed stops everything; extras do not count."""
    monkeypatch.setattr(metadata, "requires", lambda name: ["pydantic<3,>=2", "no-such-thing>=1", "neither; extra == 'dev'"])
    check = installation.packages()
    assert ("fail", "missing: no-such-thing") == (check.status, check.found)


@pytest.mark.parametrize(
    ("source", "status", "found"),
    [("tsc", "ok", "source tsc"), ("hpet", "warn", "source hpet"), (None, "ok", "source unknown")],
)
def test_slow_clocks_are_warnings(kernel: Kernel, source: str | None, status: str, found: str) -> None:
    """What cannot be read is not guessed."""
    kernel({} if source is None else {timing._SOURCE: source})
    assert status == timing.clock().status
    assert found in timing.clock().found


@pytest.mark.parametrize(
    ("late_ns", "slack", "status"),
    [
        ([70_000] * 500, "50000", "ok"),
        ([70_000] * 490 + [3_000_000] * 10, "50000", "warn"),
        ([70_000] * 500, "5000000", "warn"),
    ],
)
def test_late_wake_ups_are_warnings(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, late_ns: list[int], slack: str, status: str
) -> None:
    """One nap in a hundred that ends a millisecond late, or a process whose timers may be put together."""
    monkeypatch.setattr(timing, "naps_ns", lambda: late_ns)
    kernel({"/proc/self/timerslack_ns": slack})
    check = timing.wake_ups()
    assert (status, True) == (check.status, "p50 0.07" in check.found)


def test_naps_are_never_too_short() -> None:
    """As many as it says, none of them ended early by more than the clock's own step."""
    late_ns = timing.naps_ns()
    assert timing.NAPS == len(late_ns)
    assert min(late_ns) > -10_000


GROUPS = {
    "no limit": ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "max 100000"}, None),
    "nothing readable": ({}, None),
    "own group": ({"/proc/self/cgroup": "0::/a/b", "/sys/fs/cgroup/a/b/cpu.max": "50000 100000"}, 0.5),
    "smallest of those around it": (
        {
            "/proc/self/cgroup": "0::/a/b",
            "/sys/fs/cgroup/a/b/cpu.max": "max 100000",
            "/sys/fs/cgroup/a/cpu.max": "150000 100000",
            "/sys/fs/cgroup/cpu.max": "400000 100000",
        },
        1.5,
    ),
    "version 1": (
        {
            "/proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/x\n0::/",
            "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "200000",
            "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        2.0,
    ),
}


@pytest.mark.parametrize(("files", "limit"), GROUPS.values(), ids=GROUPS)
def test_a_quota_is_that_of_every_group_around_us(kernel: Kernel, files: dict[str, str], limit: float | None) -> None:
    """Both versions of control groups, the process's own and its parents; no limit is none."""
    kernel(files)
    assert limit == processor.quota()


@pytest.mark.parametrize(
    ("usable", "limit", "status", "found"),
    [
        (4, None, "ok", "4 usable"),
        (1, None, "warn", "1 usable"),
        (4, 0.5, "warn", "4 usable, limited by a control group to 0.5"),
        (2, 8.0, "ok", "2 usable, limited by a control group to 8"),
    ],
)
def test_cores_are_weighed(monkeypatch: pytest.MonkeyPatch, usable: int, limit: float | None, status: str, found: str) -> None:
    """Fewer than two, or a quota below what is there, is a warning."""
    monkeypatch.setattr(processor, "usable_cores", lambda: usable)
    monkeypatch.setattr(processor, "quota", lambda: limit)
    assert (status, found) == (processor.cores().status, processor.cores().found)


#                       user nice system idle iowait irq softirq steal; 100 a second
BEFORE = [100, 0, 50, 1000, 10, 0, 5, 2]


@pytest.mark.parametrize(
    ("after", "status", "found"),
    [
        ([110, 0, 55, 1180, 10, 0, 10, 2], "ok", "used 0.20 cores, the host of this machine took 0.0 %"),
        ([160, 0, 55, 1130, 10, 0, 10, 2], "warn", "used 0.70 cores, the host of this machine took 0.0 %"),
        ([100, 0, 50, 1190, 10, 0, 5, 12], "warn", "used 0.00 cores, the host of this machine took 5.0 %"),
    ],
)
def test_what_others_take_is_told(monkeypatch: pytest.MonkeyPatch, after: list[int], status: str, found: str) -> None:
    """Of two cores in one second, by the kernel's own count: other processes, and the host of a virtual machine."""
    monkeypatch.setattr(processor, "watched", lambda seconds: processor._spent(BEFORE, after, 1.0))
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    assert status == processor.idleness().status
    assert found in processor.idleness().found


def test_the_kernels_count_is_read(kernel: Kernel) -> None:
    """The first line, without guests; where there is none, nothing is guessed."""
    kernel({"/proc/stat": "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10"})
    assert [1, 2, 3, 4, 5, 6, 7, 8] == processor._ticks()
    kernel({})
    assert (None, "ok") == (processor.watched(0.0), processor.idleness().status)


def test_a_program_that_is_not_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optional programs are named with the package that brings them."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert ("warn", "not found") == (installation.sandbox().status, installation.sandbox().found)
    assert "bubblewrap" in installation.sandbox().remedy
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert ("ok", "/usr/bin/prometheus") == (installation.prometheus().status, installation.prometheus().found)
