"""The few kinds of panel that the dashboards are made of, as the plain dicts of Grafana's dashboard model.

The one rule: a panel cannot be made without a description and a unit, and carries no threshold but the scenario's own.
(grafana-foundation-sdk was tried: it writes schema version 36, `"options": null`, equal panel ids and empty refIds.)
"""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 41  # read by Grafana 12 and 13
WIDTH = 24
HEIGHT = 8
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
# Without steps of its own a panel gets Grafana's: green, and red from 80, whatever the unit.
NO_THRESHOLDS: Json = {"mode": "absolute", "steps": [{"color": "text", "value": None}]}
SLO = "SLO"  # refId of the query that draws an objective


def query(expr: str, legend: str = "", *, format_: str = "time_series") -> Json:
    """One PromQL expression over the time range; `refId` is given by the panel."""
    return {"datasource": DATASOURCE, "expr": expr, "legendFormat": legend, "format": format_, "range": True, "instant": False}


def slo(selector: str) -> Json:
    """The scenario's objectives that `selector` matches, drawn as dashed lines."""
    return query(f"signoff_slo_threshold{{{selector}}}", "SLO {{statistic}} {{op}}") | {"refId": SLO}


def timeseries(title: str, description: str, unit: str, queries: Sequence[Json], **custom: Any) -> Json:
    """Lines over time; `custom` overrides how they are drawn (`stacking`, `lineInterpolation`, `fillOpacity`)."""
    drawn = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False} | custom
    fields = {"color": {"mode": "palette-classic"}, "min": 0, "unit": unit, "custom": drawn, "thresholds": NO_THRESHOLDS}
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, queries, options, {"defaults": fields, "overrides": [_dashed_red()]})


def stat(title: str, description: str, unit: str, expr: str, legend: str = "", *, text_mode: str = "value_and_name") -> Json:
    """The newest value, large. `text_mode="name"` shows the legend alone: for info metrics."""
    fields = {
        "color": {"mode": "fixed", "fixedColor": "text"},
        "unit": unit,
        "noValue": "none yet",
        "thresholds": NO_THRESHOLDS,
    }
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": text_mode,
        "colorMode": "none",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
    }
    panel = _panel("stat", title, description, [query(expr, legend)], options, {"defaults": fields, "overrides": []})
    return panel | {"gridPos": {"h": 4}}


def heatmap(title: str, description: str, unit: str, expr: str) -> Json:
    """Counts per Prometheus bucket over time; `expr` sums by `le`, `unit` is that of `le`."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "steps": 64,
            "reverse": False,
            "scale": "exponential",
            "exponent": 0.5,
        },
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": False},
        "yAxis": {"unit": unit, "axisPlacement": "left", "reverse": False},
    }
    fields = {"defaults": {"unit": "short", "thresholds": NO_THRESHOLDS}, "overrides": []}
    return _panel("heatmap", title, description, [query(expr, "{{le}}", format_="heatmap")], options, fields)


def labels_variable(name: str, metric: str) -> Json:
    """A multi-select of the values that label `name` has on `metric`; all of them at first."""
    expr = f"label_values({metric}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": name,
        "datasource": DATASOURCE,
        "definition": expr,
        "query": {"query": expr, "refId": "labels", "qryType": 1},
        "refresh": 2,  # when the time range changes: values appear while the run goes on
        "sort": 3,  # as numbers
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def choice_variable(name: str, label: str, values: Sequence[str], chosen: Sequence[str]) -> Json:
    """A multi-select of fixed values."""
    options = [{"text": value, "value": value, "selected": value in chosen} for value in values]
    current = {"text": list(chosen), "value": list(chosen)}
    fixed = {"type": "custom", "name": name, "label": label, "query": ",".join(values), "multi": True, "includeAll": False}
    return fixed | {"options": options, "current": current}


def dashboard(uid: str, title: str, description: str, rows: Sequence[tuple[str, Sequence[Json]]], **parts: Any) -> Json:
    """A whole dashboard: `rows` are (title, panels) from top to bottom; `parts` adds `variables` and `annotations`."""
    source = {"type": "datasource", "name": "datasource", "label": "data source", "query": "prometheus", "current": {}}
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["signoff"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,  # one crosshair over all panels
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *parts["variables"]]},
        "annotations": {"list": list(parts["annotations"])},
        "panels": _laid_out(rows),
    }


def _panel(kind: str, title: str, description: str, queries: Sequence[Json], options: Json, fields: Json) -> Json:
    targets = [{"refId": chr(ord("A") + index)} | target for index, target in enumerate(queries)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": targets,
        "options": options,
        "fieldConfig": fields,
        "gridPos": {"h": HEIGHT},
    }


def _dashed_red() -> Json:
    style = {"color": {"mode": "fixed", "fixedColor": "red"}, "custom.lineStyle": {"fill": "dash", "dash": [8, 8]}}
    looks = style | {"custom.lineWidth": 1, "custom.fillOpacity": 0, "custom.stacking": {"mode": "none", "group": SLO}}
    properties = [{"id": key, "value": value} for key, value in looks.items()]
    return {"matcher": {"id": "byFrameRefID", "options": SLO}, "properties": properties}


def _laid_out(rows: Sequence[tuple[str, Sequence[Json]]]) -> list[Json]:
    """Row headings and panels with ids and places: the panels of a row share its width; stats stand above the rest."""
    placed: list[Json] = []
    top = 0
    for title, panels in rows:
        placed.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _place(top, 1, 0, WIDTH)})
        top += 1
        for line in _lines(panels):
            width = WIDTH // len(line)
            height = line[0]["gridPos"]["h"]
            placed += [panel | {"gridPos": _place(top, height, at * width, width)} for at, panel in enumerate(line)]
            top += height
    return [{"id": number} | panel for number, panel in enumerate(placed, start=1)]


def _lines(panels: Sequence[Json]) -> list[Sequence[Json]]:
    stats = [panel for panel in panels if panel["type"] == "stat"]
    graphs = [panel for panel in panels if panel["type"] != "stat"]
    pairs = [graphs[start : start + 2] for start in range(0, len(graphs), 2)]
    return [stats, *pairs] if stats else list(pairs)


def _place(top: int, height: int, left: int, width: int) -> Json:
    return {"h": height, "w": width, "x": left, "y": top}
