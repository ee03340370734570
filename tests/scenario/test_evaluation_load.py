"""An evaluation as a scenario says it: what it has, and what makes no sense of it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness import scenario_file
from harness.errors import HarnessError
from harness.load import EvaluationLoad, search_of
from harness.loadgen import plan
from harness.records import Phase
from harness.scenario import Scenario

FILE = """
name: t
endpoints: {a: {model: m, simulated: {}}}
prompts: {dataset: d.jsonl}
load:
  kind: evaluation
"""


def scenario(load: dict[str, Any], **prompts: Any) -> Scenario:
    endpoints = {name: {"model": "m", "simulated": {}} for name in ("a", "b")}
    whole = {"name": "t", "endpoints": endpoints, "prompts": {"dataset": "d.jsonl", **prompts}}
    return Scenario.model_validate({**whole, "load": {"kind": "evaluation", **load}})


def test_everything_has_a_default() -> None:
    """And reads back when all of it is written out, as a manifest has it."""
    load = scenario({}).load
    assert isinstance(load, EvaluationLoad)
    assert (8, 5, 1.0, 60.0) == (load.users, load.attempts_most, load.backoff_s, load.backoff_most_s)
    written = load.model_dump(mode="json")
    assert {"levels", "measure_s", "warmup_s", "aa"}.isdisjoint(written)
    assert load == EvaluationLoad.model_validate(written)
    assert None is search_of(load)


def test_the_plan_has_a_block_without_an_end_for_each_endpoint_and_repetition() -> None:
    """No warm-up; what is over when it is worked off has no seconds."""
    blocks = plan.build(scenario({"users": 3, "repetitions": 2}))
    assert 4 == len({(each.endpoint, each.repetition) for each in blocks}) == len(blocks)
    assert {(Phase.MEASURE, 0.0, 3, "3", None)} == {(b.phase, b.seconds, b.concurrency, b.level, b.rate) for b in blocks}


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"levels": [1, 4]}, "levels of an evaluation"),
        ({"measure_s": 60}, "measure_s of an evaluation"),
        ({"warmup_s": 5}, "warmup_s of an evaluation"),
        ({"search": {"begin": 1, "most": 4}}, "search of an evaluation"),
        ({"aa": "a"}, "aa of an evaluation"),
        ({"design": "parallel"}, "an evaluation in the parallel design"),
        ({"attempts_most": 0}, "greater than or equal to 1"),
        ({"backoff_s": 5, "backoff_most_s": 2}, "backoff_s of 5 and backoff_most_s of 2"),
        ({"users": 0}, "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense(load: dict[str, Any], message: str) -> None:
    """Each mistake says what is wrong with it."""
    with pytest.raises(ValidationError) as caught:
        scenario(load)
    assert message in str(caught.value)


def test_prompts_that_repeat_are_refused() -> None:
    """For each example is asked once."""
    with pytest.raises(ValidationError, match=r"prompts\.reuse_share, and an evaluation"):
        scenario({}, nonce="attempt", reuse_share=0.5)
    scenario({}, nonce="attempt")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  levels: [4]", "scenario.yaml:5 load: levels of an evaluation"),
        ("  userz: 4", "scenario.yaml:7 load.userz: unknown key 'userz'"),
        ("  attempts_most: five", "scenario.yaml:7 load.attempts_most: 'five'"),
    ],
)
def test_a_mistake_has_its_place(line: str, said: str, tmp_path: Path) -> None:
    """The line of the file."""
    (tmp_path / "scenario.yaml").write_text(FILE + line)
    (tmp_path / "d.jsonl").touch()
    with pytest.raises(HarnessError) as caught:
        scenario_file.load(tmp_path)
    assert said in str(caught.value)
