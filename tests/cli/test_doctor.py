"""`signoff doctor`: each check finds something, and says what to do where it is not good."""

import importlib.util
import json
import re
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from itertools import count
from pathlib import Path

import pytest
from small_scenario import Invoke

from harness import kernel_clock
from harness.cli import doctor
from harness.cli.checks import installation, limits, processor, stamps, timing
from harness.cli.checks.check import Check, Planned, warn_if
from harness.cli.checks.processor import Quota

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
    assert len(doctor.checks(Planned())) == len(found) == len({each["name"] for each in found})
    assert {"ok", "warn", "fail", "none"} >= {each["status"] for each in found}
    assert all(each["found"] and each["why"] for each in found)
    assert all(bool(each["remedy"]) == (each["status"] in {"warn", "fail"}) for each in found)


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("none", 0), ("warn", 0), ("fail", 2)])
def test_only_a_failure_fails(
    signoff: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: str, code: int
) -> None:
    """A warning leaves the exit code 0, a failed check makes it 2; both print why and what to do; then comes what is left."""
    check = Check("thing", status, "seen", "because", "mend it")  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "checks", lambda planned: (lambda: check,))
    assert code == signoff("doctor")
    advice = "" if status in {"ok", "none"} else "\n      why: because\n      do:  mend it"
    after = "What this machine can measure under load: `signoff calibrate` finds out, in about a minute."
    assert f"{status:<4}  thing: seen{advice}\n{after}\n" == capsys.readouterr().out


