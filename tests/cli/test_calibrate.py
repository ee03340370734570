"""`signoff calibrate` without load: what it refuses, what it takes from a scenario, and how it tells what it found."""

import sys
from pathlib import Path
from typing import Any

import pytest
from small_scenario import Invoke

from harness.calibration import Calibration, Ceiling, ErrorFigures, KnownLoad, LevelCalibration
from harness.cli import calibrate, calibration_words, known_load
from harness.cli.calibration_figures import limit
from harness.cli.known_load import Cores, Steps
from harness.cli.planned_load import Plan, planned
from harness.records import Finding

GOOD = ErrorFigures(n=200, p50_s=0.2, p50_error_s=0.00008, p99_s=0.4, p99_error_s=-0.0002)
EXACT = ErrorFigures(n=200, p50_s=0.02, p50_error_s=0.0, p99_s=0.04, p99_error_s=0.0)


@pytest.mark.parametrize(
    ("words", "place", "remedy"),
    [
        (("--users", "0"), "--users: (0,)", "whole numbers from 1"),
        (("--users", "-5", "--users", "3"), "--users: (-5, 3)", "whole numbers from 1"),
        (("--users", "1000000"), "--users: (1000000,)", "100,000"),
        (("--prompt-bytes", "0"), "--prompt-bytes: 0 ", "1 to 1,000,000 bytes"),
        (("--processes", "0"), "--processes", "greater than or equal to 1"),
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
    """Levels, prompts of 14 bytes with what is said before them, answers as short as may be, and TLS; options win."""
    shape = Plan((1, 4), prompt_bytes=len("Be brief." + "Say x"), tokens=2, tls=True)
    assert shape == planned(str(scenario))
    said = {"users": (9, 3, 9), "processes": 2, "prompt_bytes": 64, "tokens": 9, "gap_s": 0.005, "seconds": 2.0}
    expected = shape._replace(**said | {"users": (3, 9)}, stream=False, tls=False)
    assert expected == planned(str(scenario), **said, stream=False, tls=False)


def test_the_default_plan_is_two_levels_of_plain_streams() -> None:
    """50 and 500 users at one process, over HTTP."""
    assert Plan((50, 500), 1, 200, 128, 0.2, 0.02, 10.0, stream=True, tls=False) == planned(None)


ASKED = "prompts: {dataset: d.jsonl}\nload: {levels: [1]}\n"
REAL = "{model: m, base_url: 'http://127.0.0.1:9/v1', "
TEN, FOUR = '"one two three four five six seven eight nine ten"', '"one two three four"'
SHAPES = {
    "what references say": (f"{REAL}}}", f'"reference":{TEN}', {"tokens": 10}),
    "what is expected": (f"{REAL}}}", f'"expected":{FOUR}', {"tokens": 4}),
    "never more than allowed": (f"{REAL}parameters: {{max_tokens: 7}}}}", f'"reference":{TEN}', {"tokens": 7}),
    "all that is allowed": (f"{REAL}extra_body: {{max_completion_tokens: 70}}}}", "", {"tokens": 70}),
    "nobody says": (f"{REAL}}}", "", {}),
    "long answers are cut": (f"{REAL}parameters: {{max_tokens: 9000}}}}", "", {"tokens": 500}),
    "not streamed": (f"{REAL}stream: false}}", "", {"stream": False}),
    "a pace that is known": (
        "{model: m, simulated: {ttft: {median_s: 0.1}, itl: {median_s: 0.01}, tokens_per_chunk: 4, reasoning_tokens: 9}}",
        *(f'"reference":{TEN}', {"tokens": 5, "gap_s": 0.04, "ttft_s": 0.1}),
    ),
    "a service time that is known": (
        "{model: m, simulated: {service: {mean_s: 1.0, first_ratio: 0.25}, reasoning_tokens: 7}}",
        *(f'"reference":{TEN}', {"tokens": 17, "gap_s": 0.75 / 16, "ttft_s": 0.25}),
    ),
}


@pytest.mark.parametrize(("endpoint", "answer", "fields"), SHAPES.values(), ids=SHAPES)
def test_a_scenario_sets_the_shape_of_its_answers(tmp_path: Path, endpoint: str, answer: str, fields: dict[str, Any]) -> None:
    """Their length in chunks, their pace, and whether they stream."""
    (tmp_path / "scenario.yaml").write_text(f"name: s\nendpoints: {{a: {endpoint}}}\n{ASKED}")
    (tmp_path / "d.jsonl").write_text(f'{{"id":"a","prompt":"é"{"," if answer else ""}{answer}}}\n')
    assert Plan((1,), prompt_bytes=2)._replace(**fields) == planned(str(tmp_path))


def test_sizes_are_means_and_the_busiest_endpoint_counts(tmp_path: Path) -> None:
    """Prompts of 1 and 4 bytes, answers of 2 and 5 tokens, rounded up; of two paces the one with more chunks a second."""
    slow, quick = (f"{{model: m, simulated: {{itl: {{median_s: {gap}}}}}}}" for gap in (0.03, 0.002))
    (tmp_path / "scenario.yaml").write_text(f"name: s\nendpoints: {{a: {slow}, b: {quick}, c: {REAL}}}}}\n{ASKED}")
    rows = ('{"id":"a","prompt":"x","reference":"one two"}', '{"id":"b","prompt":"xxxx","reference":"a b c d e"}')
    (tmp_path / "d.jsonl").write_text("\n".join(rows))
    assert Plan((1,), prompt_bytes=3, tokens=4, gap_s=0.002) == planned(str(tmp_path))


def test_users_are_out_of_step_and_long_answers_fit() -> None:
    """Warm-up lasts an answer, and a window at least one and a half."""
    plan = Plan((5,), tokens=1_000, gap_s=0.03)
    assert (pytest.approx(30.2), pytest.approx(45.3)) == (calibrate._warmup_s(plan), calibrate._measure_s(plan))


def steps(prompt_bytes: int, examples: int) -> Steps:
    return Steps((1,), 2, prompt_bytes, 0.0, 1.0, 1.0, examples)


@pytest.mark.parametrize(("size", "said"), [(40, 40), (1_000, 1_000), (1, len("This is ticket q7. "))])
def test_prompts_have_the_size_that_is_asked_for(size: int, said: int) -> None:
    """Each different; one that has no room for its number is as long as that takes."""
    prompts = [known_load._prompt(each, size) for each in known_load._examples(steps(size, 10))]
    assert (10, {said}) == (len({*prompts}), {len(prompt) for prompt in prompts})


@pytest.mark.parametrize(("size", "kept"), [(200, 5_000), (64 << 10, 1_024), (1_000_000, 100)])
def test_large_prompts_are_asked_again(size: int, kept: int) -> None:
    """64 MB of them are made, a hundred at least: a load process holds them all."""
    assert kept == len([*known_load._examples(steps(size, 5_000))])


@pytest.mark.parametrize(
    ("usable", "processes", "expected"),
    [
        ({0, 1, 2, 3}, 1, Cores(0, (3,))),
        ({0, 1, 2, 3}, 2, Cores(0, (2, 3))),
        ({4, 6}, 3, Cores(4, (6,))),
        ({2}, 1, Cores(None, ())),
    ],
)
def test_the_simulator_has_a_core_of_its_own(
    monkeypatch: pytest.MonkeyPatch, usable: set[int], processes: int, expected: Cores
) -> None:
    """And each load process, as far as there are cores."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: usable, raising=False)
    assert expected == known_load.cores(processes)


def level(users: int, *, headroom: float | None = 5.0, findings: tuple[Finding, ...] = ()) -> LevelCalibration:
    return LevelCalibration(
        users=users,
        attempts=200,
        unmatched=0,
        window_s=10.0,
        chunks_per_s=45.0 * users,
        ttft=GOOD,
        icl=EXACT,
        tpot=GOOD,
        e2e=GOOD,
        read_lag_p50_s=0.0005,
        read_lag_p99_s=0.001,
        coalesced_ratio=0.001,
        cpu_ratio=0.2,
        cpu_s_per_chunk=0.000018,
        headroom=headroom,
        simulator_late_p50_s=0.00002,
        simulator_late_p99_s=0.0001,
        is_measured=not any(finding.invalid for finding in findings),
        findings=findings,
    )


def told(*levels: LevelCalibration, limited_by: str = "client", **fields: Any) -> str:
    plan = Plan(users=tuple(each.users for each in levels))._asdict()
    load = KnownLoad(**plan | {"simulator_core": 0, "client_cores": (3,), "priority": "none"} | fields)
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
    """No headroom; the codes and what to do in the verdict, what was seen above it, and the level below is still good."""
    limited = Finding(code="client_limited", what="it looked late", why="w", remedy="take fewer", invalid=True)
    said = told(level(50), level(500, headroom=None, findings=(limited,)))
    assert "500 users: it looked late (client_limited)." in said
    assert "This machine can measure 50 users" in said
    expected = (
        "It cannot measure 500 users by one load process, not now: client_limited. So there is no headroom to tell. "
        "To do: take fewer."
    )
    assert expected in said
    *_, row = (line.split() for line in said.splitlines() if line.split()[:1] == ["500"] and "%" in line)
    assert "\N{EN DASH}" == row[-5]  # before the simulator's two figures, each with its unit


def test_whole_answers_are_judged_by_their_end() -> None:
    """They have no first token, and their rate is one of answers."""
    said = told(level(50), stream=False)
    assert "can measure 50 users, 2,250 answers/s, by one load process: e2e within 200 µs of the truth at p50 and p99;" in said
    assert "answers/s  TTFT p50" in said


def test_little_headroom_is_said() -> None:
    """Under 2."""
    assert "; headroom 1.9, which is little: a burst makes it late." in told(level(50, headroom=1.9))


@pytest.mark.parametrize(
    ("cpu_ratio", "wait_ratio", "limited_by"),
    [
        (0.95, 0.0, "client"),
        (0.80, 0.08, "client"),
        (0.50, 0.0, "simulator"),
        (0.50, 0.2, "others"),
        (0.95, None, "client"),
        (0.50, None, "unknown"),
        (None, 0.0, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_who_was_the_limit(cpu_ratio: float | None, wait_ratio: float | None, limited_by: str) -> None:
    """What the kernel does not tell is not taken for nothing."""
    assert limited_by == limit(cpu_ratio, wait_ratio)


@pytest.mark.parametrize(
    ("limited_by", "words"),
    [
        ("client", "that is the ceiling"),
        ("simulator", "the simulator was the limit"),
        ("others", "other processes used its core"),
        ("unknown", "what was the limit is unknown"),
    ],
)
def test_who_was_the_limit_is_said(limited_by: str, words: str) -> None:
    """A ceiling that the client did not reach is called a lower bound."""
    assert f"Streams without a pause: 150,000 tokens/s with 64 users, CPU 99.0 %; {words}" in told(
        level(50), limited_by=limited_by
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "The simulator on core 0, one load process on core 3; no raised priority."),
        ({"client_cores": ()}, "Simulator and one load process not pinned; no raised priority."),
        (
            {"processes": 2, "client_cores": (2, 3)},
            "The simulator on core 0, 2 load processes on cores 2, 3; no raised priority.",
        ),
        ({"processes": 2}, "so load processes share what is left: in a run each may have more."),
        ({"processes": 4}, "This machine can measure 50 users, 2,250 tokens/s, by 4 load processes: "),
    ],
)
def test_where_it_ran_is_said(fields: dict[str, Any], words: str) -> None:
    """The cores, how many load processes had them, and that the simulator could not be preferred."""
    assert words in told(level(50), **fields)


def test_the_load_is_said() -> None:
    """All that sets what it costs to measure."""
    expected = (
        "Prompts of 200 bytes; answers of 128 tokens, the first after 200 ms, the others 20.0 ms apart, streamed over HTTP."
    )
    assert expected == told(level(50)).splitlines()[0]


def test_importing_it_does_not_load_locust() -> None:
    """The command line is never monkey-patched."""
    assert "locust" not in sys.modules
