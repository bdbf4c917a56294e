"""Which rows held in a run of the tests: listens to pytest, and tells at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from tests.catalogue.rows import Row, rows


class Held:
    """What became of the tests of every row."""

    def __init__(self) -> None:
        self._outcomes: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes how a part of a test ended."""
        if report.when == "call" or report.outcome != "passed":
            self._outcomes.setdefault(report.nodeid, set()).add(report.outcome)

    def verdict(self, row: Row) -> str:
        """`held`, `broken`, `left out` (skipped here), or `not run`."""
        found = [o for node, o in self._outcomes.items() if row.is_shown_by(node)]
        seen = set[str]().union(*found)
        if "failed" in seen:
            return "broken"
        missing = [
            each for each in row.shown_by if not any(_is_of(each, n) for n in self._outcomes)
        ]
        if not found or missing:
            return "not run"
        return "left out" if seen == {"skipped"} else "held"

    def figures(self) -> dict[str, str]:
        """How many rows there are, are automated, and held in this run."""
        told: dict[str, str] = {}
        for catalogue in ("inputs", "faults"):
            mine = [row for row in rows() if row.catalogue == catalogue]
            counts = Counter(self.verdict(row) for row in mine if row.shown_by)
            ran = sum(counts.values()) - counts["not run"]
            if ran:
                automated = sum(counts.values())
                told[f"catalogue of {catalogue}: rows automated / of"] = (
                    f"{automated} / {len(mine)}"
                )
                told[f"catalogue of {catalogue}: held / run here"] = f"{counts['held']} / {ran}"
        return told


def _is_of(each: str, node: str) -> bool:
    return node == each or node.startswith((f"{each}[", f"{each}::"))


def lines(held: Held, wanted: Iterable[Row]) -> Iterable[str]:
    """One line a row: its name, what became of it, what happens, what must hold."""
    for row in wanted:
        verdict = held.verdict(row) if row.shown_by else "absent"
        why = f" ({row.absent})" if row.absent else f" (needs {row.needs})" if row.needs else ""
        yield f"{row.name:<5}{verdict:<9}{row.what}{why} -> {row.holds}"
