"""The tables themselves: every row is told, and what it names exists."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.catalogue.rows import ROOT, Row, rows
from tests.catalogue.run import Held

NAMES = [row.name for row in rows()]


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_row_is_shown_by_tests_that_exist_or_says_why_not(row: Row) -> None:
    assert bool(row.shown_by) != bool(row.absent)
    for node in row.shown_by:
        file, _, test = node.partition("::")
        assert (ROOT / file).is_file(), node
        assert not test or test.partition("[")[0] in names_in(file), node


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_a_row_whose_test_fails_or_does_not_run_is_told() -> None:
    row = Row(catalogue="x", group="g", name="n", what="w", holds="h", shown_by=("a.py::t", "b.py"))
    held = Held()

    def note(node: str, outcome: str) -> None:
        held._outcomes.setdefault(node, set()).add(outcome)

    verdicts = [held.verdict(row)]
    note("a.py::t[1]", "passed")
    verdicts.append(held.verdict(row))
    note("b.py::other", "passed")
    verdicts.append(held.verdict(row))
    note("a.py::t[2]", "failed")
    verdicts.append(held.verdict(row))

    assert verdicts == ["not run", "not run", "held", "broken"]
