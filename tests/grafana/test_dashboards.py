"""The committed dashboards are what the code makes, and keep the rules that a good dashboard keeps."""

import re
import runpy
from typing import Any

import pytest
from dashboard_files import DASHBOARDS, GRAFANA, Query, panels, queries

UNITS = {"s", "short", "none", "reqps", "percentunit", "currencyUSD", "tokens/s"}
EVERY_PANEL = [(name, panel) for name in DASHBOARDS for panel in panels(name)]
every_panel = pytest.mark.parametrize(
    ("name", "panel"), EVERY_PANEL, ids=[f"{name}: {panel['title']}" for name, panel in EVERY_PANEL]
)
every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


def test_the_committed_json_is_what_the_code_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of grafana/*.py, `python grafana/build.py` was run; no JSON lies there that nothing makes."""
    monkeypatch.syspath_prepend(GRAFANA)
    made = runpy.run_path(str(GRAFANA / "build.py"))["rendered"]()
    assert {path: path.read_text(encoding="utf-8") for path in sorted((GRAFANA / "dashboards").iterdir())} == made


@every_panel
def test_a_panel_explains_itself(name: str, panel: dict[str, Any]) -> None:
    """It has a title, a description that is a sentence, and a unit that Grafana or the reader knows."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    unit = panel["options"]["yAxis"]["unit"] if panel["type"] == "heatmap" else panel["fieldConfig"]["defaults"]["unit"]
    assert unit in UNITS


@every_panel
def test_a_panel_has_no_threshold_of_its_own(name: str, panel: dict[str, Any]) -> None:
    """Grafana's default (red from 80) is switched off: thresholds are the scenario's, drawn from signoff_slo_threshold."""
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"] == [{"color": "text", "value": None}]


@every_panel
def test_a_panel_takes_the_chosen_source(name: str, panel: dict[str, Any]) -> None:
    """Panel and queries name the data source by its variable, and every query has an id of its own."""
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    refs = [target["refId"] for target in panel["targets"]]
    assert len(refs) == len(set(refs))


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_query_keeps_the_conventions(query: Query) -> None:
    """Every range is $__rate_interval, and the parts of a histogram are only seen as rates."""
    assert set(re.findall(r"\[([^]]*)\]", query.expr)) <= {"$__rate_interval"}
    assert not re.search(r"(?<!rate\()(?<!increase\()\bsignoff_\w+_(bucket|sum|count)\b", query.expr)


@every_dashboard
def test_a_dashboard_is_found_again(name: str) -> None:
    """Its uid is stable and its own, provisioning gives the numeric id, and viewers cannot change it."""
    board = DASHBOARDS[name]
    assert board["uid"] == f"signoff-{name.replace('_', '-')}"
    assert "id" not in board
    assert (False, 1, ["signoff"]) == (board["editable"], board["graphTooltip"], board["tags"])


@every_dashboard
def test_panels_fill_the_grid_without_overlap(name: str) -> None:
    """Ids differ, and no cell of the 24 columns is taken twice."""
    placed = DASHBOARDS[name]["panels"]
    assert len(placed) == len({panel["id"] for panel in placed})
    cells = [
        (column, row)
        for grid in (panel["gridPos"] for panel in placed)
        for column in range(grid["x"], grid["x"] + grid["w"])
        for row in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {column for column, _ in cells} == set(range(24))


@every_dashboard
def test_every_variable_is_used_and_every_used_one_exists(name: str) -> None:
    """What can be chosen changes something, and no query waits for a choice that is not offered."""
    board = DASHBOARDS[name]
    texts = " ".join(query.expr for query in queries() if query.dashboard == name) + "${datasource}"
    used = set(re.findall(r"\$\{?(\w+)", texts)) - {"__rate_interval"}
    assert used == {each["name"] for each in board["templating"]["list"]}
