"""The committed dashboards, as the tests of this folder read them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}


class Query(NamedTuple):
    dashboard: str
    panel: str
    ref: str
    expr: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.ref}"


def panels(dashboard: str) -> list[dict[str, Any]]:
    """Every panel that shows something: all but the row headings."""
    return [panel for panel in DASHBOARDS[dashboard]["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """Every query of every panel, and of the annotations."""
    shown = [
        Query(name, panel["title"], target["refId"], target["expr"])
        for name in DASHBOARDS
        for panel in panels(name)
        for target in panel["targets"]
    ]
    marked = [
        Query(name, "annotations", each["name"], each["expr"])
        for name, board in DASHBOARDS.items()
        for each in board["annotations"]["list"]
    ]
    return shown + marked