def test_what_is_planned_is_that_of_the_scenario(
    signoff: Invoke, scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its highest level at each of its endpoints; options win, and what comes next is about it, too."""
    planned: list[Planned] = []
    monkeypatch.setattr(doctor, "checks", lambda given: planned.append(given) or ())
    for words in ((), (str(scenario),), (str(scenario), "--users", "9", "--processes", "3"), ("--users", "5")):
        assert 0 == signoff("doctor", *words)
    assert [Planned(None, 1, 1), Planned(4, 2, 1), Planned(9, 2, 3), Planned(5, 1, 1)] == planned
    assert f"`signoff calibrate {scenario}` finds out" in capsys.readouterr().out


def test_no_users_can_be_planned(signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """One at least, as in a run."""
    assert 2 == signoff("doctor", "--users", "0")
    assert "--users" in capsys.readouterr().err


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


@linux
@pytest.mark.parametrize("check", [stamps.plain, stamps.through_tls])
def test_a_kernel_that_stamps_nothing_is_told(monkeypatch: pytest.MonkeyPatch, check: Callable[[], Check]) -> None:
    """A real connection that asked for something else has no stamps; one that may not ask says why."""
    monkeypatch.setattr(kernel_clock, "SO_TIMESTAMPNS", socket.SO_KEEPALIVE)
    assert ("warn", "tried on loopback: none came") == (check().status, check().found)
    monkeypatch.setattr(kernel_clock, "SO_TIMESTAMPNS", 9_999)
    assert ("warn", "not available: [Errno 92] Protocol not available") == (check().status, check().found)
    assert "measure on Linux" in check().remedy


@linux
@pytest.mark.parametrize("check", [stamps.plain, stamps.through_tls])
def test_a_clock_that_went_away_is_told(monkeypatch: pytest.MonkeyPatch, check: Callable[[], Check]) -> None:
    """Real stamps, put on our clock 2 ms too early."""
    stamp = kernel_clock.KernelClock.stamp
    monkeypatch.setattr(
        kernel_clock.KernelClock, "stamp", lambda self, said: None if (ns := stamp(self, said)) is None else ns - 2_000_000
    )
    assert "warn" == check().status
    assert re.search(r"off by (1\.9|2\.0)\d\d ms", check().found)


FILES = {
    "what most systems have": (
        *(1_024, 1_048_576, Planned(), "ok"),
        *("limit 10,000 (soft 1,024, hard 1,048,576), and 1,000 users x 1 endpoint / 1 process need 1,100", ""),
    ),
    "raised by Locust, as far as it tries": (
        *(1_024, 1_048_576, Planned(users=300, endpoints=3)),
        *("ok", "limit 10,000 (soft 1,024, hard 1,048,576), and 300 users x 3 endpoints / 1 process need 1,000", ""),
    ),
    "not raised beyond the hard one": (
        *(256, 4_096, Planned(), "warn"),
        "limit 256 (soft 256, hard 4,096), and 1,000 users x 1 endpoint / 1 process need 1,100",
        "`ulimit -n 1100` before a run, or 7 processes (--processes)",
    ),
    "too few for what is planned": (
        *(256, 4_096, Planned(users=500, endpoints=2), "fail"),
        "limit 256 (soft 256, hard 4,096), and 500 users x 2 endpoints / 1 process need 1,100",
        "`ulimit -n 1100` before a run, or 7 processes (--processes)",
    ),
    "enough by so many processes": (
        *(256, 4_096, Planned(users=500, endpoints=2, processes=7), "ok"),
        *("limit 256 (soft 256, hard 4,096), and 500 users x 2 endpoints / 7 processes need 244", ""),
    ),
    "a hard limit in the way": (
        *(1_024, 1_024, Planned(users=5_000), "fail"),
        "limit 1,024 (soft 1,024, hard 1,024), and 5,000 users x 1 endpoint / 1 process need 5,100",
        "have the hard limit raised to 5,100 (limits.conf, LimitNOFILE, docker --ulimit), or 6 processes (--processes)",
    ),
    "so few that no processes help": (
        *(90, 90, Planned(users=5), "fail", "limit 90 (soft 90, hard 90), and 5 users x 1 endpoint / 1 process need 105"),
        "have the hard limit raised to 105 (limits.conf, LimitNOFILE, docker --ulimit)",
    ),
    "no limit": (
        *(resource.RLIM_INFINITY, resource.RLIM_INFINITY, Planned(users=50_000), "ok"),
        *("limit none (soft none, hard none), and 50,000 users x 1 endpoint / 1 process need 50,100", ""),
    ),
    "no hard limit": (
        *(20_000, resource.RLIM_INFINITY, Planned(users=50_000), "fail"),
        "limit 20,000 (soft 20,000, hard none), and 50,000 users x 1 endpoint / 1 process need 50,100",
        "`ulimit -n 50100` before a run, or 3 processes (--processes)",
    ),
}


@pytest.mark.parametrize(("soft", "hard", "planned", "status", "found", "remedy"), FILES.values(), ids=FILES)
def test_open_files_are_held_against_what_is_planned(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, planned: Planned, status: str, found: str, remedy: str
) -> None:
    """A connection for each user at each endpoint, shared out over the processes, and some files for ourselves."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    check = limits.open_files(planned)
    assert (status, found, remedy) == (check.status, check.found, check.remedy)


def test_locust_raises_the_limit_so_far() -> None:
    """By its own source, since importing it would patch this process."""
    source = Path(str(importlib.util.find_spec("locust").origin)).with_name("main.py").read_text()  # type: ignore[union-attr]
    assert f"minimum_open_file_limit = {limits.LOCUST_WANTS}\n" in source
    assert "limits = minimum_open_file_limit, hard_limit\n" in source


def test_another_system_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, and where to measure instead."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    check = installation.python()
    assert ("warn", True, True) == (check.status, " on Darwin " in check.found, "measure on Linux" in check.remedy)


def governed(folder: Path, *governors: str) -> Path:
    """A /sys/devices/system/cpu with these cores."""
    for number, governor in enumerate(governors):
        file = folder / f"cpu{number}" / "cpufreq" / "scaling_governor"
        file.parent.mkdir(parents=True)
        file.write_text(f"{governor}\n")
    return folder


@pytest.mark.parametrize(
    ("governors", "status", "found"),
    [
        (("performance", "performance"), "ok", "performance"),
        (("performance", "powersave"), "warn", "powersave on 1 of 2 cores (cpu1)"),
        (("schedutil",) * 12, "warn", "schedutil on 12 of 12 cores (cpu0, cpu1, cpu2, ...)"),
        ((), "none", "no core says: in a virtual machine it is the host's business"),
    ],
)
def test_the_governor_of_every_core_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, governors: tuple[str, ...], status: str, found: str
) -> None:
    """One core that follows its load is enough for a warning, which names it; where none says anything, nothing is known."""
    monkeypatch.setattr(processor, "CORES", governed(tmp_path, *governors))
    check = processor.governor()
    assert (status, found) == (check.status, check.found)
    assert ("cpupower frequency-set -g performance" if status == "warn" else "") == check.remedy


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
    assert (status == "warn") == ("clocksource=tsc" in timing.clock().remedy)


