"""The tables of scenarios/README.md against the models: every key with its default, every objective, and the worked example."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness import assembly, scenario_file
from harness.errors import HarnessError
from harness.load import Arrivals, ClosedLoad, EvaluationLoad, OpenLoad, ReplayLoad
from harness.measure import slo
from harness.scenario import Budget, Limits
from harness.section import Section

README = (Path(__file__).parents[2] / "scenarios" / "README.md").read_text()
NONE = "\N{EN DASH}"  # this kind of load has no such key
LOADS: dict[str, type[Section]] = {
    "closed": ClosedLoad,
    "open": OpenLoad,
    "replay": ReplayLoad,
    "evaluation": EvaluationLoad,
}


def table(first: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table whose head begins so."""
    lines = README.partition(f"\n| {first} |")[2].partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return rows[0], rows[2:]


def spelled(default: Any) -> str:
    match default:
        case None:
            return "none"
        case ():
            return "you say"
        case tuple():
            return f"[{', '.join(f'{each:g}' for each in default)}]"
        case int() | float():
            return f"{default:,g}"
        case Arrivals():
            return f"{default.process}, {default.shape.kind}"
    return str(default)


@pytest.mark.parametrize("kind", LOADS)
def test_every_key_of_a_load_stands_in_the_table_with_its_default(kind: str) -> None:
    """And no other one does."""
    head, rows = table("key of `load`")
    told = {row[0].strip("`"): row[head.index(kind) + 1] for row in rows}
    fields = {name: field for name, field in LOADS[kind].model_fields.items() if name != "kind"}
    expected = {name: "you say" if field.is_required() else spelled(field.default) for name, field in fields.items()}
    assert expected == {key: default for key, default in told.items() if default != NONE}


def test_every_objective_stands_in_the_table() -> None:
    """Each metric with each of its statistics and units can be read, and there is no other metric."""
    _, rows = table("metric")
    assert list(slo.METRICS) == [row[0].strip("`") for row in rows]
    for metric, statistics, units, _ in rows:
        names = re.findall(r"`([^`]+)`", statistics) or [""]
        for statistic in names:
            for unit in re.findall(r"`([^`]+)`", units):
                name = ".".join(filter(None, (metric.strip("`"), statistic)))
                op = ">=" if metric.strip("`") in ("success", *slo.RATES) else "<="
                assert slo.parse(f"{name} {op} 0.5 {unit}").metric == metric.strip("`")
        if metric.strip("`") in slo.LATENCIES:
            assert list(slo.STATISTICS) == names
            continue
        with pytest.raises(HarnessError):
            slo.parse(f"{metric.strip('`')}.p50 <= 0.5 s")


def test_defaults_that_the_table_of_other_keys_gives() -> None:
    """Those of burst_s and errors_after."""
    told = {row[0].strip("`"): row[1] for row in table("key")[1]} | {
        row[0].strip("`"): row[1] for row in _rows("Keys that are easily overlooked")
    }
    assert told["endpoints.NAME.limits.burst_s"].endswith(f": {Limits.model_fields['burst_s'].default:g}")
    assert told["budget.errors_after"].endswith(f": {Budget.model_fields['errors_after'].default}")


def _rows(heading: str) -> list[list[str]]:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]


def test_the_worked_example_is_answered_right(tmp_path: Path) -> None:
    """As it stands in the document it is a scenario, and the simulator knows an answer to every row."""
    section = README.partition("\n## Simulate your own endpoint with your own data\n")[2]
    scenario, data = re.findall(r"```(?:yaml|json)\n(.*?)```", section, re.DOTALL)
    (tmp_path / "scenario.yaml").write_text(scenario)
    (tmp_path / "my_prompts.jsonl").write_text(data)
    loaded = scenario_file.load(tmp_path)
    config = assembly.simulator_config(loaded, None)
    assert config is not None
    assert ["billing", "claims"] == [each.right for each in config.knowledge]
