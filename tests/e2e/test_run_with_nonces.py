"""A run whose prompts have nonces: its cache finds what was meant to repeat and nothing else, and all can be made again."""

import json
from collections import Counter
from collections.abc import Callable

import pytest
from screen import Done

from harness import results
from harness.loadgen import prepare
from harness.results import Run

SCENARIO = """
name: nonces
endpoints:
  keeps:
    model: sim
    simulated: {ttft: {median_s: 0.03, sigma: 0}, itl: {median_s: 0.01, sigma: 0}, accuracy: 1, prefix_cache: true}
prompts: {dataset: examples.jsonl, nonce: attempt, reuse_share: 0.5}
load: {levels: [3], warmup_s: 0.3, measure_s: 1.2, drain_s: 3}
grading: {scorer: exact}
"""
WORDS = 64  # of a prompt: with the nonce's word in front, four blocks of the simulator's cache and one token


@pytest.fixture(scope="module")
def run(signoff: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("nonces")
    (folder / "scenario.yaml").write_text(SCENARIO)
    rows = [
        {"id": f"q{n}", "prompt": " ".join(f"w{n}x{word}" for word in range(WORDS)), "expected": f"It is {n}."}
        for n in range(9)
    ]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = signoff("run", folder, "--out", folder / "runs", "--metrics", "", "-q")
    assert done.code in (0, 4), done.err  # a busy machine may have looked late, and says so
    assert "Input read from a prompt cache, by usage, at the highest load: keeps" in " ".join(done.out.split())
    return results.read_run(folder / "runs" / "latest")


def test_the_cache_finds_what_was_meant_to_repeat(run: Run) -> None:
    """Four blocks where example and nonce were asked before, else nothing, by the simulator's count; and no doubt is told."""
    asked = Counter((each.start.example, each.start.nonce) for each in run.attempts)
    truth = [json.loads(line)["cached_tokens"] for line in (run.path / "truth.jsonl").read_text().splitlines()]
    assert {0, WORDS} == set(truth)
    assert sum(count - 1 for count in asked.values()) == truth.count(WORDS)
    assert None not in {nonce for _, nonce in asked}
    summary = json.loads((run.path / "summary.json").read_text())
    assert "cached_repeats" not in {finding["code"] for finding in summary["findings"]}
    assert 0 < summary["endpoints"]["keeps"]["levels"]["3"]["tokens"]["cached_ratio"] < 1


def test_every_answer_is_right_all_the_same(run: Run) -> None:
    """The simulator knows each prompt behind its nonce, and grading sees the example."""
    success = json.loads((run.path / "summary.json").read_text())["endpoints"]["keeps"]["levels"]["3"]["success"]
    assert success["n"] == success["k"] > 0


def test_what_was_sent_is_made_again_from_manifest_and_journal(run: Run) -> None:
    """A user's place in the order is how many it began before in the cell; example and nonce of each are as they were."""
    calls, blocks = prepare.calls(run.manifest), {block.id: block for block in run.manifest.plan}
    taken: Counter[int] = Counter()
    for each in sorted(run.attempts, key=lambda each: each.start.dispatched_ns or 0):
        block, user = blocks[each.start.block], each.start.user
        call = calls.at(block, user + taken[user] * block.concurrency)
        taken[user] += 1
        assert (call.example, call.nonce) == (each.start.example, each.start.nonce)
