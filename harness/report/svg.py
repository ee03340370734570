"""Charts as inline SVG, made of elements and never of text, so that no label can break out of its place.

The rule: an endpoint keeps one colour and one marker in every chart (classes `s0`, `s1`, ... of the page's style sheet), and no
chart says anything that a table of the report does not say too.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from markupsafe import Markup

WIDTH, HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 26, 12, 46
STYLES = 6
_WIDE = 20  # a range of more than this is shown on a logarithmic axis


class Tick(NamedTuple):
    at: float
    label: str


class Axis(NamedTuple):
    """One axis: its range, its ticks and whether it is logarithmic."""

    title: str
    low: float
    high: float
    ticks: Sequence[Tick]
    log: bool = False

    def share(self, value: float) -> float:
        """Where the value lies, 0 at the low end and 1 at the high one."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Series(NamedTuple):
    """Points of one endpoint. style is its index; a faint line is dashed. Bars are (x low, x high, y low, y high) per point."""

    name: str
    style: int
    points: Sequence[tuple[float, float]]
    faint: bool = False
    line: bool = True
    bars: Sequence[tuple[float, float, float, float]] = ()


def draw(title: str, description: str, x: Axis, y: Axis, series: Iterable[Series]) -> Markup:
    """The whole chart. title and description are what a screen reader says."""
    svg = ET.Element("svg", {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "class": "chart"})
    ET.SubElement(svg, "title").text = title
    ET.SubElement(svg, "desc").text = description
    _axes(svg, x, y)
    for each in series:
        _series(svg, each, x, y)
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 -- serialised elements: every text in them is escaped


def swatch(style: int) -> Markup:
    """The marker of an endpoint, for legends and tables."""
    svg = ET.Element("svg", {"viewBox": "0 0 12 12", "class": "swatch", "aria-hidden": "true"})
    svg.append(_marker(6, 6, style))
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 -- as above


def scale(title: str, values: Iterable[float], spell: Callable[[float], str], *, zero: bool = True) -> Axis:
    """An axis that holds these values: logarithmic over a wide range of positive ones, else linear, from zero if asked."""
    found = list(values)
    low, high = min(found), max(found)
    if low > 0 and high / low > _WIDE:
        ends = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
        marks = [10.0**power for power in range(round(math.log10(ends[0])), round(math.log10(ends[1])) + 1)]
        return Axis(title, *ends, [Tick(mark, _short(spell(mark))) for mark in marks], log=True)
    low = 0.0 if zero else low
    step = _step(high - low or abs(high) or 1.0)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    marks = [index * step for index in range(first, last + 1)]
    return Axis(title, marks[0], marks[-1], [Tick(mark, _short(spell(mark))) for mark in marks])


def _short(label: str) -> str:
    """Round marks need no trailing zeros: `1.50 s` is `1.5 s`, `90.0 %` is `90 %`."""
    number, space, unit = label.partition(" ")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + space + unit


def _step(span: float) -> float:
    """A round distance between ticks that gives three to six of them."""
    rough = span / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    return next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= rough) * magnitude


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - _BOTTOM - axis.share(value) * (HEIGHT - _TOP - _BOTTOM), 1)


def _axes(svg: ET.Element, x: Axis, y: Axis) -> None:
    for tick in y.ticks:
        at = _y(y, tick.at)
        _line(svg, (_LEFT, at), (WIDTH - _RIGHT, at), "grid")
        _text(svg, _LEFT - 6, at + 4, tick.label, "end")
    for tick in x.ticks:
        at = _x(x, tick.at)
        _line(svg, (at, HEIGHT - _BOTTOM), (at, HEIGHT - _BOTTOM + 4), "grid")
        _text(svg, at, HEIGHT - _BOTTOM + 18, tick.label, "middle")
    _text(svg, (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, x.title, "middle")
    across = _text(svg, 13, (HEIGHT - _BOTTOM) / 2, y.title, "middle")
    across.set("transform", f"rotate(-90 13 {(HEIGHT - _BOTTOM) / 2:g})")


def _series(svg: ET.Element, each: Series, x: Axis, y: Axis) -> None:
    group = ET.SubElement(svg, "g", {"class": f"s{each.style % STYLES}{' faint' if each.faint else ''}"})
    ET.SubElement(group, "title").text = each.name
    for (at, value), (low_x, high_x, low_y, high_y) in zip(each.points, each.bars, strict=False):
        _line(group, (_x(x, low_x), _y(y, value)), (_x(x, high_x), _y(y, value)), "bar")
        _line(group, (_x(x, at), _y(y, low_y)), (_x(x, at), _y(y, high_y)), "bar")
    places = [(_x(x, at), _y(y, value)) for at, value in each.points]
    if each.line:
        ET.SubElement(group, "polyline", {"points": " ".join(f"{at:g},{value:g}" for at, value in places)})
    for at, value in places:
        group.append(_marker(at, value, each.style))


def _marker(x: float, y: float, style: int) -> ET.Element:
    """A shape of its own for each endpoint, so that colour is never the only difference."""
    shapes = (
        None,
        ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        ((0, -5), (5, 4), (-5, 4)),
        ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
        ((0, 5), (5, -4), (-5, -4)),
        ((-5, -2), (5, -2), (5, 2), (-5, 2)),
    )
    shape = shapes[style % len(shapes)]
    kind = f"marker s{style % STYLES}"
    if shape is None:
        return ET.Element("circle", {"cx": f"{x:g}", "cy": f"{y:g}", "r": "4", "class": kind})
    return ET.Element("polygon", {"points": " ".join(f"{x + dx:g},{y + dy:g}" for dx, dy in shape), "class": kind})


def _line(parent: ET.Element, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
    places = {"x1": f"{start[0]:g}", "y1": f"{start[1]:g}", "x2": f"{end[0]:g}", "y2": f"{end[1]:g}"}
    ET.SubElement(parent, "line", places | {"class": kind})


def _text(parent: ET.Element, x: float, y: float, label: str, anchor: str) -> ET.Element:
    element = ET.SubElement(parent, "text", {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor})
    element.text = label
    return element
