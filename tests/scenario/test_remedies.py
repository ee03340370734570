"""A value of the wrong kind is answered by the line that would have been right."""

from pathlib import Path

import pytest

from harness import scenario_file
from harness.errors import HarnessError

SCENARIO = """\
name: small
endpoints:
  fast: {model: m, simulated: {}}
prompts: {dataset: d.jsonl}
load: {levels: [1]}
"""


def _told(folder: Path, override: str) -> str:
    (folder / "d.jsonl").write_text('{"id":"a","prompt":"x"}\n')
    (folder / "scenario.yaml").write_text(SCENARIO)
    with pytest.raises(HarnessError) as caught:
        scenario_file.load(folder, [override])
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("slo=ttft.p99 <= 800 ms", "it is a list: write `slo: [ttft.p99 <= 800 ms]`"),
        ("load.levels=4", "it is a list: write `levels: [4]`"),
        ("load.levels=ten", "it is a list: write `levels: [1]`"),
        ("load.think_s=3", "write `think_s: {median_s: 3}`"),
        ("load.think_s=three", "write `think_s: {median_s: 1}`"),
        ("load={kind: open, levels: [1], arrivals: poisson}", "write `arrivals: {process: poisson}`"),
        ("load={kind: open, levels: [1], arrivals: often}", "write `arrivals: {process: constant}`"),
        ("load={kind: open, levels: [1], arrivals: {shape: 3}}", "write `shape: {kind: diurnal, ...}`; kinds: diurnal, flat"),
        ("load.search=3", "write `search: {begin: 3, most: ...}`"),
        ("prompts=d.csv", "write `prompts: {dataset: d.csv}`"),
        ("grading=choice", "write `grading: {scorer: choice}`"),
        ("budget=20", "write `budget: {usd: 20}`"),
        ("endpoints.fast.headers=3", "write `headers: {NAME: value}`"),
        ("load.measure_s=10s", "a number of seconds: 10"),
        ("load.measure_s=2 min", "a number of seconds: 120"),
        ("load.measure_s=a while", "a number of seconds, for example 10"),
        ("budget.minutes=1.5h", "a number of minutes: 90"),
        ("budget.errors=20 %", "a share from 0 to 1: 0.2"),
        ("load.levels=[4 users]", "a number: 4"),
    ],
)
def test_a_value_of_the_wrong_kind_is_shown_as_it_is_written(tmp_path: Path, override: str, remedy: str) -> None:
    """The remedy has the user's own value where it fits, and no word of the library that read it."""
    what, _, told = _told(tmp_path, override).partition("\n  ")
    assert told.startswith(remedy)
    assert "instance of" not in what
    assert "parse string" not in what


def test_a_value_that_may_be_a_secret_is_in_no_remedy(tmp_path: Path) -> None:
    """What stands under headers is not repeated."""
    assert "CANARY" not in _told(tmp_path, "endpoints.fast.headers=CANARY")


def test_a_mistake_in_a_search_is_the_only_one(tmp_path: Path) -> None:
    """Levels are not asked for, since a search was written in their place."""
    assert "--set load.search.most: key 'most' is required and missing" == _told(tmp_path, "load={search: {begin: 1}}")