@pytest.mark.parametrize(
    ("step_ns", "every", "status", "found"),
    [
        (40, 1, "ok", "smallest step seen 40 ns"),
        (4_000_000, 500, "warn", "smallest step seen 4000000 ns"),
        (4_000_000, 1_000_000, "warn", "no step seen in 2000 readings"),
    ],
)
def test_a_coarse_clock_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, step_ns: int, every: int, status: str, found: str
) -> None:
    """Whatever its source is called: also one that seems to stand still."""
    readings = count()
    kernel({timing._SOURCE: "tsc"})
    monkeypatch.setattr("time.monotonic_ns", lambda: next(readings) // every * step_ns)
    check = timing.clock()
    assert (status, f"source tsc, {found}") == (check.status, check.found)


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
    "own group": ({"/proc/self/cgroup": "0::/a/b", "/sys/fs/cgroup/a/b/cpu.max": "50000 100000"}, Quota(0.5, "/a/b")),
    "smallest of those around it": (
        {
            "/proc/self/cgroup": "0::/a/b",
            "/sys/fs/cgroup/a/b/cpu.max": "max 100000",
            "/sys/fs/cgroup/a/cpu.max": "150000 100000",
            "/sys/fs/cgroup/cpu.max": "400000 100000",
        },
        Quota(1.5, "/a"),
    ),
    "version 1": (
        {
            "/proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/x\n0::/",
            "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "200000",
            "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        Quota(2.0, "/x"),
    ),
}


@pytest.mark.parametrize(("files", "limit"), GROUPS.values(), ids=GROUPS)
def test_a_quota_is_that_of_every_group_around_us(kernel: Kernel, files: dict[str, str], limit: Quota | None) -> None:
    """Both versions of control groups, the process's own and its parents; no limit is none."""
    kernel(files)
    assert limit == processor.quota()


@pytest.mark.parametrize(
    ("usable", "limit", "processes", "status", "found"),
    [
        (4, None, 1, "ok", "4 usable, and 1 load process needs 2"),
        (1, None, 1, "warn", "1 usable, and 1 load process needs 2"),
        (4, None, 4, "warn", "4 usable, and 4 load processes need 5"),
        (4, Quota(0.5, "/a"), 1, "warn", "4 usable, limited to 0.5 by the control group /a, and 1 load process needs 2"),
        (2, Quota(8.0, "/"), 1, "ok", "2 usable, limited to 8 by the control group /, and 1 load process needs 2"),
    ],
)
def test_cores_are_weighed(
    monkeypatch: pytest.MonkeyPatch, usable: int, limit: Quota | None, processes: int, status: str, found: str
) -> None:
    """Fewer than one for each load process and one to merge, or a quota below what is there, is a warning."""
    monkeypatch.setattr(processor, "usable_cores", lambda: usable)
    monkeypatch.setattr(processor, "quota", lambda: limit)
    check = processor.cores(Planned(processes=processes))
    assert (status, found) == (check.status, check.found)
    assert ("" if status == "ok" else f"use {processes + 1} or more cores, without a CPU quota") == check.remedy


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
    assert (None, "none") == (processor.watched(0.0), processor.idleness().status)


def test_a_program_that_is_not_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optional programs are named with the package that brings them."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert ("warn", "not found") == (installation.sandbox().status, installation.sandbox().found)
    assert "bubblewrap" in installation.sandbox().remedy
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert ("ok", "/usr/bin/prometheus") == (installation.prometheus().status, installation.prometheus().found)
