"""Pictures for the docs: bars, and flames whose width is microseconds. Readable in light and dark.

Plain SVG without scripts or fonts of its own, so that a page shows it wherever it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 920
_STYLE: Final = """\
  <style>
    text{fill:#1f2328} .note{fill:#57606a;font-size:12px} .head{font-weight:bold}
    .ours{fill:#1a7f37} .other{fill:#8c959f} .k0{fill:#d0d7de} .k1{fill:#b6e3c6} .k2{fill:#ffe2b8}
    .k3{fill:#cfe0fb} .k4{fill:#f5d0e0} .cell{stroke:#ffffff;stroke-width:1} .in{font-size:11px}
    @media (prefers-color-scheme: dark){
      text{fill:#e6edf3} .note{fill:#8b949e} .ours{fill:#3fb950} .other{fill:#6e7681}
      .k0{fill:#30363d} .k1{fill:#12552a} .k2{fill:#6b4a12} .k3{fill:#1c3d70} .k4{fill:#5c2340}
      .cell{stroke:#0d1117}
    }
  </style>"""
_CHARACTER: Final = 6.2
"""Width of a character of 11 px, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: what, how much, and whether it is ours."""

    label: str
    value: float
    is_ours: bool


@dataclass(slots=True)
class Flame:
    """A part of a cost, with its own parts; `kind` is 0 to 4 and gives the colour."""

    label: str
    us: float
    kind: int = 0
    parts: list[Flame] = field(default_factory=list)

    def depth(self) -> int:
        """How many rows it takes."""
        return 1 + max((part.depth() for part in self.parts), default=0)


def _picture(title: str, told: str, height: int, lines: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' aria-labelledby="t d" font-family="Helvetica, Arial, sans-serif" font-size="13">\n'
        f'  <title id="t">{escape(title)}</title>\n  <desc id="d">{escape(told)}</desc>\n'
    )
    return head + _STYLE + "\n" + "\n".join(lines) + "\n</svg>\n"


def bars(title: str, sections: Mapping[str, Sequence[Bar]], *, unit: str) -> str:
    """Horizontal bars, each section with a scale of its own."""
    lines, y, left, room = list[str](), 10, 250, WIDTH - 250 - 110
    for name, found in sections.items():
        y += 22
        lines.append(f'  <text class="head" x="10" y="{y}">{escape(name)}</text>')
        most = max(bar.value for bar in found)
        for bar in found:
            y += 20
            width = max(1.0, room * bar.value / most)
            kind = "ours" if bar.is_ours else "other"
            value, end = f"{bar.value:,.4g} {unit}", left + width + 6
            lines += [
                f'  <text x="{left - 8}" y="{y}" text-anchor="end">{escape(bar.label)}</text>',
                f'  <rect class="{kind}" x="{left}" y="{y - 11}" width="{width:.1f}" height="14"/>',
                f'  <text class="note" x="{end:.1f}" y="{y}">{escape(value)}</text>',
            ]
        y += 8
    told = "; ".join(
        f"{name}: " + ", ".join(f"{bar.label} {bar.value:,.4g} {unit}" for bar in found)
        for name, found in sections.items()
    )
    return _picture(title, told, y + 14, lines)


ROW: Final = 20
LEAST_WIDTH: Final = 0.7


def flames(title: str, roots: Sequence[Flame]) -> str:
    """One flame below the other, each as wide as the picture; rows go down into the calls."""
    lines, y = list[str](), 8
    for root in roots:
        scale = (WIDTH - 20) / root.us
        y += 18
        lines.append(f'  <text class="head" x="10" y="{y}">{escape(root.label)}</text>')
        y += 6
        _row(root, 10.0, y, scale, lines)
        y += ROW * root.depth() + 10
    told = "; ".join(
        f"{root.label}: " + ", ".join(f"{part.label} {part.us:.1f} us" for part in root.parts)
        for root in roots
    )
    return _picture(title, told, y + 4, lines)


def _row(flame: Flame, x: float, y: int, scale: float, lines: list[str]) -> None:
    width = flame.us * scale
    if width < LEAST_WIDTH:
        return
    label = f"{flame.label}, {flame.us:.2f} us"
    fits = int((width - 6) / _CHARACTER)
    forms = (label, flame.label, flame.label.rpartition(".")[2])
    shown = next((form for form in forms if len(form) <= fits), "")
    lines.append(
        f'  <g><title>{escape(label)}</title><rect class="cell k{flame.kind}" x="{x:.1f}"'
        f' y="{y}" width="{width:.1f}" height="{ROW}"/>'
        + (f'<text class="in" x="{x + 3:.1f}" y="{y + 14}">{escape(shown)}</text>' if shown else "")
        + "</g>"
    )
    for part in sorted(flame.parts, key=lambda part: -part.us):
        _row(part, x, y + ROW, scale, lines)
        x += part.us * scale
