"""What other tools write down, in files of the form that their pinned versions write, and how it is held against the truth."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.simulator.truth import Delivery
from tests.benchmarks.peers import aiperf, contest, fast_http_user, guidellm, signoff, vllm_bench
from tests.benchmarks.peers.contest import Case, Outcome, Round
from tests.benchmarks.peers.task import Heard, Task
from tests.benchmarks.processes import Sample
from tests.benchmarks.test_benchmarks import sent

SECOND = 1_000_000_000


def task(folder: Path, *, stream: bool = True, requests: int = 2) -> Task:
    return Task(
        streams=3,
        tokens=3,
        stream=stream,
        warmup=3,
        requests=requests,
        warmup_s=1.0,
        measure_s=2.0,
        url="http://127.0.0.1:1/v1",
        python=Path("env/bin/python"),
        folder=folder,
    )


def write(file: Path, *lines: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(json.dumps(line) for line in lines))


def test_vllm_bench_keeps_every_gap(tmp_path: Path) -> None:
    """First tokens and gaps of its detailed result, without those of requests that failed, which it counts."""
    seen = {"failed": 1, "ttfts": [0.2, 0.0, 0.3], "itls": [[0.02, 0.03], [9.0], [0.04]], "errors": ["", "reset", ""]}
    write(tmp_path / "seen.json", seen)
    assert Heard([0.2, 0.3], [0.02, 0.03, 0.04], failed=1) == vllm_bench.heard(task(tmp_path))


def test_aiperf_keeps_every_gap_and_its_warmup_apart(tmp_path: Path) -> None:
    """Milliseconds of the records of its profiling phase; one that has an error or is missing has failed."""
    records = [
        {
            "metadata": {"benchmark_phase": phase},
            "metrics": {"time_to_first_token": {"value": ttft}, "inter_chunk_latency": {"value": [20.0, 30.0]}},
        }
        for phase, ttft in (("warmup", 900.0), ("profiling", 200.0), ("profiling", 300.0))
    ]
    write(tmp_path / "artifacts" / "profile_export.jsonl", *records)
    assert Heard([0.2, 0.3], [0.02, 0.03, 0.02, 0.03]) == aiperf.heard(task(tmp_path))
    write(tmp_path / "artifacts" / "profile_export.jsonl", *records[:2], {**records[2], "error": {"code": 500}})
    assert Heard([0.2], [0.02, 0.03], failed=2) == aiperf.heard(task(tmp_path, requests=3))


def test_guidellm_keeps_means_and_names_its_answers(tmp_path: Path) -> None:
    """One mean for each gap of an answer, and the simulator's own number in the response's id."""
    answer = {"response_id": "chatcmpl-candidate-7", "time_to_first_token_ms": 200.0, "inter_token_latency_ms": 20.0}
    requests = {"successful": [{**answer, "output_tokens": 3}], "errored": [], "incomplete": []}
    write(tmp_path / "seen.json", {"benchmarks": [{"requests": requests}]})
    assert Heard([0.2], [0.02, 0.02], means=True, numbers=frozenset({7})) == guidellm.heard(task(tmp_path))
    write(tmp_path / "seen.json", {"benchmarks": [{"requests": {**requests, "incomplete": [answer]}}]})
    assert 1 == guidellm.heard(task(tmp_path)).failed


def test_locust_is_told_how_long_and_its_warmup_is_cut_off(tmp_path: Path) -> None:
    """What was asked in the first second is not measured."""
    write(tmp_path / "seen.json", {"began_ns": 5, "answers": [[5, 0.9, [0.9]], [5 + SECOND, 0.2, [0.02]]]})
    assert Heard([0.2], [0.02], since_ns=5 + SECOND) == fast_http_user.heard(task(tmp_path))


def test_the_truth_of_a_tool_is_of_the_requests_that_it_measured(tmp_path: Path) -> None:
    """The last ones of a number, those it names, or those since a moment; what was cut off is nobody's."""
    lines = [sent("a", n * SECOND, [(n + 1) * SECOND], n=n) for n in (3, 1, 2)]

    def numbers(heard: Heard) -> list[int]:
        return [line.n for line in contest._measured(heard, task(tmp_path), lines)]

    assert [2, 3] == numbers(Heard([], []))
    assert [1, 3] == numbers(Heard([], [], numbers=frozenset({1, 3})))
    assert [3] == numbers(Heard([], [], since_ns=3 * SECOND))


