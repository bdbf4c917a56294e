"""The picture in the docs is one of the dashboard that is shipped, drawn from values."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tests.dashboard.__main__ import PICTURE
from tests.dashboard.draw import Series, legend_of, picture_of, told
from tests.support.prometheus import panels

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(picture: str, css_class: str) -> list[str]:
    found = ET.fromstring(picture).iter(f"{SVG}text")
    return [one.text or "" for one in found if one.get("class") == css_class]


def test_picture_of_the_docs_shows_every_panel_of_the_dashboard() -> None:
    """Where it fails: `python -m tests.dashboard`."""
    picture = PICTURE.read_text()

    assert texts_of(picture, "title")[1:] == [panel["title"] for panel in panels("1m")]
    lines = re.findall(r'<polyline [^>]*points="([^"]+)"', picture)
    assert len(lines) >= len([panel for panel in panels("1m") if panel["type"] == "timeseries"])
    assert "none" not in texts_of(picture, "none")


def test_values_are_drawn_where_they_belong() -> None:
    panel = {
        "id": 1,
        "type": "timeseries",
        "title": "Answers <by> kind",
        "gridPos": {"x": 0, "y": 0, "w": 12, "h": 7},
        "fieldConfig": {"defaults": {"unit": "reqps"}},
    }
    rising = Series("permit", ((0.0, 0.0), (10.0, 100.0)))

    picture = picture_of([panel], {1: [rising]}, "A fleet")

    (line,) = re.findall(r'points="([^"]+)"', picture)
    (x0, y0), (x1, y1) = (tuple(map(float, place.split(","))) for place in line.split())
    assert x0 < x1
    assert y0 > y1  # higher is further up
    assert texts_of(picture, "title") == ["A fleet", "Answers <by> kind"]
    assert texts_of(picture, "legend") == ["permit"]
    assert texts_of(picture, "axis") == ["0/s", "50/s", "100/s"]


def test_names_and_units_are_told_as_grafana_does() -> None:
    assert legend_of("{{purpose}} {{decision}}", {"purpose": "mail", "decision": "deny"}) == (
        "mail deny"
    )
    assert [told(*one) for one in ((0.5, "percentunit"), (0.002, "s"), (3e-5, "s"), (0, "s"))] == [
        "50 %",
        "2 ms",
        "30 µs",
        "0 s",
    ]
    assert told(1500, "reqps") == "1.5 K/s"
