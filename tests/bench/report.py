"""Tables for people and figures for programs; every ratio with both of its sides."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TextIO, TypeAlias

from tests.bench.measure import Series

Figures: TypeAlias = dict[str, object]


class Progress:
    """Tells how far a part has come, on the error stream: one line that is written over.

    Where that is no terminal nothing can be written over: at most `LINES` a part then, spread over
    the time that the part is said to take.
    """

    LINES: Final = 10

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self.begin("", 0.0)

    def begin(self, title: str, seconds: float) -> None:
        """A part begins, which takes about so long."""
        self._left, self._every_s = self.LINES, seconds / self.LINES
        self._next_s = time.monotonic() + self._every_s
        if title:
            self._write(f"{title}\n")

    def say(self, text: str) -> None:
        """Where it stands now."""
        if self._out.isatty():
            self._write(f"\r  {text}\x1b[K\r")
        elif self._left and (now_s := time.monotonic()) >= self._next_s:
            self._left, self._next_s = self._left - 1, now_s + self._every_s
            self._write(f"  {text}\n")

    @property
    def _out(self) -> TextIO:
        return self._stream or sys.stderr

    def _write(self, text: str) -> None:
        print(text, end="", file=self._out, flush=True)


PROGRESS: Final = Progress()
say: Final = PROGRESS.say


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
    print(f"\n{title} ({min(map(len, series.rounds.values()))} rounds)")
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