def test_an_outcome_is_what_was_used_and_how_wrong_it_was(tmp_path: Path) -> None:
    """Two answers of three tokens in two seconds for half a second of processor time; TTFT 10 % too long, gaps right."""
    lines: list[Delivery] = [
        sent("a", 0, [1_000_000_000, 1_500_000_000, 2_000_000_000], n=1),
        sent("b", 0, [1_000_000_000, 1_500_000_000, 2_100_000_000], n=2),
    ]
    samples = [Sample(round(at_s * SECOND), at_s / 4, 0) for at_s in (0.0, 0.5, 1.0, 2.05, 3.0)]
    outcome = contest._outcome(samples, Heard([1.1, 1.1], [0.5, 0.5, 0.5, 0.6]), task(tmp_path), lines)
    assert (outcome.cpu_us, outcome.core) == pytest.approx((2.05 / 4 / 5 * 1e6, 0.25))
    assert (outcome.ttft_p50, outcome.ttft_p99, outcome.gap_p99) == pytest.approx((0.1, 0.1, 0.0))


def test_means_are_held_against_means() -> None:
    """A tool that keeps one mean for an answer is not blamed for the spread of its gaps."""
    lines = [sent("a", 0, [0, SECOND, 4 * SECOND])]
    assert [[1.0, 3.0], [2.0, 2.0]] == [contest._gaps_s(lines, means=means) for means in (False, True)]


def test_a_row_has_the_ratio_to_signoff() -> None:
    """In brackets, for what is better or worse by a factor; what failed is said, and a task that was not ended has a dash."""

    def rounds(peer: ModuleType, cpu_us: float, failed: int = 0) -> list[Round]:
        outcome = Outcome(cpu_us, 0.5, 10_000 / cpu_us, 5.0, 0.01, -0.02, 0.5, failed)
        return [Round(Case(peer, "1.0", Path()), outcome, outcome, None, outcome)]

    ours, theirs = contest.rows([rounds(signoff, 10.0), rounds(aiperf, 80.0, failed=1)])
    assert ["signoff 1.0", "10", "10", "50 %", "-2.0 %", "-2.0 %", "+1.0 %", "+50.0 %", "-", "5"] == ours
    assert ["AIPerf 1.0 (3 requests failed)", "80 (x 8)", "80 (x 8)", "-", "5 (x 1)"] == [*theirs[:3], *theirs[8:]]
    assert len(contest.HEAD) == len(ours)


@pytest.mark.parametrize("peer", [vllm_bench, aiperf, guidellm], ids=lambda peer: peer.NAME)
def test_a_tool_is_installed_by_pinned_versions(peer: ModuleType) -> None:
    """Every line of its requirements names one version, and the tool itself is among them."""
    folder = Path(contest.__file__).parent
    files = [folder / f"{peer.DISTRIBUTION}{suffix}.txt" for suffix in ("", "-alone")]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines() if not line.startswith("#")]
    assert [] == [line for line in lines if line.count("==") != 1]
    assert peer.DISTRIBUTION in [line.partition("==")[0] for line in lines]


def test_a_task_brings_prompts_and_a_tokenizer(tmp_path: Path) -> None:
    """As many prompts as requests, and a tokenizer where the hub's cache would have one, so that no network is needed."""
    made = task(tmp_path)
    made.prepare()
    assert 5 == len(made.prompts.read_text().splitlines())
    reference = (tmp_path / "hub" / "hub" / "models--local--words" / "refs" / "main").read_text()
    assert made.tokenizer.name == reference
    assert "WordLevel" == json.loads((made.tokenizer / "tokenizer.json").read_text())["model"]["type"]
