"""A run held against the calibration in its directory: none, one that speaks for it, and those that do not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import msgspec
import pytest
from handmade import MS

from harness import results
from harness.calibration import Calibration, Ceiling, ErrorFigures, KnownLoad, LevelCalibration
from harness.errors import HarnessError
from harness.health import Health
from harness.report import calibration
from harness.report.doubts import doubts
from harness.results import Run

ERROR = ErrorFigures(n=500, p50_s=0.2, p50_error_s=0.00002, p99_s=0.4, p99_error_s=-0.0001)
HOST = {"machine": "x86_64", "cores": 2}
VERSIONS = {"locust": "2.0", "pandas": "1.0"}


def level(users: int, chunks_per_s: float, **fields: Any) -> LevelCalibration:
    figures: dict[str, Any] = {
        "attempts": 500,
        "unmatched": 0,
        "window_s": 10.0,
        **dict.fromkeys(("ttft", "icl", "tpot", "e2e"), ERROR),
        **dict.fromkeys(("read_lag_p50_s", "read_lag_p99_s", "coalesced_ratio", "cpu_ratio", "cpu_s_per_chunk"), 0.1),
        **dict.fromkeys(("headroom", "simulator_late_p50_s", "simulator_late_p99_s"), 0.1),
        "is_measured": True,
    }
    return LevelCalibration(users=users, chunks_per_s=chunks_per_s, **figures | fields)


def made(
    *levels: LevelCalibration,
    ceiling: float = 100_000.0,
    requests: float = 5_000.0,
    load: Mapping[str, Any] = {},
    **fields: Any,
) -> Calibration:
    levels = levels or (level(2, 100.0), level(50, 2_000.0))
    made_for: dict[str, Any] = {
        "users": tuple(each.users for each in levels),
        "processes": 1,
        "prompt_bytes": 200,
        "tokens": 128,
        "ttft_s": 0.2,
        "gap_s": 0.02,
        "seconds": 10.0,
        "stream": True,
        "tls": False,
        "simulator_core": 0,
        "client_cores": (1,),
        "priority": "fifo",
    }
    most, whole_answers = (Ceiling(users=64, per_s=each, cpu_ratio=0.99, limited_by="client") for each in (ceiling, requests))
    whole: dict[str, Any] = {
        "v": 1,
        "signoff": "0.0",
        "created_utc": "2026-01-01T00:00:00+00:00",
        "host": HOST,
        "versions": VERSIONS,
        "load": KnownLoad(**made_for | load),
        "levels": levels,
        "tokens": most,
        "requests": whole_answers,
    }
    return Calibration(**whole | fields)


def run(folder: Path, found: Calibration | bytes | None, *, cpu_ratio: float = 0.1, **manifest: Any) -> Run:
    """Two users and two answers of five chunks in a window of ten seconds: one chunk a second."""
    bare = handmade.run((handmade.ok(1), handmade.ok(2)))
    told = msgspec.structs.replace(bare.manifest, **{"host": HOST, "versions": VERSIONS, **manifest})
    if isinstance(found, Calibration):
        results.write_calibration(folder / results.CALIBRATION, found)
    elif found is not None:
        (folder / results.CALIBRATION).write_bytes(found)
    sample = Health(at_ns=2_000 * MS, interval_ns=1_000 * MS, cpu_ratio=cpu_ratio, gaps=((MS, 1_000),))
    return replace(bare, path=folder, manifest=told, health=[(0, sample)])


def test_a_run_without_a_calibration_says_so(tmp_path: Path) -> None:
    """One line with what to do, and no finding."""
    bare = run(tmp_path, None)
    assert "none" == calibration.figures(bare).state
    assert "Not calibrated: run `signoff calibrate`." == calibration.sentence(calibration.figures(bare))
    assert [] == doubts(bare)


def test_a_calibration_that_speaks_for_the_run_gives_error_and_headroom(tmp_path: Path) -> None:
    """Errors of the lowest level that is not below the run's; a tenth of a core is a headroom of ten."""
    held = calibration.figures(run(tmp_path, made()))
    expected = (
        "Calibrated 2026-01-01 at 2 users: TTFT +20.0 µs at p50 and -100 µs at p99, "
        "ICL +20.0 µs at p50 and -100 µs at p99 from the truth. Headroom 10.0."
    )
    assert ("fresh", expected) == (held.state, calibration.sentence(held))
    assert (1.0, 100_000.0) == (held.needed_per_s, held.ceiling_per_s)
    assert [] == doubts(run(tmp_path, made()))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (made(host={**HOST, "cores": 8}), "it was made on another machine (cores 8 then, 2 now)"),
        (made(signoff="0.9"), "it was made with other versions (signoff 0.9 then, 0.0 now)"),
        (made(versions={**VERSIONS, "locust": "1.0"}), "it was made with other versions (locust 1.0 then, 2.0 now)"),
        (made(level(1, 100.0)), "it was made for 1 users, and one load process of this run had 2"),
        (made(level(2, 0.5)), "it was made for 0.500 chunks/s, and one load process of this run took more"),
    ],
)
def test_what_a_calibration_does_not_speak_for_is_named(tmp_path: Path, found: Calibration, told: str) -> None:
    """Another machine, other versions, less load: said in the line, and no doubt about the run."""
    doubtful = run(tmp_path, found)
    held = calibration.figures(doubtful)
    assert ("doubtful", (told,)) == (held.state, held.doubts)
    assert calibration.sentence(held).endswith(f" But {told}: run `signoff calibrate` again.")
    assert [] == doubts(doubtful)


