"""Writes what the docs show of a run: the figures, pictures, and a page with all tables.

Pictures and page are made from the figures alone, so that a test can hold them against each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.bench import goals
from tests.bench.svg import Bar, Flame, bars, flames

ROOT: Final = Path(__file__).resolve().parents[2]
FIGURES: Final = "docs/performance.json"
PAGE: Final = "docs/performance-figures.md"
BARS: Final = "docs/images/performance.svg"
FLAMES: Final = "docs/images/performance-flames.svg"
OURS: Final = {"hit": "Consentry, hit", "miss": "Consentry, miss"}
NAMES: Final = {"cerbos": "Cerbos", "opa": "OPA", "openfga": "OpenFGA"} | OURS
_THREAD_OF_OURS: Final = "check threads"
_KINDS: Final = {"engine": 2, "server": 3, "telemetry": 4, "consent": 4}


def publish(told: dict[str, Any], root: Path = ROOT) -> int:
    """Writes all of it; the exit status."""
    (root / FIGURES).write_text(json.dumps(told, indent=1) + "\n")
    for name, text in pages(told).items():
        (root / name).write_text(text)
        print(f"written: {name}")
    return 0


def pages(told: dict[str, Any]) -> dict[str, str]:
    """Every file that is made from the figures, by its place in the project."""
    made = {PAGE: page(told)}
    if sections := _sections(told["parts"]):
        made[BARS] = bars("Server CPU per call, beside others", sections, unit="us")
    if roots := _flames(told["parts"].get("profile", {})):
        made[FLAMES] = flames("Where the microseconds of a hit and of a miss go", roots)
    return made


def _sections(parts: dict[str, Any]) -> dict[str, list[Bar]]:
    found = {}
    for number in (1, 16, 64):
        key = f"servers_100_rules_{number}_in_flight"
        sides = parts.get("peers", {}).get(key, {}).get("sides", {})
        some = [
            Bar(label=NAMES.get(name, name), value=side["us"], is_ours=name in OURS)
            for name, side in sides.items()
            if "us" in side
        ]
        if some:
            found[f"Server CPU per call, 100 rules, {number} in flight"] = some
    engine = parts.get("engine", {}).get("sides", {})
    if engine:
        found["Our engine in process, one evaluation"] = [
            Bar(label=name, value=side["us"], is_ours=True) for name, side in engine.items()
        ]
    return found


def _flames(profile: dict[str, Any]) -> list[Flame]:
    roots = []
    for kind, found in profile.items():
        if not found.get("threads"):
            continue
        root = Flame(f"{kind.title()}: server CPU by thread", found["us"])
        ours = _inside(kind, found)
        for role, us in found["threads"].items():
            part = Flame(role, us)
            if role == _THREAD_OF_OURS:
                part.parts = [Flame("of which our path takes", ours.us, 1)]
            root.parts.append(part)
        roots += [root, ours]
    return roots


def _inside(kind: str, found: dict[str, Any]) -> Flame:
    """The stacks as a tree, in microseconds."""
    total = sum(found["stacks"].values())
    top = Flame(f"{kind.title()}: our path, called in one process", found["inside_us"], 1)
    for stack, count in found["stacks"].items():
        at = top
        for frame in stack.split(";"):
            module, _, name = frame.rpartition(":")
            label = f"{module.rpartition('.')[2]}.{name}"
            below = next((part for part in at.parts if part.label == label), None)
            if below is None:
                below = Flame(label, 0.0, _KINDS.get(module.partition(".")[0], 1))
                at.parts.append(below)
            below.us += found["inside_us"] * count / total
            at = below
    return top


def page(told: dict[str, Any]) -> str:
    """All tables of a run, in Markdown."""
    about = told["about"]
    lines = [
        "# Figures",
        "",
        "Written by `./dev bench --publish`; how to read it: [performance](performance.md).",
        "",
        f"{about['machine']}; {about['system']}; Python {about['python']}, grpcio"
        f" {about['grpcio']}, protobuf {about['protobuf']}. {about['made_at'][:10]}, state of the"
        f" code {about['commit']}; {about.get('took_s', 0)} s, load of the machine before and after"
        f" {about['load_before']} and {about.get('load_after', '')}"
        + (", a quick run with coarse figures." if about["is_quick"] else "."),
        "",
        *goals.markdown(told["parts"]),
    ]
    for name, part in told["parts"].items():
        lines += ["", f"## {name}"]
        for figures in _tables(part):
            lines += ["", f"**{figures['title']}**", ""]
            lines += _facts(figures) if "facts" in figures else _sides(figures)
        lines += _profile(part) if name == "profile" else []
        if "missing" in part:
            lines += ["", f"Left out: {part['missing']}"]
    return "\n".join(lines) + "\n"


def _tables(figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "sides" in figures or "facts" in figures:
        yield figures
        return
    for below in figures.values():
        if isinstance(below, dict):
            yield from _tables(below)


def _sides(figures: dict[str, Any]) -> Iterator[str]:
    yield f"| | us | ratio to {figures['base']} (least, greatest) | goal |"
    yield "| --- | ---: | ---: | --- |"
    for name, side in figures["sides"].items():
        if "missing" in side:
            yield f"| {name} | left out | {side['missing']} | |"
            continue
        ratio = side["ratio"]
        spread = f"{ratio['median']:.2f} ({ratio['min']:.2f}, {ratio['max']:.2f})"
        yield f"| {name} | {side['us']:,.2f} | {spread} | {side['goal']} |"


def _facts(figures: dict[str, Any]) -> Iterator[str]:
    yield "| | | unit | goal |"
    yield "| --- | ---: | --- | --- |"
    for name, fact in figures["facts"].items():
        digits = 0 if abs(fact["value"]) >= 1000 else 2
        yield f"| {name} | {fact['value']:,.{digits}f} | {fact['unit']} | {fact['goal']} |"


def _profile(part: dict[str, Any]) -> Iterator[str]:
    for found in part.values():
        yield from ("", f"**{found['title']}**", "", "| | us |", "| --- | ---: |")
        for role, us in found["threads"].items():
            yield f"| {role} | {us:.1f} |"
        yield f"| the decision point's path, in a loop in one process | {found['inside_us']:.1f} |"
        for work, us in found["inside"].items():
            yield f"| &nbsp;&nbsp;{work} | {us:.2f} |"
