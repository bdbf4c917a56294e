"""A Grafana dashboard, drawn as SVG: its own panels and places, with series that were measured."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

Point = tuple[float, float]
COLUMN: Final = 48  # pixels of one of the 24 columns
ROW: Final = 28
GAP: Final = 8
MAX_IN_LEGEND: Final = 6
# Okabe and Ito's colours, which people tell apart who see few of them.
COLOURS: Final = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#d55e00",
    "#56b4e9",
    "#7a6f00",
    "#555",
)
STYLE: Final = """\
text{font-family:system-ui,'DejaVu Sans',sans-serif;fill:#24292f}
.title{font-size:13px;font-weight:600}.axis,.legend{font-size:10px;fill:#57606a}
.stat{font-size:32px;font-weight:600;text-anchor:middle}.none{font-size:12px;fill:#8c959f;text-anchor:middle}
.box{fill:#fff;stroke:#d0d7de}.grid{stroke:#eaeef2}.line{fill:none;stroke-width:1.5}"""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: what it is called, and its points as (time, value)."""

    name: str
    points: tuple[Point, ...]


def legend_of(template: str, labels: Mapping[str, str]) -> str:
    """A legend's name, with `{{label}}` filled in as Grafana does."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), template).strip()


def told(value: float, unit: str) -> str:
    """A value as people read it, in Grafana's units."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s" and value:
        for factor, name in ((1, "s"), (1e-3, "ms")):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value / 1e-6:.3g} µs"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "s":
        return "0 s"
    shown = f"{value / 1000:.3g} K" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{shown}/s" if unit == "reqps" else shown


def _top(series: Sequence[Series]) -> float:
    """A round number above every value."""
    most = max((value for one in series for _, value in one.points), default=0.0)
    if most <= 0:
        return 1.0
    step = 10 ** math.floor(math.log10(most))
    return next(factor * step for factor in (1, 2, 5, 10) if factor * step >= most)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The area of a plot and what its edges mean."""

    x: float
    y: float
    width: float
    height: float
    begin: float
    end: float
    top: float

    def place(self, point: Point) -> str:
        share = (point[0] - self.begin) / max(self.end - self.begin, 1e-9)
        y = self.y + self.height * (1 - point[1] / self.top)
        return f"{self.x + share * self.width:.1f},{y:.1f}"


def _stat(box: tuple[float, float, float, float], series: Sequence[Series], unit: str) -> list[str]:
    x, y, width, height = box
    centre = f'x="{x + width / 2:.0f}" y="{y + height / 2 + 22:.0f}"'
    if not series or not series[0].points:
        return [f'<text class="none" {centre}>none</text>']
    last = told(series[0].points[-1][1], unit)
    return [f'<text class="stat" {centre}>{escape(last)}</text>']


def _lines(
    box: tuple[float, float, float, float], series: Sequence[Series], unit: str, when: Point
) -> list[str]:
    x, y, width, height = box
    shown = series[:MAX_IN_LEGEND]
    frame = _Frame(x + 52, y + 30, width - 66, height - 78, *when, _top(series))
    out = []
    for quarter in (0, 0.5, 1):
        at = frame.y + frame.height * (1 - quarter)
        right = frame.x + frame.width
        out.append(f'<line class="grid" x1="{frame.x}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        text = escape(told(frame.top * quarter, unit))
        place = f'x="{frame.x - 6}" y="{at + 3:.1f}" text-anchor="end"'
        out.append(f'<text class="axis" {place}>{text}</text>')
    for number, one in enumerate(series):
        places = " ".join(frame.place(point) for point in one.points)
        colour = COLOURS[number % len(COLOURS)]
        out.append(f'<polyline class="line" stroke="{colour}" points="{places}"/>')
    for number, one in enumerate(shown):
        left = x + 14 + (number % 2) * (width / 2 - 8)
        at = y + height - 34 + (number // 2) * 13
        out.append(
            f'<rect x="{left:.0f}" y="{at - 6:.0f}" width="9" height="4" fill="{COLOURS[number]}"/>'
        )
        name = escape(one.name[:40])
        out.append(f'<text class="legend" x="{left + 14:.0f}" y="{at:.0f}">{name}</text>')
    if not series:
        middle = f'x="{x + width / 2:.0f}" y="{frame.y + frame.height / 2:.0f}"'
        out.append(f'<text class="none" {middle}>none</text>')
    return out


def picture_of(
    panels: Sequence[Mapping[str, Any]], measured: Mapping[int, Sequence[Series]], title: str
) -> str:
    """The dashboard as one SVG; `measured` holds the series of each panel by its id."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    times = [p[0] for many in measured.values() for one in many for p in one.points]
    when = (min(times, default=0.0), max(times, default=1.0))
    width, height = 24 * COLUMN + GAP, bottom * ROW + GAP + 28
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    out = [head + f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">']
    out.append(f"<style>{STYLE}</style>")
    out.append(f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>')
    out.append(f'<text class="title" x="{GAP + 4}" y="22">{escape(title)}</text>')
    for panel in panels:
        grid, unit = panel["gridPos"], panel["fieldConfig"]["defaults"].get("unit", "short")
        x, y = grid["x"] * COLUMN + GAP, grid["y"] * ROW + GAP + 28
        box = (x, y, grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP)
        size = f'width="{box[2]}" height="{box[3]}"'
        out.append(f'<rect class="box" x="{x}" y="{y}" {size} rx="3"/>')
        out.append(f'<text class="title" x="{x + 12}" y="{y + 20}">{escape(panel["title"])}</text>')
        series = measured.get(panel["id"], ())
        is_stat = panel["type"] == "stat"
        out += _stat(box, series, unit) if is_stat else _lines(box, series, unit, when)
    return "\n".join([*out, "</svg>", ""])