def test_a_calibration_that_failed_is_one_short_line(tmp_path: Path) -> None:
    """Without its figures, which are those of a machine that could not measure."""
    held = calibration.figures(run(tmp_path, made(level(2, 100.0, is_measured=False))))
    assert ("doubtful", True, ("at 2 users it was not within its tolerance",)) == (held.state, held.failed, held.doubts)
    said = f"Calibration of {str(held.created_utc)[:10]} failed: it was not within its tolerance at 2 users, "
    assert f"{said}so nothing is said of this run. Run `signoff calibrate` again." == calibration.sentence(held)


def test_versions_that_make_no_load_do_not_matter(tmp_path: Path) -> None:
    """Another pandas changes no measurement."""
    assert "fresh" == calibration.figures(run(tmp_path, made(versions={**VERSIONS, "pandas": "9.9"}))).state


def test_a_run_over_tls_needs_a_calibration_over_tls(tmp_path: Path) -> None:
    """Decrypting costs the client, so plain text proves nothing of it."""
    urls = {"a": "https://api.example.com/v1"}
    held = calibration.figures(run(tmp_path, made(), urls=urls))
    assert ("it was made without TLS (--tls), which this run used",) == held.doubts
    assert "fresh" == calibration.figures(run(tmp_path, made(load={"tls": True}), urls=urls)).state


def test_users_are_those_of_one_load_process(tmp_path: Path) -> None:
    """Two processes share two users, and the rate of each is half; what was made with fewer does not speak for them."""
    found = made(level(2, 100.0), load={"processes": 2})
    held = calibration.figures(run(tmp_path, found, workers=2))
    assert ("fresh", 2, 0.5) == (held.state, held.users, held.needed_per_s)
    held = calibration.figures(run(tmp_path, found))
    assert ("it was made for 1 users, and one load process of this run had 2",) == held.doubts
    held = calibration.figures(run(tmp_path, made(level(1, 100.0)), workers=2))
    assert ("it was made with --processes 1, and this run had 2",) == held.doubts


def test_processes_that_share_cores_have_less_room(tmp_path: Path) -> None:
    """Four on two cores: each may have half of one, so a tenth of one leaves five times."""
    held = calibration.figures(run(tmp_path, made(load={"processes": 4}), workers=4))
    assert ("fresh", 5.0) == (held.state, pytest.approx(held.headroom))


