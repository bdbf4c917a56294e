"""Tables for people and figures for programs; every ratio with both of its sides."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tests.bench.measure import Series

Figures: TypeAlias = dict[str, object]


def say(text: str) -> None:
    """Progress, on the error stream, over the last line."""
    print(f"\r  {text:<40}", end="", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure that is not a ratio."""

    value: float
    unit: str
    goal: str = ""


def facts(title: str, found: Mapping[str, Fact]) -> Figures:
    """Prints figures of different units, one a line, and returns them."""
    width = max(14, *(len(name) for name in found))
    print(f"\n{title}")
    figures: Figures = {}
    for name, fact in found.items():
        goal = f"   goal {fact.goal}" if fact.goal else ""
        digits = 0 if abs(fact.value) >= 1000 else 2
        print(f"  {name:<{width}}{fact.value:>12,.{digits}f} {fact.unit}{goal}")
        figures[name] = {"value": round(fact.value, 4), "unit": fact.unit, "goal": fact.goal}
    return {"title": title, "facts": figures}


def table(
    title: str,
    series: Series,
    base: str,
    goals: Mapping[str, str],
    missing: Mapping[str, str] | None = None,
) -> Figures:
    """Prints one comparison and returns its figures.

    `goals` stand beside the sides they are for; `missing` says who could not be measured, and why.
    """
    width = max(14, *(len(side) for side in series.rounds))
    print(f"\n{title}")
    print(f"  {'':<{width}}{'us':>10}   {'ratio to ' + base:>24}   goal")
    figures: Figures = {}
    for side in series.rounds:
        low, middle, high = series.ratio(side, base)
        us = series.median(side)
        ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        print(f"  {side:<{width}}{us:>10.2f}   {ratio:>24}   {goals.get(side, '')}".rstrip())
        figures[side] = {
            "us": round(us, 3),
            "base_us": round(series.median(base), 3),
            "ratio": {"min": round(low, 4), "median": round(middle, 4), "max": round(high, 4)},
            "goal": goals.get(side, ""),
            "rounds": len(series.rounds[side]),
        }
    for side, why in (missing or {}).items():
        print(f"  {side:<{width}}{'left out':>10}   {why}")
        figures[side] = {"missing": why}
    return {"title": title, "base": base, "sides": figures}