def test_a_run_without_streams_is_held_against_whole_answers(tmp_path: Path) -> None:
    """Their ceiling is the one of requests, and of the errors there is only that of e2e."""
    none = ErrorFigures(n=0, p50_s=0.2, p50_error_s=None, p99_s=0.4, p99_error_s=None)
    whole = made(level(2, 100.0, ttft=none, icl=none, tpot=none), requests=2.0, load={"stream": False})
    plain = run(tmp_path, whole)
    endpoints = {name: {**each, "stream": False} for name, each in plain.manifest.scenario["endpoints"].items()}
    held = calibration.figures(run(tmp_path, whole, scenario={**plain.manifest.scenario, "endpoints": endpoints}))
    assert ("fresh", 2.0, 2.0) == (held.state, held.ceiling_per_s, held.headroom)
    assert "at 2 users: e2e +20.0 µs at p50 and -100 µs at p99 from the truth." in calibration.sentence(held)
    expected = "it was made for answers that are not streamed, and those of this run are streamed"
    assert (expected,) == calibration.figures(plain).doubts


@pytest.mark.parametrize(
    ("ceiling", "cpu", "headroom", "little"),
    [(100.0, 0.1, 10.0, False), (1.5, 0.1, 1.5, True), (100.0, 0.6, 1 / 0.6, True), (2.0, 0.1, 2.0, False)],
)
def test_little_headroom_is_a_finding_that_leaves_the_run_valid(
    tmp_path: Path, ceiling: float, cpu: float, headroom: float, little: bool
) -> None:
    """Under 2, by the ceiling or by the core."""
    near = run(tmp_path, made(ceiling=ceiling), cpu_ratio=cpu)
    assert headroom == pytest.approx(calibration.figures(near).headroom)
    assert ([("little_headroom", False)] if little else []) == [(each.code, each.invalid) for each in doubts(near)]


def test_the_ceiling_of_another_machine_is_no_headroom(tmp_path: Path) -> None:
    """However full it was, nothing is said of it; nor where the calibration itself was not within its tolerance."""
    for found in (made(ceiling=1.0, host={**HOST, "cores": 8}), made(level(2, 100.0, is_measured=False), ceiling=1.0)):
        near = run(tmp_path, found)
        assert calibration.figures(near).headroom is None
        assert [] == doubts(near)


def test_the_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Whole, private to its owner, in a folder that is made for it."""
    file = tmp_path / "new" / results.CALIBRATION
    results.write_calibration(file, made())
    assert made() == results.read_calibration(file)
    assert 0o600 == file.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"{", "not a calibration"),
        (b'{"v": 99, "new": 1}', "a calibration of version 99, and this signoff reads version 1"),
        (b'{"v": 1, "signoff": "0.0"}', "not a calibration"),
        (b"\xff\xfe", "not a calibration"),
    ],
)
def test_what_is_no_calibration_of_ours_is_refused_and_costs_no_report(tmp_path: Path, data: bytes, what: str) -> None:
    """Reading it is an error with a remedy; a report says so in its line and goes on."""
    held = calibration.figures(run(tmp_path, data))
    with pytest.raises(HarnessError, match=what) as refused:
        results.read_calibration(tmp_path / results.CALIBRATION)
    assert "make it again: `signoff calibrate`" == refused.value.remedy
    assert "unreadable" == held.state
    assert calibration.sentence(held).startswith(f"Not calibrated, {what}")


def test_endpoints_that_ran_at_once_are_one_load(tmp_path: Path) -> None:
    """Two endpoints of two users each in one step: four users, and the chunks of both, held against the calibration."""
    one = run(tmp_path, made(level(2, 100.0), level(4, 200.0), level(50, 2_000.0)))
    plan = tuple(msgspec.structs.replace(block, step=block.id) for block in one.manifest.plan)
    beside = tuple(msgspec.structs.replace(block, id=block.id + 2, cell=1, endpoint="b") for block in plan)
    starts = [
        (msgspec.structs.replace(each.start, id=f"b{each.start.id}", endpoint="b", block=3), each) for each in one.attempts
    ]
    attempts = [*one.attempts, *(replace(each, start=start) for start, each in starts)]
    marks = [*one.marks, *((worker, msgspec.structs.replace(mark, block=mark.block + 2)) for worker, mark in one.marks)]
    manifest = msgspec.structs.replace(one.manifest, plan=(plan[0], beside[0], plan[1], beside[1]))
    both = calibration.figures(replace(one, manifest=manifest, attempts=attempts, marks=marks))
    alone = calibration.figures(one)
    assert alone.needed_per_s is not None
    assert (2, 4) == (alone.users, both.users)
    assert both.needed_per_s == pytest.approx(2 * alone.needed_per_s)
